//! Nothing of a run is left.

use rdev_runner_testkit::exec::{ExecHarness, TestRun, spec, start_as};

use crate::{Scene, marked, reported_process};

/// A process that daemonised itself: another session, no parent, no stream of the agent's. It says that it is
/// there before it closes the output.
const DAEMON: &str = "setsid sh -c 'echo there; exec sleep 600 >/dev/null 2>&1' </dev/null &";

/// Starts a script whose processes have a mark that no other test and no other run of the tests has.
async fn start_marked(scene: &Scene, script: &str) -> (TestRun, String) {
    let mark = scene.folder("one").display().to_string();
    let mut spec = spec(scene, script);
    spec.env.insert("MARK".to_owned(), mark.clone().into());
    (start_as(scene, "one", &spec).await, mark)
}

#[tokio::test]
async fn a_daemon_does_not_outlive_a_success() {
    let scene = Scene::new();
    let (run, mark) = start_marked(&scene, &format!("({DAEMON}) ; read line")).await;
    run.output_with("there").await;
    assert_eq!(marked(&mark).len(), 2);
    run.close().await;
    let end = run.end().await;
    assert_eq!((end.exit_code, end.swept, end.left), (Some(1), 1, 0));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn nothing_outlives_a_stop() {
    let scene = Scene::new();
    // Daemons, a tool that ignores SIGTERM, a stopped process, and a chain of children.
    let script = format!(
        "({DAEMON}) ; ({DAEMON}) ; (trap '' TERM; setsid sh -c 'trap \"\" TERM; echo there; sleep 600; sleep 600') & \
         sh -c 'echo there; kill -STOP $$' & sh -c 'sh -c \"sh -c \\\"echo there; sleep 600; :\\\"; :\"; :' & \
         exec sleep 600"
    );
    let (run, mark) = start_marked(&scene, &script).await;
    run.output_with(&"there\n".repeat(5)).await;
    assert!(marked(&mark).len() >= 8);
    run.stop().await;
    let end = run.end().await;
    assert_eq!((end.signal, end.left), (Some(15), 0));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn a_killed_agent_leaves_nothing() {
    let scene = Scene::new();
    let (run, mark) = start_marked(&scene, &format!("echo $$; ({DAEMON}) ; exec sleep 600")).await;
    let agent = reported_process(&run).await;
    run.output_with("there").await;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(agent), nix::sys::signal::Signal::SIGKILL).unwrap();
    let end = run.end().await;
    assert_eq!((end.signal, end.left), (Some(9), 0));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn a_run_touches_no_process_of_another() {
    let (one, two) = (Scene::new(), Scene::new());
    let (other, mark) = start_marked(&two, &format!("({DAEMON}) ; exec sleep 600")).await;
    other.output_with("there").await;
    let run = one.start("exec sleep 600").await;
    run.stop().await;
    run.end().await;
    assert_eq!(marked(&mark).len(), 2);
    other.stop().await;
    other.end().await;
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn an_agent_that_ignores_the_stop_is_killed() {
    let scene = Scene::new();
    let (run, mark) = start_marked(&scene, "trap '' TERM; echo ready; while :; do read line; done").await;
    run.output_with("ready").await;
    run.stop().await;
    // Further requests do not lengthen the grace.
    run.stop().await;
    assert_eq!(run.end().await.signal, Some(9));
    assert_eq!(marked(&mark), [0; 0]);
}

#[tokio::test]
async fn a_version_leaves_nothing() {
    let scene = Scene::new();
    let script = scene.workspace.join("agent");
    std::fs::write(&script, format!("#!/bin/sh\n({DAEMON}) ; echo 1.2.3 $1\necho more\n")).unwrap();
    std::fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let version = scene.backend().version(script.to_str().unwrap()).await.unwrap();
    assert!(["1.2.3 --version", "there"].contains(&version.as_str()), "{version}");
    assert_eq!(std::fs::read_dir(scene.root.join("runs")).unwrap().count(), 0);
    std::fs::write(&script, "#!/bin/sh\necho broken >&2; exit 3\n").unwrap();
    let failed = scene.backend().version(script.to_str().unwrap()).await.unwrap_err();
    assert!(failed.to_string().ends_with("/agent: broken"), "{failed}");
}
