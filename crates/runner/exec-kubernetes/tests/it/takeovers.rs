//! Runs that another runner takes over.

use std::time::Duration;

use rdev_runner_domain::ports::ExecError;
use rdev_runner_domain::{ExecSpec, ExecState, OutputStream, RunName, Workspace};
use rdev_runner_exec_kubernetes::KubernetesSettings;
use rdev_runner_testkit::exec::{ExecHarness, TestRun, spec, start};
use rdev_runner_testkit::{ClusterOptions, command_id};

use crate::{Scene, supervisor};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_goes_on_with_a_runner_of_another_host() {
    let scene = Scene::new(ClusterOptions { drop_seed: Some(13), ..ClusterOptions::default() });
    let first = start(&scene, "one", "echo first; read line; echo \"$line\"; exit 7").await;
    let seen = first.output_with("first\n").await;
    let run = TestRun { backend: scene.open_on("other", scene.settings()), name: first.name.clone() };
    assert_eq!(run.backend.status(&run.name).await.unwrap(), ExecState::Running);
    run.write("second\n").await.unwrap();
    assert_eq!(run.follow(seen.len() as u64).await, b"second\n");
    assert_eq!(run.end().await.exit_code, Some(7));
    assert_eq!(run.output().await, "first\nsecond\n");
    run.backend.remove(&run.name).await.unwrap();
    for backend in [&run.backend, &scene.backend()] {
        assert_eq!(backend.runs().await.unwrap(), []);
        let gone = backend.status(&run.name).await;
        assert!(matches!(gone, Err(ExecError::UnknownRun(_))), "{gone:?}");
    }
    scene.cluster.has_no_runs("agent").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_that_never_began_is_withdrawn_by_another_runner() {
    let scene = Scene::new(ClusterOptions::default());
    let backend = scene.backend();
    let run = start(&scene, "one", "true").await;
    run.end().await;
    // As if the runner had died between the record and the start.
    let folder = scene.cluster.folder("agent").join(".rdev");
    std::fs::remove_dir_all(folder.join("runs/one")).unwrap();
    let unknown = backend.status(&run.name).await;
    assert!(matches!(unknown, Err(ExecError::UnknownRun(_))), "{unknown:?}");
    // The runner that has started it knows that it was there.
    assert_eq!(run.backend.status(&run.name).await.unwrap(), ExecState::Lost);
    for _ in 0..2 {
        assert!(backend.withdraw(&run.name).await.unwrap());
    }
    // Another container has the pod, with a folder of its own.
    let announced = folder.join("announced/one");
    std::fs::remove_file(&announced).unwrap();
    assert!(!scene.backend().withdraw(&run.name).await.unwrap());
    backend.remove(&run.name).await.unwrap();
    assert_eq!(backend.runs().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_is_repeated_in_the_pod_of_the_first_one() {
    let pods = &["agent", "older"];
    let scene = Scene::new(ClusterOptions { pods, ..ClusterOptions::default() });
    scene.cluster.install("older", &supervisor());
    let name: RunName = "one".parse().unwrap();
    let run = start(&scene, name.as_str(), "echo begun; exec cat").await;
    run.output_with("begun\n").await;
    // The selector matches another pod now.
    let workspace = Workspace::Kubernetes(scene.place("older"));
    let other = scene.open_on("other", scene.settings());
    let again = other.start(&name, &ExecSpec { workspace, ..spec(&scene, "echo begun twice") }).await;
    assert!(matches!(again, Err(ExecError::NameTaken(_))), "{again:?}");
    assert_eq!(other.follow_output(&name, OutputStream::Stdout, 0).await.unwrap(), b"begun\n");
    assert_eq!(other.runs().await.unwrap(), std::slice::from_ref(&name));
    assert!(!scene.cluster.folder("older").join(".rdev/runs/one").exists());
    // With its pod it is gone.
    scene.cluster.order("delete agent");
    let workspace = Workspace::Kubernetes(scene.place("older"));
    other.start(&name, &ExecSpec { workspace, ..spec(&scene, "echo begun twice") }).await.unwrap();
    let run = TestRun { backend: other, name };
    assert_eq!(run.output_with("\n").await, "begun twice\n");
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_looked_for_while_its_cluster_is_away_and_others_go_on() {
    let scene = Scene::new(ClusterOptions::default());
    let name = RunName::from(command_id(1));
    let run = start(&scene, name.as_str(), "echo begun; exec cat").await;
    run.output_with("begun\n").await;
    scene.cluster.order("refuse");
    let settings = KubernetesSettings { patience: Duration::ZERO, ..scene.settings() };
    let backend = scene.open_on("other", settings);
    let workspace = Workspace::Local { path: scene.workspace.to_str().unwrap().parse().unwrap() };
    let local = TestRun { backend: backend.clone(), name: "local".parse().unwrap() };
    let others = async {
        local.backend.start(&local.name, &ExecSpec { workspace, ..spec(&scene, "echo here") }).await.unwrap();
        assert_eq!(local.output().await, "here\n");
        assert_eq!(local.end().await.exit_code, Some(0));
        scene.cluster.order("accept");
    };
    let (state, ()) = tokio::join!(backend.status(&run.name), others);
    assert_eq!(state.unwrap(), ExecState::Running);
    assert_eq!(backend.follow_output(&run.name, OutputStream::Stdout, 0).await.unwrap(), b"begun\n");
    run.stop().await;
    run.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runner_without_rights_leaves_a_run_to_others() {
    let scene = Scene::new(ClusterOptions { is_secure: true, ..ClusterOptions::default() });
    let name = RunName::from(command_id(1));
    let run = start(&scene, name.as_str(), "echo begun; exec cat").await;
    run.output_with("begun\n").await;
    let kubeconfig = Some(scene.cluster.kubeconfig_of_stranger());
    let stranger = scene.open_on("other", KubernetesSettings { kubeconfig, ..scene.settings() });
    let refusal = stranger.refusal(&name).await.unwrap();
    for part in ["the stranger cannot get pods", "Role rdev-runner", "namespace default"] {
        assert!(refusal.contains(part), "{refusal}");
    }
    // It does not wait for the rights.
    let state = stranger.status(&name).await;
    assert!(matches!(state, Err(ExecError::Forbidden { .. })), "{state:?}");
    let other = scene.open_on("third", scene.settings());
    assert_eq!(other.refusal(&name).await, None);
    assert_eq!(other.status(&name).await.unwrap(), ExecState::Running);
    scene.cluster.order("delete agent");
    let later = scene.open_on("fourth", scene.settings());
    assert_eq!((later.refusal(&name).await, later.status(&name).await.unwrap()), (None, ExecState::Lost));
    assert_eq!(stranger.refusal(&"unknown".parse().unwrap()).await, None);
}
