//! Agents in pods, whose runner is killed and whose connections break.

use std::path::{Path, PathBuf};

use http::Method;
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
        let fleet = Fleet::start(&options).await;
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_template_is_written_into_the_pod_of_a_project() {
    let place = InPods::start(11).await;
    let client = place.client();
    let workspace = workspace(&place.cluster);
    client.post("/projects", &project(&place.cluster).to_string()).await.expect(201);
    let apply = json!({
        "template": "rust-service",
        "variables": { "name": "billing", "rdev_url": "https://rdev.example" }
    });
    let render = json!({ "variables": apply["variables"], "project": "my-project" });
    std::fs::write(workspace.join("CLAUDE.md"), "@AGENTS.md\n").unwrap();
    std::fs::write(workspace.join("README.md"), "Mine.").unwrap();
    let state = |answer: &Value, path: &str| {
        let files = answer["files"].as_array().unwrap();
        files.iter().find(|file| file["path"] == path).unwrap()["state"].clone()
    };
    let shown = client.post("/templates/rust-service/render", &render.to_string()).await.expect(200);
    for (path, expected) in [("CLAUDE.md", "unchanged"), ("README.md", "changed"), ("src/main.rs", "new")] {
        assert_eq!(state(&shown, path), expected, "{shown}");
    }
    let refused = client.post("/projects/my-project/apply-template", &apply.to_string()).await.expect(409);
    assert_eq!(
        (&refused["code"], std::fs::read_dir(&workspace).unwrap().count()),
        (&json!("files_changed"), 2)
    );
    let overwriting = {
        let mut apply = apply.clone();
        apply["overwrite"] = json!(true);
        apply
    };
    let applied =
        client.post("/projects/my-project/apply-template", &overwriting.to_string()).await.expect(200);
    assert_eq!(
        (state(&applied, "README.md"), state(&applied, "src/main.rs")),
        (json!("changed"), json!("new"))
    );
    let manifest = std::fs::read_to_string(workspace.join("Cargo.toml")).unwrap();
    assert!(manifest.contains("name = \"billing\""), "{manifest}");
    // A command in the pod finds them, and the demonstration agent writes there too.
    let command = json!({ "type": "demo", "prompt": "/write NOTES.md Written in the pod." });
    let id =
        client.post("/projects/my-project/commands", &command.to_string()).await.expect(202)["id"].clone();
    let path = format!("/commands/{}", id.as_str().unwrap());
    client.until(&path, |command| command["status"] == "completed").await;
    assert_eq!(std::fs::read_to_string(workspace.join("NOTES.md")).unwrap(), "Written in the pod.\n");

    let missing = json!({ "workspace": { "selector": "app=none" } });
    let patched =
        client.request(Method::PATCH, "/projects/my-project", Some(&missing.to_string())).await.unwrap();
    patched.expect(200);
    for (path, body) in
        [("/templates/rust-service/render", render), ("/projects/my-project/apply-template", apply)]
    {
        let refused = client.post(path, &body.to_string()).await.expect(502);
        assert_eq!(refused["code"], "workspace_unreachable", "{refused}");
        assert!(refused["detail"].as_str().unwrap().contains("matches app=none"), "{refused}");
    }
    place.stop().await;
}
