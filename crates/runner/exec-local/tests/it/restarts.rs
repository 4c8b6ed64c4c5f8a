//! Runners and supervisors that die.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getsid};
use rdev_runner_exec_local::{LocalRun, OutputStream, RunError, RunState};

use crate::{Scene, eventually, exit, reported_process, stdout};

/// The variable by which a test starts [`a_runner`] as a process of its own.
const RUNNER_OF: &str = "RDEV_TEST_RUNNER_OF";

/// Not a test: the process of a runner that starts a run and is killed.
#[tokio::test]
#[ignore = "another test starts it as a process of its own"]
async fn a_runner() {
    let Some(directory) = std::env::var_os(RUNNER_OF) else { return };
    let scene = Scene::new();
    let spec = scene.spec("echo $$; while read line; do echo \"got $line\"; done; exit 5");
    let spec = rdev_runner_exec_local::RunSpec { directory: "/".into(), ..spec };
    let folder = PathBuf::from(directory).join("run");
    let run = LocalRun::start(crate::supervisor(), &folder, &spec).await.unwrap();
    run.write_input(b"first\n").await.unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_run_outlives_its_runner_and_is_found_again() {
    let scene = Scene::new();
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "restarts::a_runner"])
        .env(RUNNER_OF, scene.directory.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let run = eventually(|| LocalRun::attach(&scene.folder()).ok()).await;
    eventually(|| stdout(&run).ends_with("got first\n").then_some(())).await;
    let offset = stdout(&run).len() as u64;
    runner.kill().unwrap();
    runner.wait().unwrap();
    drop(run);

    let run = LocalRun::attach(&scene.folder()).unwrap();
    assert_eq!(run.state().unwrap(), RunState::Running);
    run.write_input(b"second\n").await.unwrap();
    run.close_input();
    assert_eq!(exit(&run).await.exit_code, Some(5));
    assert_eq!(run.read_output(OutputStream::Stdout, offset).unwrap(), b"got second\n");
}

#[tokio::test]
async fn a_run_has_a_session_of_its_own() {
    let scene = Scene::new();
    let run = scene.start("echo $$; exec sleep 600").await;
    let agent = reported_process(&run).await;
    assert_ne!(getsid(Some(Pid::from_raw(agent))).unwrap(), getsid(None).unwrap());
    run.terminate();
    exit(&run).await;
}

#[tokio::test]
async fn a_run_without_its_supervisor_is_lost() {
    let scene = Scene::new();
    let run = scene.start("echo $PPID; exec sleep 2").await;
    let supervisor = reported_process(&run).await;
    assert!(matches!(LocalRun::attach(&scene.folder()).unwrap().remove(), Err(RunError::StillRunning)));
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    eventually(|| (run.state().unwrap() == RunState::Lost).then_some(())).await;
    assert!(!run.terminate());
    run.remove().unwrap();
}
