//! Connections that break.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use rdev_runner_domain::{ExecSpec, ExecState, Workspace};
use rdev_runner_testkit::exec::{ECHO, ExecHarness, receive, serve, spec, start, start_as};
use rdev_runner_testkit::{ClusterOptions, eventually};

use crate::Scene;

/// The names of the runs of a test.
fn names(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("run-{number}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_write_arrives_once_while_connections_break() {
    let scene = Scene::new(ClusterOptions { drop_seed: Some(11), ..ClusterOptions::default() });
    let run = start(&scene, "one", "cat; echo end").await;
    let mut expected = String::new();
    for number in 0..120 {
        let line = format!("line {number}\n");
        expected.push_str(&line);
        if number % 7 == 3 {
            let (written, ()) = tokio::join!(run.write(&line), async { scene.cluster.order("drop") });
            written.unwrap();
        } else {
            run.write(&line).await.unwrap();
        }
    }
    run.close().await;
    writeln!(expected, "end").unwrap();
    assert_eq!(run.output().await, expected);
    assert_eq!(run.end().await.exit_code, Some(0));
    scene.cluster.has_no_runs("agent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_breaks_while_the_supervisor_is_uploaded_is_made_again_at_once() {
    let scene = Scene::new(ClusterOptions { pods: &["agent", "bare"], ..ClusterOptions::default() });
    scene.cluster.order("cut 200000");
    let spec =
        ExecSpec { workspace: Workspace::Kubernetes(scene.place("bare")), ..spec(&scene, "echo begun") };
    // The whole upload may take twice as long.
    let starting = tokio::time::timeout(Duration::from_secs(120), start_as(&scene, "one", &spec));
    let run = starting.await.expect("the break is noticed");
    assert_eq!(run.output().await, "begun\n");
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_start_takes_effect_once_while_connections_break() {
    let scene = Scene::new(ClusterOptions { drop_seed: Some(3), ..ClusterOptions::default() });
    let backend = scene.backend();
    for name in names(20) {
        let run = name.parse().unwrap();
        let spec = spec(&scene, &format!("echo {name} >>started"));
        let (started, ()) = tokio::join!(backend.start(&run, &spec), async { scene.cluster.order("drop") });
        started.unwrap();
        let ExecState::Ended(end) = backend.wait(&run).await.unwrap() else { panic!("{name} has not ended") };
        assert_eq!(end.exit_code, Some(0), "{end:?}");
    }
    let started = std::fs::read_to_string(scene.workspace.join("started")).unwrap();
    assert_eq!(started.lines().map(str::to_owned).collect::<Vec<_>>(), names(20).collect::<Vec<_>>());
    scene.cluster.has_no_runs("agent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_while_its_cluster_is_away() {
    let scene = Scene::new(ClusterOptions::default());
    // Each end of a pipe waits for the other.
    let script = "mkfifo away over; echo begun; cat away; seq 1 100000; echo end; echo >over; exec cat";
    let run = start(&scene, "one", script).await;
    run.output_with("begun\n").await;
    scene.cluster.order("refuse");
    let workspace = scene.workspace.clone();
    tokio::fs::write(workspace.join("away"), "").await.unwrap();
    let away = async {
        tokio::fs::read(workspace.join("over")).await.unwrap();
        scene.cluster.order("accept");
    };
    let (output, ()) = tokio::join!(run.output_with("end\n"), away);
    let mut expected = "begun\n".to_owned();
    (1..=100_000).for_each(|number| writeln!(expected, "{number}").unwrap());
    expected.push_str("end\n");
    assert!(output == expected, "{} bytes", output.len());
    assert_eq!(run.backend.status(&run.name).await.unwrap(), ExecState::Running);
    run.stop().await;
    run.end().await;
    scene.cluster.has_no_runs("agent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_to_a_server_outlives_those_to_the_cluster() {
    let scene = Scene::new(ClusterOptions::default());
    let (run, port) = serve(&scene, "one", ECHO).await;
    let connection = run.backend.connect(&run.name, port).await.unwrap();
    for order in ["drop", "refuse"] {
        connection.send(b"before").await.unwrap();
        assert_eq!(receive(&*connection, 6).await, b"before");
        scene.cluster.order(order);
        let exchange = async {
            connection.send(b"while it is away").await.unwrap();
            receive(&*connection, 16).await
        };
        let (back, ()) = tokio::join!(exchange, async {
            let requests = || scene.cluster.requests().lines().count();
            let asked = requests();
            let is_refused = async || (requests() >= asked + 2).then_some(());
            eventually("connections that are refused", is_refused).await;
            scene.cluster.order("accept");
        });
        assert_eq!(back, b"while it is away");
    }
    scene.cluster.order("delete agent");
    assert!(connection.receive().await.is_err());
    assert!(connection.send(b"x").await.is_err());
    assert!(run.backend.connect(&run.name, port).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_is_not_polled_keeps_no_other_from_a_pod() {
    let scene = Scene::new(ClusterOptions::default());
    let run = start(&scene, "one", "exec cat").await;
    let requests = || scene.cluster.requests().lines().count();
    let asked = requests();
    scene.cluster.order("stall");
    let mut first = run.backend.status(&run.name);
    let connects = async || (requests() > asked).then_some(());
    tokio::select! {
        status = &mut first => panic!("the cluster does not answer: {status:?}"),
        () = eventually("a request for a connection", connects) => {}
    }
    scene.cluster.order("accept");
    let second = tokio::time::timeout(Duration::from_secs(60), run.backend.status(&run.name));
    assert_eq!(second.await.expect("it does not wait for the first").unwrap(), ExecState::Running);
    assert_eq!(first.await.unwrap(), ExecState::Running);
    run.stop().await;
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_prompts_nor_secrets_are_in_urls_and_command_lines() {
    let scene = Scene::new(ClusterOptions::default());
    let private = ["sk-of-a-variable", "sk-of-a-file", "a private prompt", "a private line"];
    let spec = ExecSpec {
        env: BTreeMap::from([("VARIABLE".to_owned(), private[0].into())]),
        files: BTreeMap::from([("FILE".parse().unwrap(), private[1].into())]),
        input: format!("{}\n", private[2]),
        ..spec(&scene, "cat \"$FILE\"; echo \" $VARIABLE\"; exec cat")
    };
    let run = start_as(&scene, "one", &spec).await;
    run.write(&format!("{}\n", private[3])).await.unwrap();
    let output = run.output_with("line\n").await;
    assert_eq!(output, "sk-of-a-file sk-of-a-variable\na private prompt\na private line\n");
    let requests = scene.cluster.requests();
    assert!(requests.contains("/pods/agent/exec?"), "{requests}");
    let commands = scene.cluster.processes("agent").join("\n");
    assert!(commands.contains(" serve ") && commands.contains("/runs/one"), "{commands}");
    for text in private.iter().flat_map(|text| text.split(' ')).filter(|word| word.len() > 4) {
        assert!(!requests.contains(text) && !commands.contains(text), "{text}: {requests}{commands}");
    }
    run.stop().await;
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_serves_in_a_pod_ends_with_its_runner() {
    let scene = Scene::new(ClusterOptions::default());
    let run = start(&scene, "one", "true").await;
    run.end().await;
    assert!(!scene.cluster.processes("agent").is_empty());
    drop(run);
    let ended = async || scene.cluster.processes("agent").is_empty().then_some(());
    eventually("the end of what serves in the pod", ended).await;
}
