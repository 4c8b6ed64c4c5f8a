//! Supervisors and guardians that are killed.

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rdev_runner_domain::ExecState;
use rdev_runner_testkit::exec::{TestRun, spec, start_as};

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
