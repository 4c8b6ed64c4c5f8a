//! The place in which the agents of a test run: this machine, or a pod whose connections break.

use std::path::PathBuf;
use std::sync::Arc;

use rdev_runner_domain::ports::{ExecBackend, PodRepository};
use rdev_runner_domain::{PodWorkspace, Workspace};
use rdev_runner_exec_kubernetes::{KubernetesBackend, KubernetesSettings};
use rdev_runner_exec_local::{LocalBackend, LocalSettings, SupervisorCommand};
use rdev_runner_testkit::{Cluster, ClusterOptions, ManualClock, MemoryStore};
use rdev_runner_tests::{PATIENCE, Scene};
use rdev_webhooks_tests::binary;

/// The place in which the agents of a test run. Its cluster ends with it, so that it goes before the scene.
pub(crate) struct Place {
    cluster: Option<Cluster>,
    /// What the runners share.
    store: Arc<MemoryStore>,
}

impl Place {
    pub(crate) fn new(scene: &Scene, is_in_pod: bool) -> Self {
        // Every connection breaks within half a second.
        let options = ClusterOptions { is_secure: true, drop_seed: Some(5), ..ClusterOptions::default() };
        let cluster = is_in_pod.then(|| Cluster::start(&options, &scene.folder("cluster")));
        if let Some(cluster) = &cluster {
            cluster.install("agent", &binary("rdev-supervise"));
        }
        Self { cluster, store: Arc::new(MemoryStore::new(Arc::new(ManualClock::default()))) }
    }

    /// Creates a backend, like a runner that starts.
    pub(crate) fn backend(&self, scene: &Scene, agent_home: Option<PathBuf>) -> Arc<dyn ExecBackend> {
        let local = LocalBackend::new(LocalSettings {
            root: scene.folder("root"),
            supervisor: SupervisorCommand { program: binary("rdev-supervise"), args: Vec::new() },
            path: "/usr/local/bin:/usr/bin:/bin".to_owned(),
            agent_home,
        });
        let local = Arc::new(local.unwrap());
        let Some(cluster) = &self.cluster else { return local };
        let settings = KubernetesSettings {
            kubeconfig: Some(cluster.kubeconfig()),
            supervisor: binary("rdev-supervise"),
            has_programs: false,
            patience: PATIENCE,
            takeover_patience: PATIENCE,
        };
        let pods: Arc<dyn PodRepository> = Arc::<MemoryStore>::clone(&self.store);
        Arc::new(KubernetesBackend::new(settings, local, pods))
    }

    /// Returns the workspace, the folder `workspace` of the scene.
    pub(crate) fn workspace(&self, scene: &Scene) -> Workspace {
        let path = scene.folder("workspace").to_str().unwrap().parse().unwrap();
        if self.cluster.is_none() {
            return Workspace::Local { path };
        }
        Workspace::Kubernetes(PodWorkspace {
            namespace: "default".parse().unwrap(),
            selector: "app=agent".parse().unwrap(),
            container: "main".parse().unwrap(),
            path,
        })
    }

    /// Replaces the pod, with everything in it, by another one.
    pub(crate) fn replace_pod(&self) {
        self.cluster.as_ref().unwrap().order("replace agent");
    }

    /// Returns the name of the folder of runs in the scene.
    pub(crate) fn runs(&self) -> &'static str {
        if self.cluster.is_some() { "cluster/agent/.rdev/runs" } else { "root/runs" }
    }

    /// Returns the processes of runs: their ids and command lines.
    pub(crate) fn processes(&self, scene: &Scene) -> Vec<String> {
        let mut processes = scene.processes();
        // The cluster, and what serves in its pod.
        let serves = |line: &String| line.contains("/.rdev/rdev-supervise-") && line.contains(" serve ");
        processes.retain(|line| !line.contains("cluster.py") && !serves(line));
        processes
    }
}
