//! Agents in pods, whose runner is killed and whose connections break.

use std::path::{Path, PathBuf};

use rdev_runner_testkit::{Cluster, ClusterOptions};
use rdev_webhooks_testkit::{SeededEntropy, soak};
use rdev_webhooks_tests::{Client, Process, binary};
use serde_json::{Value, json};

use super::fleet::Fleet;
use super::kills::{AGENT, Installation, SEED, kill_often};
use super::serve;

/// Starts a cluster, whose connections break, in a folder. The agent is in its pod alone.
fn cluster(folder: &Path, seed: u32) -> Cluster {
    let root = folder.join("cluster");
    std::fs::create_dir(&root).unwrap();
    let options = ClusterOptions { is_secure: true, drop_seed: Some(seed), ..ClusterOptions::default() };
    let cluster = Cluster::start(&options, &root);
    cluster.install("agent", &binary("rdev-supervise"));
    std::fs::create_dir(workspace(&cluster)).unwrap();
    cluster
}

fn options(kubeconfig: &str) -> [&str; 7] {
    ["--claude-path", AGENT, "--max-running", "32", "--kubeconfig", kubeconfig, "--agents-in-pods"]
}

fn workspace(cluster: &Cluster) -> PathBuf {
    cluster.folder("agent").join("workspace")
}

fn runs(cluster: &Cluster) -> PathBuf {
    cluster.folder("agent").join(".rdev/runs")
}

fn project(cluster: &Cluster) -> Value {
    json!({
        "name": "my-project",
        "provider": "demo",
        "max_running": 1_000,
        "workspace": {
            "kind": "kubernetes",
            "namespace": "default",
            "selector": "app=agent",
            "container": "main",
            "path": workspace(cluster)
        }
    })
}

/// `rdev serve` on SQLite, with a cluster.
struct InPods {
    /// Ends before its folder is removed.
    cluster: Cluster,
    folder: tempfile::TempDir,
    server: (Process, Client),
}

impl InPods {
    async fn start(seed: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster(folder.path(), seed);
        let server = Self::serve(&cluster, &folder).await;
        Self { cluster, folder, server }
    }

    async fn serve(cluster: &Cluster, folder: &tempfile::TempDir) -> (Process, Client) {
        let kubeconfig = cluster.kubeconfig();
        serve(&folder.path().join("data"), &options(kubeconfig.to_str().unwrap())).await
    }
}

impl Installation for InPods {
    fn project(&self) -> Value {
        project(&self.cluster)
    }

    fn workspace(&self) -> PathBuf {
        workspace(&self.cluster)
    }

    fn run_folders(&self) -> Vec<PathBuf> {
        vec![self.folder.path().join("data/agents/runs"), runs(&self.cluster)]
    }

    fn client(&self) -> Client {
        self.server.1.clone()
    }

    async fn kill(self, _: &SeededEntropy) -> Self {
        self.server.0.kill().await;
        let server = Self::serve(&self.cluster, &self.folder).await;
        Self { server, ..self }
    }

    fn data_dirs(&self) -> Vec<PathBuf> {
        vec![self.folder.path().join("data")]
    }

    async fn stop(self) {
        assert!(self.server.0.stop().await.success());
    }
}

/// An API and two runners on Postgres, with a cluster. A runner that is killed never comes back: a new one has a new
/// folder, as in a new pod.
struct Runners {
    cluster: Cluster,
    fleet: Fleet,
    /// The number of the next runner.
    next: usize,
    _folder: tempfile::TempDir,
}

impl Runners {
    async fn start(seed: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let cluster = cluster(folder.path(), seed);
        let kubeconfig = cluster.kubeconfig();
        let options = options(kubeconfig.to_str().unwrap());
        // What has not begun in the pod is lost with its runner.
        let fleet = Fleet::start_with(&options, &["--lost-after", "30s"], None).await;
        Self { cluster, fleet, next: 2, _folder: folder }
    }
}

impl Installation for Runners {
    fn project(&self) -> Value {
        project(&self.cluster)
    }

    fn workspace(&self) -> PathBuf {
        workspace(&self.cluster)
    }

    fn run_folders(&self) -> Vec<PathBuf> {
        vec![runs(&self.cluster)]
    }

    fn client(&self) -> Client {
        self.fleet.client.clone()
    }

    async fn kill(mut self, entropy: &SeededEntropy) -> Self {
        self.fleet.runners.remove(entropy.below(2)).kill().await;
        self.fleet.runners.push(self.fleet.place.runner(self.next).await);
        self.next += 1;
        self
    }

    fn data_dirs(&self) -> Vec<PathBuf> {
        vec![self.fleet.place.data_dir("api")]
    }

    async fn stop(self) {
        self.fleet.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_in_a_pod_ends_once_across_kills_of_the_server() {
    for round in 0..soak(1) {
        let seed = SEED + round as u64;
        kill_often(seed, InPods::start(seed as u32).await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_in_a_pod_ends_once_although_its_runner_never_comes_back() {
    for round in 0..soak(1) {
        let seed = SEED + round as u64;
        kill_often(seed, Runners::start(seed as u32).await).await;
    }
}
