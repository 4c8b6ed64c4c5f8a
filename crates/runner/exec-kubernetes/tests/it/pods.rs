//! Pods that come and go, and the supervisor in them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rdev_runner_domain::ports::ExecError;
use rdev_runner_domain::{ExecSpec, ExecState, OutputStream, Workspace};
use rdev_runner_exec_kubernetes::KubernetesSettings;
use rdev_runner_testkit::ClusterOptions;
use rdev_runner_testkit::exec::{ExecHarness, TestRun, spec, start};

use crate::Scene;

/// Returns the files in the folder that the backend has in a pod.
fn installed(scene: &Scene, pod: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(scene.cluster.folder(pod).join(".rdev")).unwrap().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_file() && path.extension().is_none()).collect()
}

/// Runs a program in a pod, and returns its output.
async fn output_in(scene: &Scene, pod: &str, name: &str) -> String {
    let workspace = Workspace::Kubernetes(scene.place(pod));
    let spec = ExecSpec {
        workspace,
        program: "/bin/echo".to_owned(),
        args: vec!["hello".to_owned()],
        ..spec(scene, "")
    };
    let run = TestRun { backend: scene.backend(), name: name.parse().unwrap() };
    run.backend.start(&run.name, &spec).await.unwrap();
    let output = run.output().await;
    assert_eq!(run.end().await.exit_code, Some(0));
    run.backend.remove(&run.name).await.unwrap();
    output
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_supervisor_is_put_into_a_pod_once() {
    for protocol in ["v5", "v4"] {
        let scene =
            Scene::new(ClusterOptions { pods: &["agent", "bare"], protocol, ..ClusterOptions::default() });
        assert_eq!(output_in(&scene, "bare", "one").await, "hello\n");
        let [file] = installed(&scene, "bare").try_into().unwrap();
        let metadata = fs::metadata(&file).unwrap();
        assert_eq!(metadata.permissions().mode() & 0o777, 0o700);
        assert_eq!(fs::read(&file).unwrap(), fs::read(crate::supervisor()).unwrap());
        assert_eq!(output_in(&scene, "bare", "two").await, "hello\n");
        assert_eq!(installed(&scene, "bare"), std::slice::from_ref(&file));
        assert_eq!(fs::metadata(&file).unwrap().modified().unwrap(), metadata.modified().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_supervisor_of_an_image_is_found() {
    let pods = &["agent", "image", "shellless"];
    let scene = Scene::new(ClusterOptions { pods, ..ClusterOptions::default() });
    scene.cluster.install_in_image("image", &crate::supervisor());
    assert_eq!(output_in(&scene, "image", "one").await, "hello\n");
    assert!(installed(&scene, "image").is_empty());
    // Its only program is the supervisor.
    scene.cluster.install_in_image("shellless", &crate::supervisor());
    assert_eq!(output_in(&scene, "shellless", "two").await, "hello\n");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_supervisor_for_another_machine_is_refused() {
    let scene = Scene::new(ClusterOptions { pods: &["agent", "bare"], ..ClusterOptions::default() });
    let supervisor = scene.cluster.root().join("supervisor");
    let mut elf = b"\x7fELF".to_vec();
    elf.resize(64, 0);
    elf[18] = 0xf3;
    fs::write(&supervisor, elf).unwrap();
    let backend = scene.open(KubernetesSettings { supervisor, ..scene.settings() });
    let spec = ExecSpec { workspace: Workspace::Kubernetes(scene.place("bare")), ..spec(&scene, "true") };
    let refused = backend.start(&"one".parse().unwrap(), &spec).await.unwrap_err();
    assert!(refused.to_string().contains("the supervisor is for riscv64"), "{refused}");
    assert_eq!(backend.runs().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_run_is_lost_with_its_pod() {
    for order in ["delete agent", "replace agent"] {
        let scene = Scene::new(ClusterOptions::default());
        let run = start(&scene, "one", "echo begun; exec cat").await;
        run.output_with("begun\n").await;
        let (state, ()) = tokio::join!(run.backend.wait(&run.name), async { scene.cluster.order(order) });
        assert_eq!(state.unwrap(), ExecState::Lost, "{order}");
        // So it is for a runner that starts.
        let backend = scene.backend();
        assert_eq!(backend.status(&run.name).await.unwrap(), ExecState::Lost);
        assert_eq!(backend.follow_output(&run.name, OutputStream::Stdout, 0).await.unwrap(), b"");
        let refused = backend.write_input(&run.name, b"x").await;
        assert!(matches!(refused, Err(ExecError::InputClosed)), "{refused:?}");
        backend.terminate(&run.name).await.unwrap();
        backend.close_input(&run.name).await.unwrap();
        assert_eq!(backend.runs().await.unwrap(), std::slice::from_ref(&run.name));
        backend.remove(&run.name).await.unwrap();
        assert_eq!(backend.runs().await.unwrap(), []);
        assert_eq!(scene.cluster.processes("agent"), [""; 0]);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_a_pod_does_not_have_is_refused() {
    let scene = Scene::new(ClusterOptions::default());
    let mut place = scene.place("agent");
    place.path = "/no/such/folder".parse().unwrap();
    let spec = ExecSpec { workspace: Workspace::Kubernetes(place), ..spec(&scene, "true") };
    let refused = scene.backend().start(&"one".parse().unwrap(), &spec).await;
    assert!(matches!(refused, Err(ExecError::Workspace(_))), "{refused:?}");
    assert_eq!(scene.backend().runs().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_may_be_in_pods_alone() {
    let scene = Scene::new(ClusterOptions::default());
    let backend = scene.open(KubernetesSettings { has_programs: true, ..scene.settings() });
    assert_eq!(backend.version("no-such-program").await.unwrap(), "in pods");
    assert!(backend.version("env").await.unwrap().contains("env"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_workspaces_are_not_in_pods() {
    let scene = Scene::new(ClusterOptions::default());
    let workspace = Workspace::Local { path: scene.workspace.to_str().unwrap().parse().unwrap() };
    let run = TestRun { backend: scene.backend(), name: "one".parse().unwrap() };
    run.backend.start(&run.name, &ExecSpec { workspace, ..spec(&scene, "echo here") }).await.unwrap();
    assert_eq!(run.output().await, "here\n");
    assert_eq!(run.end().await.exit_code, Some(0));
    assert_eq!(scene.cluster.requests(), "");
    assert_eq!(run.backend.runs().await.unwrap(), std::slice::from_ref(&run.name));
    run.backend.remove(&run.name).await.unwrap();
}
