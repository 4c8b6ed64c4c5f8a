//! Agents in pods, whose runner is killed and whose connections break.

use std::path::PathBuf;

use rdev_runner_testkit::{Cluster, ClusterOptions};
use rdev_webhooks_testkit::{SeededEntropy, soak};
use rdev_webhooks_tests::{Client, Process, binary};
use serde_json::{Value, json};

use super::kills::{AGENT, Installation, SEED, kill_often};
use super::serve;

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
        let root = folder.path().join("cluster");
        std::fs::create_dir(&root).unwrap();
        let options = ClusterOptions { is_secure: true, drop_seed: Some(seed), ..ClusterOptions::default() };
        let cluster = Cluster::start(&options, &root);
        cluster.install("agent", &binary("rdev-supervise"));
        std::fs::create_dir(cluster.folder("agent").join("workspace")).unwrap();
        let server = Self::serve(&cluster, &folder).await;
        Self { cluster, folder, server }
    }

    async fn serve(cluster: &Cluster, folder: &tempfile::TempDir) -> (Process, Client) {
        let kubeconfig = cluster.kubeconfig();
        let kubeconfig = kubeconfig.to_str().unwrap();
        // The agent is in pods alone.
        let options =
            ["--claude-path", AGENT, "--max-running", "16", "--kubeconfig", kubeconfig, "--agents-in-pods"];
        serve(&folder.path().join("data"), &options).await
    }
}

impl Installation for InPods {
    fn project(&self) -> Value {
        json!({
            "name": "my-project",
            "provider": "demo",
            "max_running": 1_000,
            "workspace": {
                "kind": "kubernetes",
                "namespace": "default",
                "selector": "app=agent",
                "container": "main",
                "path": self.workspace()
            }
        })
    }

    fn workspace(&self) -> PathBuf {
        self.cluster.folder("agent").join("workspace")
    }

    fn run_folders(&self) -> Vec<PathBuf> {
        let agents = self.folder.path().join("data/agents");
        vec![agents.join("runs"), agents.join("pods"), self.cluster.folder("agent").join(".rdev/runs")]
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_in_a_pod_ends_once_across_kills_of_the_server() {
    for round in 0..soak(1) {
        let seed = SEED + round as u64;
        kill_often(seed, InPods::start(seed as u32).await).await;
    }
}
