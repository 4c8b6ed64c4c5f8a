//! What a run gets, and what it leaves.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rdev_runner_exec_local::{LocalRun, OutputStream, RunError, RunSpec, RunState};

use crate::{Scene, eventually, exit, stdout, supervisor};

#[tokio::test]
async fn a_run_has_its_output_and_its_exit_code() {
    let scene = Scene::new();
    let run = scene.start("cat; echo complaint >&2; exit 7").await;
    run.write_input(b"one\n").await.unwrap();
    eventually(|| (stdout(&run) == "one\n").then_some(())).await;
    assert_eq!(run.state().unwrap(), RunState::Running);
    run.write_input(b"two\n").await.unwrap();
    assert!(run.close_input());
    let exit = exit(&run).await;
    assert_eq!((exit.exit_code, exit.signal, exit.swept, exit.left), (Some(7), None, 0, 0));
    assert_eq!(run.read_output(OutputStream::Stdout, 4).unwrap(), b"two\n");
    assert_eq!(run.read_output(OutputStream::Stdout, 8).unwrap(), b"");
    assert_eq!(run.read_output(OutputStream::Stderr, 0).unwrap(), b"complaint\n");
}

#[tokio::test]
async fn a_large_input_arrives_whole() {
    let scene = Scene::new();
    let run = scene.start("wc -c").await;
    run.write_input(&vec![b'x'; 3 << 20]).await.unwrap();
    run.close_input();
    exit(&run).await;
    assert_eq!(stdout(&run).trim(), (3 << 20).to_string());
}

#[tokio::test]
async fn a_run_has_only_the_environment_of_its_specification() {
    let scene = Scene::new();
    let mut spec = scene.spec("env; pwd");
    spec.env.insert("SECRET".to_owned(), "sk-secret".to_owned());
    let run = scene.start_as(&spec).await;
    exit(&run).await;
    let output = stdout(&run);
    let mut variables: Vec<_> =
        output.lines().filter_map(|line| line.split_once('=')).map(|(name, _)| name).collect();
    variables.retain(|name| !["PWD", "SHLVL", "_", "OLDPWD"].contains(name));
    variables.sort_unstable();
    assert_eq!(variables, ["PATH", "SECRET"]);
    assert!(!format!("{spec:?}").contains("sk-secret"));
    // The output is unredacted, so the folder is private, and no other file has a secret.
    let mode = std::fs::metadata(scene.folder()).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o700);
    for file in ["supervisor.json", "exit.json"] {
        assert!(!std::fs::read_to_string(scene.folder().join(file)).unwrap().contains("sk-secret"));
    }
}

#[tokio::test]
async fn an_agent_that_cannot_be_started_is_a_run_that_has_ended() {
    let scene = Scene::new();
    let missing = RunSpec { program: "/no/such/agent".into(), ..scene.spec("") };
    let run = scene.start_as(&missing).await;
    let error = exit(&run).await.start_error.unwrap();
    assert_eq!(error, "/no/such/agent: No such file or directory (os error 2)");
}

#[tokio::test]
async fn a_folder_holds_one_run_only() {
    let scene = Scene::new();
    let run = scene.start("true").await;
    let again = LocalRun::start(supervisor(), &scene.folder(), &scene.spec("true")).await;
    assert!(matches!(again, Err(RunError::Io(_))), "{again:?}");
    exit(&run).await;
    run.remove().unwrap();
    assert!(!scene.folder().exists());
    assert!(matches!(LocalRun::attach(&scene.folder()), Err(RunError::NoRun)));
}

#[tokio::test]
async fn a_supervisor_that_does_not_start_leaves_no_folder() {
    let scene = Scene::new();
    let failed = LocalRun::start(Path::new("/bin/false"), &scene.folder(), &scene.spec("true")).await;
    assert!(failed.is_err() && !scene.folder().exists(), "{failed:?}");
    let missing = LocalRun::start(Path::new("/no/supervisor"), &scene.folder(), &scene.spec("true")).await;
    assert!(missing.is_err() && !scene.folder().exists(), "{missing:?}");
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_stopped() {
    let scene = Scene::new();
    let spec = RunSpec { wall_ms: 300, ..scene.spec("exec sleep 600") };
    let exit = exit(&scene.start_as(&spec).await).await;
    assert_eq!((exit.timed_out, exit.signal), (true, Some(15)));
    assert!((300..5_000).contains(&exit.duration_ms), "{exit:?}");
}

#[tokio::test]
async fn an_agent_that_ends_by_itself_after_a_stop_keeps_its_exit_code() {
    let scene = Scene::new();
    let run = scene.start("trap 'echo bye; exit 3' TERM; echo ready; while :; do sleep 0.05; done").await;
    eventually(|| stdout(&run).contains("ready").then_some(())).await;
    assert!(run.terminate());
    assert_eq!(exit(&run).await.exit_code, Some(3));
    assert!(stdout(&run).ends_with("bye\n"));
    // There is nothing left that could be signalled.
    eventually(|| (!run.terminate()).then_some(())).await;
}

#[tokio::test]
async fn an_agent_that_ignores_the_stop_is_killed() {
    let scene = Scene::new();
    let run = scene.start("trap '' TERM; echo ready; while :; do sleep 0.05; done").await;
    eventually(|| stdout(&run).contains("ready").then_some(())).await;
    let stopped_at = Instant::now();
    run.terminate();
    // Further requests do not lengthen the grace.
    run.terminate();
    assert_eq!(exit(&run).await.signal, Some(9));
    assert!(stopped_at.elapsed() > Duration::from_secs(4));
}
