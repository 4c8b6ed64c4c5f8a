//! Nothing of a run is left.

use std::time::Duration;

use rdev_runner_exec_local::RunSpec;

use crate::{Scene, eventually, exit, marked, reported_process, stdout};

/// A process that daemonised itself: another session, no parent, no stream of the agent's.
const DAEMON: &str = "setsid sh -c 'exec sleep 600' </dev/null >/dev/null 2>&1 &";

fn spec(scene: &Scene, mark: &str, script: &str) -> RunSpec {
    let mut spec = scene.spec(script);
    spec.env.insert("MARK".to_owned(), mark.to_owned());
    spec
}

/// Returns a mark that no other test and no other run of the tests has.
fn mark(scene: &Scene) -> String {
    scene.folder().display().to_string()
}

#[tokio::test]
async fn a_daemon_does_not_outlive_a_success() {
    let scene = Scene::new();
    let mark = mark(&scene);
    let run = scene.start_as(&spec(&scene, &mark, &format!("({DAEMON}) ; echo done; sleep 0.2"))).await;
    let exit = exit(&run).await;
    assert_eq!((exit.exit_code, exit.left), (Some(0), 0));
    assert!(exit.swept >= 1, "{exit:?}");
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn nothing_outlives_a_stop() {
    let scene = Scene::new();
    let mark = mark(&scene);
    // Daemons, a tool that ignores SIGTERM, a stopped process, and a chain of children.
    let script = format!(
        "({DAEMON}) ; ({DAEMON}) ; (trap '' TERM; setsid sh -c 'trap \"\" TERM; sleep 600; sleep 600') & \
         sh -c 'kill -STOP $$' & sh -c 'sh -c \"sh -c \\\"sleep 600; :\\\"; :\"; :' & echo ready; exec sleep 600"
    );
    let run = scene.start_as(&spec(&scene, &mark, &script)).await;
    eventually(|| (stdout(&run) == "ready\n" && marked(&mark).len() >= 8).then_some(())).await;
    run.terminate();
    let exit = exit(&run).await;
    assert_eq!((exit.signal, exit.left), (Some(15), 0));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn a_killed_agent_leaves_nothing() {
    let scene = Scene::new();
    let mark = mark(&scene);
    let run = scene.start_as(&spec(&scene, &mark, &format!("({DAEMON}) ; echo $$; exec sleep 600"))).await;
    let agent = reported_process(&run).await;
    eventually(|| (marked(&mark).len() == 2).then_some(())).await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(agent), nix::sys::signal::Signal::SIGKILL).unwrap();
    let exit = exit(&run).await;
    assert_eq!((exit.signal, exit.left), (Some(9), 0));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn a_run_touches_no_process_of_another() {
    let (one, two) = (Scene::new(), Scene::new());
    let other_mark = mark(&two);
    let other = two.start_as(&spec(&two, &other_mark, &format!("({DAEMON}) ; exec sleep 600"))).await;
    eventually(|| (marked(&other_mark).len() == 2).then_some(())).await;
    let run = one.start("exec sleep 600").await;
    run.terminate();
    exit(&run).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(marked(&other_mark).len(), 2);
    other.terminate();
    exit(&other).await;
    assert_eq!(marked(&other_mark), [0; 0]);
}
