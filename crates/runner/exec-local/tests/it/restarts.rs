//! Runners that die.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use nix::unistd::{Pid, getsid};
use rdev_runner_domain::ExecState;
use rdev_runner_domain::ports::ExecError;
use rdev_runner_testkit::exec::{ExecHarness, TestRun, spec, start_as};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::Command;
use tokio::time::timeout;

use crate::{Scene, reported_process};

/// The variable by which a test starts [`a_runner`] as a process of its own.
const RUNNER_OF: &str = "RDEV_TEST_RUNNER_OF";

/// Not a test: the process of a runner that starts a run and is killed.
#[tokio::test]
#[ignore = "another test starts it as a process of its own"]
async fn a_runner() {
    let Some(directory) = std::env::var_os(RUNNER_OF) else { return };
    let scene = Scene::within(Path::new(&directory));
    let mut spec = spec(&scene, "echo $$; while read line; do echo \"got $line\"; done; exit 5");
    spec.input = "first\n".to_owned();
    start_as(&scene, "one", &spec).await;
    // Past the capture of the test's output.
    std::io::stdout().write_all(b"\nstarted\n").unwrap();
    std::future::pending::<()>().await;
}

#[tokio::test]
async fn a_run_outlives_its_runner_and_is_found_again() {
    let directory = tempfile::TempDir::new().unwrap();
    let scene = Scene::within(directory.path());
    let mut runner = Command::new(std::env::current_exe().unwrap())
        .args(["--ignored", "--exact", "restarts::a_runner"])
        .env(RUNNER_OF, directory.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(runner.stdout.take().unwrap()).lines();
    timeout(Duration::from_secs(60), async {
        while lines.next_line().await.unwrap().expect("the runner starts the run") != "started" {}
    })
    .await
    .unwrap();
    runner.kill().await.unwrap();

    let run = TestRun { backend: scene.backend(), name: "one".parse().unwrap() };
    assert_eq!(run.backend.status(&run.name).await.unwrap(), ExecState::Running);
    let offset = run.output_with("got first\n").await.len() as u64;
    run.write("second\n").await.unwrap();
    run.close().await;
    assert_eq!(run.end().await.exit_code, Some(5));
    assert_eq!(run.follow(offset).await, b"got second\n");
}

#[tokio::test]
async fn a_start_that_was_cut_off_is_withdrawn() {
    let scene = Scene::new();
    let (backend, name) = (scene.backend(), "one".parse().unwrap());
    // The runner died before it had started the supervisor.
    std::fs::create_dir(scene.folder("one")).unwrap();
    let unknown = backend.status(&name).await;
    assert!(matches!(unknown, Err(ExecError::UnknownRun(_))), "{unknown:?}");
    assert!(backend.withdraw(&name).await.unwrap());
    assert_eq!(backend.runs().await.unwrap(), []);
    // The supervisor was killed when the program may have run.
    std::fs::create_dir(scene.folder("one")).unwrap();
    std::fs::write(scene.folder("one").join("stdout"), "").unwrap();
    assert!(!backend.withdraw(&name).await.unwrap());
    assert_eq!(backend.runs().await.unwrap(), std::slice::from_ref(&name));
    backend.remove(&name).await.unwrap();
    let run = scene.start("exit 3").await;
    assert_eq!(run.end().await.exit_code, Some(3));
}

#[tokio::test]
async fn a_run_has_a_session_of_its_own() {
    let scene = Scene::new();
    let run = scene.start("echo $$; exec cat").await;
    let agent = reported_process(&run).await;
    assert_ne!(getsid(Some(Pid::from_raw(agent))).unwrap(), getsid(None).unwrap());
    run.close().await;
    run.end().await;
}
