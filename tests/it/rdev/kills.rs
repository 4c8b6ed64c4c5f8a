//! Kills `rdev` under load: each accepted command runs once, ends once and is reported once.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdev_webhooks_testkit::receiver::Receiver;
use rdev_webhooks_testkit::{SeededEntropy, soak};
use rdev_webhooks_tests::{Client, Process};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::fleet::Fleet;
use super::{ALL, new_project, pages, serve, subscribe};

const KILLS: usize = 10;
const CLIENTS: usize = 2;
const COMMANDS_PER_CLIENT: usize = 4;
const MESSAGES: usize = 10;
pub(super) const SEED: u64 = 20_261_129;

/// An agent that goes on without its runner.
pub(super) const AGENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/rdev/surviving_agent.sh");
const OPTIONS: [&str; 4] = ["--claude-path", AGENT, "--max-running", "16"];

/// The processes of an installation.
pub(super) trait Installation: Sized {
    /// Returns the body that creates the project.
    fn project(&self) -> Value {
        new_project("my-project")
    }
    /// Returns the folder in which the agents work.
    fn workspace(&self) -> PathBuf {
        self.data_dirs()[0].join("workspaces/my-project")
    }
    /// Returns the folders that are empty without runs.
    fn run_folders(&self) -> Vec<PathBuf> {
        self.data_dirs().iter().map(|data_dir| data_dir.join("agents/runs")).collect()
    }
    fn client(&self) -> Client;
    /// Kills a process and starts it again.
    async fn kill(self, entropy: &SeededEntropy) -> Self;
    /// Returns the folders of data of the processes, that of the API first.
    fn data_dirs(&self) -> Vec<PathBuf>;
    async fn stop(self);
}

/// `rdev serve` on SQLite.
struct AllInOne {
    folder: tempfile::TempDir,
    server: (Process, Client),
}

impl AllInOne {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = serve(folder.path(), &OPTIONS).await;
        Self { folder, server }
    }
}

impl Installation for AllInOne {
    fn client(&self) -> Client {
        self.server.1.clone()
    }

    async fn kill(self, _: &SeededEntropy) -> Self {
        self.server.0.kill().await;
        let server = serve(self.folder.path(), &OPTIONS).await;
        Self { folder: self.folder, server }
    }

    fn data_dirs(&self) -> Vec<PathBuf> {
        vec![self.folder.path().to_owned()]
    }

    async fn stop(self) {
        assert!(self.server.0.stop().await.success());
    }
}

impl Installation for Fleet {
    fn client(&self) -> Client {
        self.client.clone()
    }

    async fn kill(mut self, entropy: &SeededEntropy) -> Self {
        match entropy.below(5) {
            0 => {
                self.api.kill().await;
                (self.api, self.client) = self.place.api().await;
            }
            other => {
                let number = other % 2;
                self.runners.remove(number).kill().await;
                self.runners.insert(number, self.place.runner(number).await);
            }
        }
        self
    }

    fn data_dirs(&self) -> Vec<PathBuf> {
        ["api", "runner-0", "runner-1"].map(|name| self.place.data_dir(name)).to_vec()
    }

    async fn stop(self) {
        Self::stop(self).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_ends_once_across_kills_of_the_server() {
    for round in 0..soak(1) {
        kill_often(SEED + round as u64, AllInOne::start().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_ends_once_across_kills_of_the_processes_on_postgres() {
    for round in 0..soak(1) {
        kill_often(SEED + round as u64, Fleet::start(&OPTIONS).await).await;
    }
}

pub(super) async fn kill_often(seed: u64, mut installation: impl Installation) {
    let entropy = SeededEntropy::new(seed);
    let receiver = Receiver::accepting().await;
    subscribe(&installation.client(), &receiver).await;
    installation.client().post("/projects", &installation.project().to_string()).await.expect(201);
    let (asked, mut accepted) = (Arc::new(AtomicUsize::new(0)), BTreeMap::new());
    for _ in 0..KILLS {
        let has_accepted = Arc::new(Notify::new());
        let client = || ask(installation.client(), Arc::clone(&asked), Arc::clone(&has_accepted));
        let clients: Vec<_> = (0..CLIENTS).map(|_| tokio::spawn(client())).collect();
        // However slow the machine is.
        tokio::time::timeout(ALL, has_accepted.notified()).await.expect("a command is accepted");
        let life = Duration::from_millis(entropy.below(800) as u64);
        // The lifetime of the process is the test's input, not a wait for a condition.
        tokio::time::timeout(life, std::future::pending::<()>()).await.unwrap_err();
        installation = installation.kill(&entropy).await;
        for client in clients {
            accepted.extend(client.await.unwrap());
        }
    }
    let client = installation.client();
    all_end(&client).await;
    let commands = commands(&client).await;
    let starts = starts(&installation.workspace());
    assert!(accepted.keys().all(|id| commands.contains_key(id)), "seed {seed}: {accepted:?} {commands:?}");
    // Also those whose acceptance the client did not learn of.
    assert!(starts.values().all(|count| *count == 1), "seed {seed}: {starts:?}");
    let mut lost = 0;
    for (id, prompt) in &accepted {
        match (commands[id].as_str(), starts.get(prompt)) {
            ("completed", Some(1)) => said(&client, id, prompt).await,
            // The demo agent dies with its runner, and has no record of its start.
            ("completed", None) if prompt.starts_with("demo") => {}
            ("lost", None) if prompt.starts_with("demo") => lost += 1,
            (other, starts) => panic!("seed {seed}: {id} ({prompt}) is {other}, started: {starts:?}"),
        }
    }
    nothing_waits(&client).await;
    let reports = reports(&receiver);
    for (id, status) in &commands {
        let last = if status == "completed" { "command.completed" } else { "command.failed" };
        let expected = BTreeMap::from([("command.started".to_owned(), 1), (last.to_owned(), 1)]);
        assert_eq!(reports[id], expected, "seed {seed}: {id}");
    }
    println!(
        "seed {seed}: {} accepted over {KILLS} kills, {} agents of their own, {lost} of the runner lost",
        accepted.len(),
        starts.len()
    );
    for folder in installation.run_folders() {
        nothing_is_left(&folder).await;
    }
    installation.stop().await;
}

/// Asks for some commands, or until the server is gone. Returns the ids and the prompts of the accepted ones.
async fn ask(client: Client, asked: Arc<AtomicUsize>, has_accepted: Arc<Notify>) -> Vec<(String, String)> {
    let mut accepted = Vec::new();
    for number in 0..COMMANDS_PER_CLIENT {
        let provider = if number % 4 == 3 { "demo" } else { "claude" };
        let prompt = format!("{provider}-{}", asked.fetch_add(1, Ordering::SeqCst));
        let work = if provider == "demo" { "\n/wait 200ms" } else { "" };
        let body = json!({"type": provider, "prompt": format!("{prompt}{work}")}).to_string();
        let path = "/projects/my-project/commands";
        match client.request(http::Method::POST, path, Some(&body)).await {
            Ok(answer) => {
                accepted.push((answer.expect(202)["id"].as_str().unwrap().to_owned(), prompt));
                has_accepted.notify_one();
            }
            Err(_) => break,
        }
    }
    accepted
}

/// Waits until no command is left that has not ended. A command passes these states in this order.
async fn all_end(client: &Client) {
    for status in ["queued", "starting", "running", "cancelling"] {
        let path = format!("/commands?status={status}&limit=1");
        client.until_within(ALL, &path, |page| page["data"] == json!([])).await;
    }
}

/// Returns the status of each command.
async fn commands(client: &Client) -> BTreeMap<String, String> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let all = pages(client, "/commands").await;
    all.iter().map(|command| (text(&command["id"]), text(&command["status"]))).collect()
}

/// Returns how often the agent was started with each prompt.
fn starts(workspace: &Path) -> BTreeMap<String, usize> {
    let mut starts = BTreeMap::new();
    let lines = std::fs::read_to_string(workspace.join("starts")).unwrap();
    for line in lines.lines() {
        *starts.entry(line.to_owned()).or_default() += 1;
    }
    starts
}

/// Checks that the events of a completed command are what the agent has said, without gap or double.
async fn said(client: &Client, id: &str, prompt: &str) {
    let events = pages(client, &format!("/commands/{id}/events")).await;
    assert!(events.iter().map(|event| event["seq"].as_u64().unwrap()).eq(1..=events.len() as u64), "{id}");
    let messages = events.iter().filter(|event| event["kind"] == "message");
    let texts: Vec<_> = messages.map(|event| event["text"].as_str().unwrap()).collect();
    assert_eq!(texts, (0..MESSAGES).map(|number| format!("{prompt} {number}")).collect::<Vec<_>>(), "{id}");
}

/// Waits until all reports are delivered.
async fn nothing_waits(client: &Client) {
    for status in ["pending", "in_flight", "retrying"] {
        let path = format!("/deliveries?status={status}");
        client.until_within(ALL, &path, |page| page["data"] == json!([])).await;
    }
}

/// Returns how many events of each type have reported each command.
fn reports(receiver: &Receiver) -> BTreeMap<String, BTreeMap<String, usize>> {
    let count = |reports: Vec<(String, Value)>| {
        let mut counts = BTreeMap::new();
        for (event, _) in reports {
            *counts.entry(event).or_default() += 1;
        }
        counts
    };
    super::reports(&receiver.requests()).into_iter().map(|(command, all)| (command, count(all))).collect()
}

/// Waits until the folder has no run any more.
async fn nothing_is_left(runs: &Path) {
    let left = || std::fs::read_dir(runs).into_iter().flatten().count();
    let removed = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        while left() > 0 {
            ticks.tick().await;
        }
    };
    assert!(tokio::time::timeout(ALL, removed).await.is_ok(), "{} has {} runs", runs.display(), left());
}
