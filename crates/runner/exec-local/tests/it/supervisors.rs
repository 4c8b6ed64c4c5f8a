//! Supervisors and guardians that are killed.

use std::process::{Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdev_runner_domain::ExecState;
use rdev_runner_exec_local::remote::HANDSHAKE;
use rdev_runner_testkit::exec::{TestRun, spec, start_as};
use sha2::{Digest, Sha256};

use crate::{Scene, marked, parent, reported_process};

/// The agent, whose parent is the supervisor, and a process that left it.
const SCRIPT: &str = "echo $PPID; (setsid sh -c 'echo there; exec sleep 600 >/dev/null' </dev/null &) ; \
                      read line; echo \"got $line\"; exit 7";

struct Processes {
    supervisor: Pid,
    guardian: Pid,
}

async fn start(scene: &Scene) -> (TestRun, Processes, String) {
    let mark = scene.folder("one").display().to_string();
    let mut spec = spec(scene, SCRIPT);
    spec.env.insert("MARK".to_owned(), mark.clone().into());
    let run = start_as(scene, "one", &spec).await;
    let supervisor = Pid::from_raw(reported_process(&run).await);
    run.output_with("there").await;
    let guardian = parent(supervisor);
    (run, Processes { supervisor, guardian }, mark)
}

fn kill_hard(process: Pid) {
    kill(process, Signal::SIGKILL).unwrap();
}

#[tokio::test]
async fn a_killed_supervisor_leaves_nothing() {
    let scene = Scene::new();
    let (run, processes, mark) = start(&scene).await;
    assert_eq!(marked(&mark).len(), 2);
    kill_hard(processes.supervisor);
    let end = run.end().await;
    assert_eq!((end.exit_code, end.signal, end.swept, end.left), (None, Some(9), 2, 0));
    assert_eq!(marked(&mark), [0; 0]);
    assert!(!scene.folder("one").join("tmp").exists());
    assert!(run.output().await.contains("there"));
}

#[tokio::test]
async fn a_run_goes_on_without_its_guardian() {
    let scene = Scene::new();
    let (run, processes, mark) = start(&scene).await;
    kill_hard(processes.guardian);
    run.write("a line\n").await.unwrap();
    let end = run.end().await;
    assert_eq!((end.exit_code, end.swept, end.left), (Some(7), 1, 0));
    assert!(run.output().await.ends_with("got a line\n"));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn a_run_without_both_is_lost() {
    let scene = Scene::new();
    // It ends with its input, which the supervisor holds open.
    let run = scene.start("echo $PPID; exec cat").await;
    let supervisor = Pid::from_raw(reported_process(&run).await);
    // The guardian first: it would end the run otherwise.
    kill_hard(parent(supervisor));
    kill_hard(supervisor);
    assert_eq!(run.backend.wait(&run.name).await.unwrap(), ExecState::Lost);
    // A stop of what is not there, and the removal, are no failures.
    run.stop().await;
    run.backend.remove(&run.name).await.unwrap();
    assert!(!scene.folder("one").exists());
}

#[test]
fn an_executable_that_is_not_whole_is_not_installed() {
    let directory = tempfile::TempDir::new().unwrap();
    let path = |name: &str| directory.path().join(name);
    let install = |hash: &str| {
        std::fs::copy(env!("CARGO_BIN_EXE_rdev-supervise"), path("new")).unwrap();
        let mut command = Command::new(path("new"));
        command.arg("install").arg(hash).arg(path("target")).arg(path("root")).stdin(Stdio::null());
        let output = command.output().unwrap();
        (String::from_utf8(output.stdout).unwrap(), output.status.success())
    };
    assert_eq!(install(&"0".repeat(64)), ("damaged\n".to_owned(), false));
    assert!(!path("new").exists() && !path("target").exists());
    let hash = Sha256::digest(std::fs::read(env!("CARGO_BIN_EXE_rdev-supervise")).unwrap());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(install(&hash), (format!("{HANDSHAKE}\n"), true));
    assert!(!path("new").exists() && path("target").exists());
}
