//! What is wrong is said.

use std::time::Duration;

use rdev_runner_domain::ports::{ExecBackend, ExecError};
use rdev_runner_domain::{ExecSpec, PodWorkspace, Workspace};
use rdev_runner_exec_kubernetes::{KubernetesSettings, PodError};
use rdev_runner_testkit::ClusterOptions;
use rdev_runner_testkit::exec::{ExecHarness, spec, start};

use crate::Scene;

/// Starts a run, and returns why it was refused.
async fn refusal(scene: &Scene, backend: &dyn ExecBackend, place: PodWorkspace) -> (PodError, String) {
    let spec = ExecSpec { workspace: Workspace::Kubernetes(place), ..spec(scene, "true") };
    let refused = backend.start(&"refused".parse().unwrap(), &spec).await.unwrap_err();
    let shown = refused.to_string();
    let (ExecError::Host { source, .. } | ExecError::Forbidden { source, .. }) = refused else {
        panic!("{shown}")
    };
    (source.downcast_ref::<PodError>().unwrap_or_else(|| panic!("{shown}")).clone(), shown)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_says_what_is_wrong_with_the_pod() {
    let scene =
        Scene::new(ClusterOptions { pods: &["agent", "pending", "forbidden"], ..ClusterOptions::default() });
    let place = |pod: &str| scene.place(pod);
    let backend = scene.backend();
    let refused = async |place| refusal(&scene, &*backend, place).await;

    let (error, shown) = refused(place("none")).await;
    assert!(matches!(error, PodError::NotFound { .. }), "{error:?}");
    assert!(shown.contains("no pod of the namespace default matches app=none"), "{shown}");

    let (error, shown) = refused(place("pending")).await;
    assert!(matches!(error, PodError::NotRunning { .. }), "{error:?}");
    assert!(shown.contains("pod default/pending does not run: ContainerCreating"), "{shown}");

    let missing = PodWorkspace { container: "third".parse().unwrap(), ..place("agent") };
    let (error, shown) = refused(missing).await;
    assert!(matches!(error, PodError::ContainerMissing { .. }), "{error:?}");
    assert!(shown.contains("has no container third; it has main, other"), "{shown}");

    let namespace = PodWorkspace { namespace: "forbidden".parse().unwrap(), ..place("agent") };
    for place in [namespace, place("forbidden")] {
        let (error, shown) = refused(place).await;
        assert!(matches!(error, PodError::Forbidden(_)), "{error:?}");
        assert!(shown.contains("the account cannot"), "{shown}");
    }
    assert_eq!(backend.runs().await.unwrap(), []);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refusal_says_what_is_wrong_with_the_cluster() {
    let scene = Scene::new(ClusterOptions { is_secure: true, ..ClusterOptions::default() });
    let good = std::fs::read_to_string(scene.cluster.kubeconfig()).unwrap();
    let with = |kubeconfig: Option<String>| {
        let path = scene.cluster.root().join("other");
        let _ = std::fs::remove_file(&path);
        if let Some(kubeconfig) = kubeconfig {
            std::fs::write(&path, kubeconfig).unwrap();
        }
        scene.open(KubernetesSettings {
            kubeconfig: Some(path),
            patience: Duration::ZERO,
            ..scene.settings()
        })
    };
    let refused = async |kubeconfig| refusal(&scene, &*with(kubeconfig), scene.place("agent")).await;

    let (error, shown) = refused(None).await;
    assert!(matches!(error, PodError::NoCluster(_)), "{error:?}");
    assert!(shown.contains("--kubeconfig"), "{shown}");

    let (error, _) = refused(Some(good.replace("token: token", "token: other"))).await;
    assert!(matches!(error, PodError::Unauthorized(_)), "{error:?}");

    // Its certificate is that of no authority.
    let (start, rest) = good.split_once(", certificate-authority: ").unwrap();
    let unknown = format!("{start}{}", &rest[rest.find('}').unwrap()..]);
    let other_name = good.replace("127.0.0.1", "localhost");
    for (kubeconfig, fault, cure) in [
        (unknown, "UnknownIssuer", "certificate-authority"),
        (other_name, "not valid for name", "tls-server-name"),
    ] {
        let (error, shown) = refused(Some(kubeconfig)).await;
        assert!(matches!(error, PodError::Certificate(_)), "{error:?}");
        assert!(shown.contains(fault) && shown.contains(cure), "{shown}");
    }
    let name: rdev_runner_domain::RunName = "refused".parse().unwrap();
    assert_eq!(scene.backend().runs().await.unwrap(), [name; 0]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_stays_broken_is_reported() {
    let scene = Scene::new(ClusterOptions::default());
    let run = start(&scene, "one", "exec cat").await;
    scene.cluster.order("refuse");
    let none = Duration::ZERO;
    let settings = KubernetesSettings { patience: none, takeover_patience: none, ..scene.settings() };
    let backend = scene.open(settings);
    let Err(ExecError::Host { source, .. }) = backend.status(&run.name).await else { panic!("a state") };
    let error = source.downcast_ref::<PodError>().unwrap();
    assert!(matches!(error, PodError::ConnectionLost(_)), "{error:?}");
    scene.cluster.order("accept");
    run.stop().await;
    run.end().await;
}
