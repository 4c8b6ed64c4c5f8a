//! Runs in pods, over a stand-in for a cluster. The supervisor and the agents are real processes.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test fails by panicking, its helpers too"
)]

mod connections;
mod errors;
mod files;
mod git;
mod manifests;
mod pods;
mod takeovers;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rdev_runner_domain::ports::{ExecBackend, PodRepository};
use rdev_runner_domain::{PodWorkspace, Workspace};
use rdev_runner_exec_kubernetes::{KubernetesBackend, KubernetesSettings};
use rdev_runner_exec_local::{LocalBackend, LocalSettings, SupervisorCommand};
use rdev_runner_testkit::exec::ExecHarness;
use rdev_runner_testkit::{Cluster, ClusterOptions, ManualClock, MemoryStore};
use tempfile::TempDir;

/// A cluster with a pod `agent`, and a runner's host.
struct Scene {
    cluster: Cluster,
    workspace: PathBuf,
    /// What the runners share.
    store: Arc<MemoryStore>,
    /// Removes the folders at the end of the test.
    _directory: TempDir,
}

impl Scene {
    fn new(options: ClusterOptions) -> Self {
        let directory = TempDir::new().unwrap();
        let cluster = Cluster::start(&options, directory.path());
        cluster.install("agent", &supervisor());
        let workspace = cluster.folder("agent").join("workspace");
        std::fs::create_dir_all(&workspace).unwrap();
        let store = Arc::new(MemoryStore::new(Arc::new(ManualClock::default())));
        Self { cluster, workspace, store, _directory: directory }
    }

    fn settings(&self) -> KubernetesSettings {
        KubernetesSettings {
            kubeconfig: Some(self.cluster.kubeconfig()),
            supervisor: supervisor(),
            has_programs: false,
            patience: Duration::from_secs(60),
            takeover_patience: Duration::from_secs(60),
        }
    }

    fn open(&self, settings: KubernetesSettings) -> Arc<dyn ExecBackend> {
        self.open_on("local", settings)
    }

    /// Opens a backend whose own folder has this name, as that of a host.
    fn open_on(&self, host: &str, settings: KubernetesSettings) -> Arc<dyn ExecBackend> {
        self.kubernetes(host, settings)
    }

    fn kubernetes(&self, host: &str, settings: KubernetesSettings) -> Arc<KubernetesBackend> {
        let local = LocalBackend::new(LocalSettings {
            root: self.cluster.root().join(host),
            supervisor: SupervisorCommand { program: supervisor(), args: Vec::new() },
            path: "/usr/bin:/bin".to_owned(),
            agent_home: None,
        });
        let pods: Arc<dyn PodRepository> = Arc::<MemoryStore>::clone(&self.store);
        Arc::new(KubernetesBackend::new(settings, Arc::new(local.unwrap()), pods))
    }

    fn place(&self, pod: &str) -> PodWorkspace {
        PodWorkspace {
            namespace: "default".parse().unwrap(),
            selector: format!("app={pod}").parse().unwrap(),
            container: "main".parse().unwrap(),
            path: self.workspace.to_str().unwrap().parse().unwrap(),
        }
    }
}

impl ExecHarness for Scene {
    fn backend(&self) -> Arc<dyn ExecBackend> {
        self.open(self.settings())
    }

    fn workspace(&self) -> Workspace {
        Workspace::Kubernetes(self.place("agent"))
    }
}

/// Returns the supervisor, which lies beside the tests' folder.
fn supervisor() -> PathBuf {
    let own = std::env::current_exe().unwrap();
    let path = own.parent().unwrap().with_file_name("rdev-supervise");
    assert!(path.exists(), "{} is missing: build the workspace's binaries", path.display());
    path
}

/// The port's contract.
mod contract {
    rdev_runner_testkit::exec_contract_tests!(crate::Scene::new(
        rdev_runner_testkit::ClusterOptions::default()
    ));
}

/// The port's contract over TLS, with a token and the older protocol.
mod contract_over_tls {
    rdev_runner_testkit::exec_contract_tests!(crate::Scene::new(rdev_runner_testkit::ClusterOptions {
        is_secure: true,
        protocol: "v4",
        ..rdev_runner_testkit::ClusterOptions::default()
    }));
}

/// The port's contract while every connection breaks within half a second.
mod contract_with_drops {
    rdev_runner_testkit::exec_contract_tests!(crate::Scene::new(rdev_runner_testkit::ClusterOptions {
        is_secure: true,
        drop_seed: Some(7),
        ..rdev_runner_testkit::ClusterOptions::default()
    }));
}
