//! A store with a project, and the runners on it.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rdev_app::{Ambient, Outages};
use rdev_runner_app::{AgentRegistry, EnvironmentSecrets, Runner, RunnerHost, RunnerOptions, RunnerPorts};
use rdev_runner_domain::ports::{
    CodeAgent, CommandQueue, CommandRepository, CommandSignals, CredentialRepository, PipelineRepository,
    ProjectRepository,
};
use rdev_runner_domain::{
    Access, AgentEvent, Command, CommandId, Project, ProjectName, RequestDraft, SecretName, Timestamp,
};
use rdev_runner_store_sqlite::SqliteCommands;
use rdev_runner_testkit::{ManualClock, MemoryStore, draft, project, request};
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks::{Database, PublishPool, Publisher};
use sqlx::SqlitePool;
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};

const PATIENCE: Duration = Duration::from_secs(120);

/// The project of all commands.
pub(super) const PROJECT: &str = "my-project";

/// A runner in a task.
pub(super) struct RunnerTask {
    drain: DropGuard,
    task: JoinHandle<()>,
}

impl RunnerTask {
    pub(super) fn start(runner: Runner) -> Self {
        let drain = CancellationToken::new();
        let task = tokio::spawn(runner.run(drain.clone()));
        Self { drain: drain.drop_guard(), task }
    }

    /// Stops the runner, and waits until it has ended. Fails if it has panicked.
    pub(super) async fn stop(self) -> Result<(), JoinError> {
        drop(self.drain);
        self.task.await
    }
}

pub(super) struct Scene {
    pub(super) ports: RunnerPorts,
    pub(super) agents: Arc<AgentRegistry>,
}

/// Returns the id of the `n`-th command.
pub(super) fn id(n: u16) -> CommandId {
    let mut random = [0; 10];
    random[..2].copy_from_slice(&n.to_be_bytes());
    CommandId::from_parts(Timestamp::from_millis(1_736_937_000_000), random)
}

/// Returns the `n`-th command, of the project.
pub(super) fn command(n: u16, prompt: &str) -> RequestDraft {
    RequestDraft { command_id: id(n), ..draft(0, prompt) }
}

/// Returns a registry with this agent.
pub(super) fn registry(agent: impl CodeAgent) -> Arc<AgentRegistry> {
    let agents = AgentRegistry::new();
    agents.register(Arc::new(agent)).unwrap();
    Arc::new(agents)
}

pub(super) fn shared_host() -> RunnerOptions {
    RunnerOptions::new(RunnerHost::shared("host-1".parse().unwrap()))
}

/// Returns a pool to a migrated file in this folder.
pub(super) async fn sqlite(folder: &Path) -> SqlitePool {
    rdev_webhooks::migrate(&Database::sqlite(folder.join("rdev.db"))).await.unwrap();
    let pool = existing_sqlite(folder).await;
    rdev_runner_store_sqlite::migrate(&pool).await.unwrap();
    pool
}

/// Returns a pool to a file that is migrated already.
pub(super) async fn existing_sqlite(folder: &Path) -> SqlitePool {
    match Database::sqlite(folder.join("rdev.db")).pool(4).await.unwrap() {
        PublishPool::Sqlite(pool) => pool,
        other => panic!("{other:?}"),
    }
}

/// Returns a keyring of one key, always the same.
pub(super) fn keyring() -> Keyring {
    Keyring::new(EncryptionKey::generate([7; 32]))
}

pub(super) async fn sqlite_store(pool: &SqlitePool) -> Arc<SqliteCommands> {
    let publisher = Publisher::open(pool).await.unwrap();
    Arc::new(SqliteCommands::new(pool.clone(), publisher, Ambient::system().clock, keyring()))
}

impl Scene {
    /// Creates the project, which runs many commands at once.
    pub(super) async fn new<S>(store: &Arc<S>, agents: Arc<AgentRegistry>) -> Self
    where
        S: CommandQueue
            + CommandRepository
            + CredentialRepository
            + PipelineRepository
            + ProjectRepository
            + CommandSignals,
    {
        let scene = Self::existing(store, agents);
        scene.add_project(PROJECT, 100).await;
        scene
    }

    /// Returns the scene of a store that has the project.
    pub(super) fn existing<S>(store: &Arc<S>, agents: Arc<AgentRegistry>) -> Self
    where
        S: CommandQueue
            + CommandRepository
            + CredentialRepository
            + PipelineRepository
            + ProjectRepository
            + CommandSignals,
    {
        let ports = RunnerPorts {
            queue: Arc::<S>::clone(store),
            commands: Arc::<S>::clone(store),
            projects: Arc::<S>::clone(store),
            signals: Arc::<S>::clone(store),
            credentials: Arc::<S>::clone(store),
            pipelines: Arc::<S>::clone(store),
            ci: None,
            secrets: Arc::new(EnvironmentSecrets::default()),
            workspaces: None,
            version_control: None,
        };
        Self { ports, agents }
    }

    /// A scene in memory, and the clock of its store.
    pub(super) async fn in_memory(agents: Arc<AgentRegistry>) -> (Self, Arc<MemoryStore>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        (Self::new(&store, agents).await, store, clock)
    }

    /// Lets commands name these variables of the environment as secrets.
    pub(super) fn allow_secrets(&mut self, names: &[&str]) {
        let names: BTreeSet<SecretName> = names.iter().map(|name| name.parse().unwrap()).collect();
        self.ports.secrets = Arc::new(EnvironmentSecrets::new(names));
    }

    pub(super) async fn add_project(&self, name: &str, max_running: u32) {
        let plain = project(name);
        let mut settings = plain.settings().clone();
        settings.max_running = max_running;
        let project = Project::new(plain.name, settings, plain.created_at).unwrap();
        assert!(self.ports.projects.create(&project).await.unwrap());
    }

    pub(super) fn runner(&self, options: RunnerOptions) -> Runner {
        let agents = Arc::clone(&self.agents);
        Runner::new(self.ports.clone(), agents, Ambient::system(), options, Outages::default())
    }

    pub(super) fn start(&self) -> RunnerTask {
        RunnerTask::start(self.runner(shared_host()))
    }

    pub(super) async fn add(&self, draft: RequestDraft) -> CommandId {
        self.ports.commands.create(&request(draft)).await.unwrap().unwrap().id
    }

    pub(super) async fn get(&self, id: CommandId) -> Command {
        self.ports.commands.get(Access::everything(), id).await.unwrap().unwrap()
    }

    /// Returns all events, and checks that their numbers have no gaps.
    pub(super) async fn events(&self, id: CommandId) -> Vec<AgentEvent> {
        let mut events: Vec<AgentEvent> = Vec::new();
        loop {
            let after = events.last().map_or(0, |event| event.seq);
            let page = self.ports.commands.events(Access::everything(), id, after, 500).await;
            let page = page.unwrap().unwrap();
            events.extend(page.events);
            if !page.has_more {
                assert!(events.iter().map(|event| event.seq).eq(1..=events.len() as u64));
                return events;
            }
        }
    }

    /// Waits until the command is as expected.
    pub(super) async fn until(&self, id: CommandId, expected: impl Fn(&Command) -> bool) -> Command {
        let mut signals = self.ports.signals.subscribe();
        let waiting = async {
            loop {
                let command = self.get(id).await;
                if expected(&command) {
                    return command;
                }
                signals.next().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the command changes in time")
    }

    /// Waits until the project is deleted.
    pub(super) async fn until_no_project(&self, name: &ProjectName) {
        let mut looks = tokio::time::interval(Duration::from_millis(10));
        let waiting = async {
            while self.ports.projects.get(Access::everything(), name).await.unwrap().is_some() {
                looks.tick().await;
            }
        };
        tokio::time::timeout(PATIENCE, waiting).await.expect("the project is deleted in time");
    }

    pub(super) async fn ended(&self, id: CommandId) -> Command {
        self.until(id, |command| command.state.outcome().is_some()).await
    }
}
