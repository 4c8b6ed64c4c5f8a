//! Kills the process of the runner: each accepted command ends once all the same.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use async_trait::async_trait;
use rdev_app::Ambient;
use rdev_runner_app::{RunnerHost, RunnerOptions};
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, EventSink, Unavailable};
use rdev_runner_domain::{
    AgentEventKind, AgentProvider, AgentResult, AgentRun, Capabilities, CommandId, CommandStatus, Outcome,
};
use rdev_webhooks_testkit::{SeededEntropy, soak};
use sqlx::SqlitePool;
use tokio_util::sync::CancellationToken;

use super::agent::result;
use super::scene::{RunnerTask, Scene, command, existing_sqlite, registry, sqlite, sqlite_store};

const KILLS: usize = 20;
const COMMANDS_PER_LIFE: u16 = 6;
const EVENTS: usize = 60;
const SEED: u64 = 20_261_129;
const PATIENCE: Duration = Duration::from_secs(60);

/// The folder of the runner, for the process that is killed.
const FOLDER: &str = "RDEV_TEST_RUNNER_FOLDER";

/// An agent whose only state is a file with a line for each start.
struct LedgerAgent {
    provider: AgentProvider,
    ledger: PathBuf,
}

impl LedgerAgent {
    fn new(folder: &Path) -> Self {
        Self { provider: AgentProvider::claude(), ledger: folder.join("starts") }
    }

    fn starts(folder: &Path) -> BTreeMap<String, usize> {
        let mut starts = BTreeMap::new();
        for line in fs::read_to_string(folder.join("starts")).unwrap_or_default().lines() {
            *starts.entry(line.to_owned()).or_default() += 1;
        }
        starts
    }

    async fn play(&self, command: CommandId, from: usize, sink: &dyn EventSink) -> AgentResult {
        // As long as the work of an agent takes.
        let mut pace = tokio::time::interval(Duration::from_millis(2));
        for number in from..EVENTS {
            sink.emit(event(command, number)).await;
            if number % 5 == 4 {
                sink.checkpoint((number + 1).to_string()).await;
            }
            pace.tick().await;
        }
        result(Outcome::Completed, "Done.")
    }
}

fn event(command: CommandId, number: usize) -> AgentEventKind {
    AgentEventKind::Message { text: format!("{command} {number}"), parent: None }
}

#[async_trait]
impl CodeAgent for LedgerAgent {
    fn provider(&self) -> &AgentProvider {
        &self.provider
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        Ok(AgentVersion("1".to_owned()))
    }

    async fn execute(&self, run: &AgentRun, sink: &dyn EventSink) -> AgentResult {
        let mut ledger = OpenOptions::new().create(true).append(true).open(&self.ledger).unwrap();
        ledger.write_all(format!("{}\n", run.command_id()).as_bytes()).unwrap();
        self.play(run.command_id(), 0, sink).await
    }

    async fn attach(
        &self,
        run: &AgentRun,
        checkpoint: Option<&str>,
        sink: &dyn EventSink,
    ) -> Option<AgentResult> {
        let command = run.command_id();
        let ledger = fs::read_to_string(&self.ledger).unwrap_or_default();
        let from = checkpoint.map_or(0, |checkpoint| checkpoint.parse().unwrap());
        let has_begun = ledger.lines().any(|line| line == command.to_string());
        if has_begun { Some(self.play(command, from, sink).await) } else { None }
    }

    async fn withdraw(&self, run: &AgentRun) -> bool {
        let ledger = fs::read_to_string(&self.ledger).unwrap_or_default();
        ledger.lines().all(|line| line != run.command_id().to_string())
    }

    async fn forget(&self, _: CommandId) {}

    async fn cancel(&self, _: CommandId) {}
}

/// The process that is killed: a runner on the folder that the environment names.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "runs in a process of its own, which the test of the kills starts"]
async fn the_process_that_is_killed() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let store = sqlite_store(&existing_sqlite(&folder).await).await;
    let scene = Scene::existing(&store, registry(LedgerAgent::new(&folder)));
    scene.runner(options(&folder).await).run(CancellationToken::new()).await;
}

async fn options(folder: &Path) -> RunnerOptions {
    let entropy = Ambient::system().entropy;
    let host = RunnerHost::exclusive(folder, &*entropy).await.unwrap();
    RunnerOptions::new(host).with_max_running(8).with_poll_interval(Duration::from_millis(20))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_command_ends_once_across_kills_of_the_runner() {
    for round in 0..soak(1) {
        kill_often(SEED + round as u64).await;
    }
}

/// Waits until this many further events are stored, or all commands have ended.
async fn progress(pool: &SqlitePool, events: usize) {
    let stored = "SELECT count(*) FROM runner_events";
    let before: i64 = sqlx::query_scalar(stored).fetch_one(pool).await.unwrap();
    let has_moved = "SELECT (SELECT count(*) FROM runner_events) >= ?1
                       OR NOT EXISTS (SELECT 1 FROM runner_commands WHERE ended_at IS NULL)";
    let waiting = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(2));
        let expected = before + i64::try_from(events).unwrap();
        while !sqlx::query_scalar::<_, bool>(has_moved).bind(expected).fetch_one(pool).await.unwrap() {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(PATIENCE, waiting).await.expect("the commands go on");
}

async fn kill_often(seed: u64) {
    let entropy = SeededEntropy::new(seed);
    let folder = tempfile::tempdir().unwrap();
    let pool = sqlite(folder.path()).await;
    let store = sqlite_store(&pool).await;
    let scene = Scene::new(&store, registry(LedgerAgent::new(folder.path()))).await;
    let mut ids = Vec::new();
    for _ in 0..KILLS {
        let mut runner = Command::new(std::env::current_exe().unwrap())
            .args(["runner::kills::the_process_that_is_killed", "--exact", "--ignored"])
            .env(FOLDER, folder.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let first = ids.len() as u16;
        for n in first..first + COMMANDS_PER_LIFE {
            ids.push(scene.add(command(n, "Hello.")).await);
        }
        progress(&pool, entropy.below(EVENTS * COMMANDS_PER_LIFE as usize / 2)).await;
        runner.kill().unwrap();
        runner.wait().unwrap();
    }
    let begun = LedgerAgent::starts(folder.path()).len();
    // This process does not learn of the other's changes, so the last runner is its own.
    let last = RunnerTask::start(scene.runner(options(folder.path()).await));
    let mut ended = Vec::new();
    for id in &ids {
        ended.push(scene.ended(*id).await);
    }
    last.stop().await.unwrap();
    let starts = LedgerAgent::starts(folder.path());
    for command in &ended {
        let id = command.id;
        assert_eq!(starts.get(&id.to_string()), Some(&1), "seed {seed}: {id}");
        assert_eq!(command.state.status(), CommandStatus::Completed, "seed {seed}: {id}");
        let kinds = scene.events(id).await.into_iter().map(|event| event.kind);
        assert!(kinds.eq((0..EVENTS).map(|number| event(id, number))), "seed {seed}: {id}");
    }
    let select = "SELECT key, count(*) FROM webhooks_events WHERE event_type <> 'command.started' GROUP BY 1";
    let ends: Vec<(String, i64)> = sqlx::query_as(select).fetch_all(&pool).await.unwrap();
    assert_eq!(ends.len(), ids.len(), "seed {seed}");
    assert!(ends.iter().all(|(_, count)| *count == 1), "seed {seed}");
    println!("seed {seed}: {} commands, {begun} begun over {KILLS} kills", ids.len());
    assert!(begun > 0, "seed {seed}: no kill hit an agent");
}
