//! A runner's services over a store in memory, with their pages in the console of a system on SQLite.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_app::{Ambient, SystemEntropy};
use rdev_core::{Access, LeaseToken, Scope};
use rdev_runner_app::{
    AgentRegistry, Commands, CredentialSecrets, Credentials, Pipelines, Projects, Providers, Services,
    Templates, Watches, Workspaces,
};
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, CommandQueue, EventSink, Unavailable};
use rdev_runner_domain::{
    AgentEventKind, AgentProvider, AgentResult, AgentRun, Capabilities, ClaimRequest, CommandId, LeaseState,
    LeasedCommand, Outcome, Progress, QueueLimits, RunReport, Timestamp, Usage,
};
use rdev_runner_files::LocalFiles;
use rdev_runner_templates::Catalogue;
use rdev_runner_testkit::{ManualClock, MemoryStore};
use rdev_webhooks::access::{Ids, NewApiKey};
use rdev_webhooks::console::{ConsoleOptions, Router};
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks::{Database, RdevWebhooks};
use secrecy::ExposeSecret;
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use rdev_pages::browser::Browser;

/// The administrator key.
pub(crate) const KEY: &str = "rdev_0123456789abcdefghijklmnopqrstuvwxyz";

/// A registered agent, which no test runs.
struct Agent(AgentProvider);

#[async_trait]
impl CodeAgent for Agent {
    fn provider(&self) -> &AgentProvider {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        Ok(AgentVersion("1.0.0".to_owned()))
    }

    async fn execute(&self, _: &AgentRun, _: &dyn EventSink) -> AgentResult {
        panic!("a console runs nothing")
    }

    async fn attach(&self, _: &AgentRun, _: Option<&str>, _: &dyn EventSink) -> Option<AgentResult> {
        panic!("a console runs nothing")
    }

    async fn forget(&self, _: CommandId) {}

    async fn cancel(&self, _: CommandId) {}
}

pub(crate) struct Scene {
    pub(crate) system: RdevWebhooks,
    pub(crate) services: Services,
    pub(crate) root: PathBuf,
    store: Arc<MemoryStore>,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

impl Scene {
    /// Creates a scene with the project `my-project`. Must run inside a runtime, which runs the readers.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::sqlite(folder.path().join("rdev.db"));
        let keyring = Keyring::new(EncryptionKey::generate(Ambient::system().entropy.bytes()));
        let system = RdevWebhooks::builder(database, keyring).open().await.unwrap();
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let ambient = Ambient { clock: clock.clone(), entropy: Arc::new(SystemEntropy) };
        let registry = AgentRegistry::new();
        for name in ["claude", "opencode"] {
            registry.register(Arc::new(Agent(name.parse().unwrap()))).unwrap();
        }
        let registry = Arc::new(registry);
        let workspaces = Arc::new(Workspaces::open(&folder.path().join("workspaces")).unwrap());
        let (watches, task) = Watches::new(store.clone(), &*store);
        tokio::spawn(task.run(CancellationToken::new()));
        let limits = QueueLimits { max_running: 2, providers: [("claude".parse().unwrap(), 2)].into() };
        let commands = Commands::new(
            store.clone(),
            store.clone(),
            store.clone(),
            registry.clone(),
            limits,
            ambient.clone(),
        );
        let services = Services {
            projects: Projects::new(
                store.clone(),
                store.clone(),
                registry.clone(),
                workspaces.clone(),
                ambient.clone(),
            ),
            commands: commands.with_secrets(Arc::new(CredentialSecrets::new(store.clone(), clock.clone()))),
            pipelines: Pipelines::new(store.clone(), store.clone(), store.clone(), ambient.clone()),
            credentials: Credentials::new(store.clone(), ambient),
            providers: Providers::new(registry),
            templates: Templates::new(
                Arc::new(Catalogue::shipped()),
                Arc::new(LocalFiles::new(workspaces.root().to_owned())),
                store.clone(),
            ),
            watches,
            api_keys: system.api_keys().clone(),
            idempotency: system.idempotency().clone(),
            outages: system.outages().clone(),
        };
        let root = workspaces.root().to_owned();
        let scene = Self { system, services, root, store, clock, _folder: folder };
        scene.project("my-project").await;
        scene
    }

    /// Creates a project.
    pub(crate) async fn project(&self, name: &str) {
        let name = name.parse().unwrap();
        let settings = rdev_runner_domain::ProjectSettings::new(
            self.services.projects.default_workspace(&name).unwrap(),
        );
        let access = Access::administrator();
        self.services.projects.create(&access, name, settings, Ids::fresh()).await.unwrap();
    }

    /// Returns a browser in which no one is signed in.
    pub(crate) fn browser(&self) -> Browser {
        let pages = rdev_runner_console::pages(self.services.clone());
        let options = ConsoleOptions::new(KEY.into()).with_pages(pages);
        Browser::new(Router::new().nest_service("/console", self.system.console::<()>(options)))
    }

    /// Returns a browser in which the administrator is signed in.
    pub(crate) async fn administrator(&self) -> Browser {
        let mut browser = self.browser();
        browser.sign_in(KEY).await;
        browser
    }

    /// Returns a browser in which a new key with these scopes is signed in.
    pub(crate) async fn holder(&self, scopes: &[Scope], projects: Option<&[&str]>) -> Browser {
        let access = Access {
            scopes: scopes.iter().cloned().collect(),
            projects: projects.map(|names| names.iter().map(|name| name.parse().unwrap()).collect()),
        };
        let new = NewApiKey { name: Some("holder".to_owned()), access, expires_at: None };
        let created = self.system.api_keys().create(new, Ids::fresh()).await.unwrap();
        let mut browser = self.browser();
        browser.sign_in(created.secret.expose().expose_secret()).await;
        browser
    }

    /// Queues a command of `my-project` by its form, and returns its id.
    pub(crate) async fn command(&self, browser: &mut Browser, prompt: &str) -> String {
        self.command_of(browser, "my-project", prompt).await
    }

    /// Queues a command of a project by its form, and returns its id.
    pub(crate) async fn command_of(&self, browser: &mut Browser, project: &str, prompt: &str) -> String {
        // Ids sort by their time.
        self.clock.advance(Duration::from_millis(1));
        let form = browser.open("/console/commands/new").await.form("/console/commands/new");
        let fields = [("project", project), ("prompt", prompt)];
        let answer = browser.post(&form, &fields).await;
        answer.location().rsplit('/').next().unwrap().to_owned()
    }

    /// Lets time pass.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Starts the oldest command, like a runner.
    pub(crate) async fn claim(&self) -> LeasedCommand {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let claim = ClaimRequest {
            host: "host-1".parse().unwrap(),
            token: LeaseToken::new(NEXT.fetch_add(1, Ordering::SeqCst)),
            lease_for: Duration::from_secs(60),
            limits: QueueLimits { max_running: 100, providers: [("claude".parse().unwrap(), 100)].into() },
        };
        self.store.claim(&claim).await.unwrap().expect("a command may run")
    }

    /// Stores events after number `after` and the progress, like a runner.
    pub(crate) async fn report(
        &self,
        leased: &LeasedCommand,
        after: u64,
        kinds: Vec<AgentEventKind>,
        progress: Progress,
    ) {
        let events = kinds.into_iter().map(|kind| (AT, kind)).collect();
        let report = RunReport { after_seq: after, events, checkpoint: None, progress };
        let held = self.store.record(&leased.lease, &report).await.unwrap();
        assert!(matches!(held, LeaseState::Held { .. }), "{held:?}");
    }
}

pub(crate) const AT: Timestamp = Timestamp::from_micros(1_736_937_000_123_000);

pub(crate) fn delta(text: &str) -> AgentEventKind {
    AgentEventKind::TextDelta { text: text.to_owned(), parent: None }
}

pub(crate) fn message(text: &str) -> AgentEventKind {
    AgentEventKind::Message { text: text.to_owned(), parent: None }
}

pub(crate) fn call(id: &str, name: &str, input: &str) -> AgentEventKind {
    let (id, name, input) = (id.to_owned(), name.to_owned(), input.to_owned());
    AgentEventKind::ToolCall { id, name, input, parent: None }
}

pub(crate) fn returned(id: &str, content: &str, is_error: bool) -> AgentEventKind {
    AgentEventKind::ToolResult { id: id.to_owned(), content: content.to_owned(), is_error, parent: None }
}

/// Returns a result.
pub(crate) fn result(outcome: Outcome) -> AgentResult {
    AgentResult {
        outcome,
        detail: None,
        exit_code: None,
        duration: Duration::from_millis(5_432),
        session: Some("ses-1".parse().unwrap()),
        text: "All tests pass.".to_owned(),
        usage: Usage { input_tokens: 1_300, output_tokens: 41, ..Usage::default() },
        cost: Some(0.25.try_into().unwrap()),
        denials: Vec::new(),
        changes: None,
    }
}

/// Returns the progress of a run that ended.
pub(crate) fn ended(outcome: Outcome) -> Progress {
    Progress::Ended(Box::new(result(outcome)))
}
