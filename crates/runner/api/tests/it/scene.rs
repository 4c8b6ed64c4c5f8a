//! The API over the in-memory stores, and helpers for the tests.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::Router;
use axum::body::Body;
use axum::http::Request;
use http_body_util::BodyExt;
use rdev_access::{ApiKeys, Idempotency, Ids, NewApiKey};
use rdev_app::{Ambient, Outages};
use rdev_core::{LeaseToken, Scope};
use rdev_runner_api::{ApiOptions, Services, router};
use rdev_runner_app::{
    AgentRegistry, Commands, CredentialSecrets, Credentials, Pipelines, Projects, Providers, Templates,
    Watches, Workspaces,
};
use rdev_runner_domain::ports::{
    AgentVersion, CodeAgent, CommandQueue, CommandRepository, CommandSignals, CredentialRepository,
    EventSink, PipelineRepository, ProjectRepository, Unavailable,
};
use rdev_runner_domain::{
    Access, AgentEventKind, AgentProvider, AgentResult, AgentRun, Capabilities, ClaimRequest, CommandId,
    LeaseState, LeasedCommand, Outcome, Progress, Project, ProjectSettings, QueueLimits, RunReport,
    Timestamp, Usage, Workspace,
};
use rdev_runner_files::LocalFiles;
use rdev_runner_templates::Catalogue;
use rdev_runner_testkit::{ManualClock, MemoryStore, ScriptedCi};
use rdev_webhooks_testkit::SeededEntropy;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use crate::answer::Answer;
use crate::counting::Counting;

/// The administrator key of every test's API.
pub(crate) const KEY: &str = "rdev_0123456789abcdefghijklmnopqrstuvwxyz";

/// A registered agent, which no test runs.
pub(crate) struct Agent {
    provider: AgentProvider,
    capabilities: Capabilities,
    availability: Result<&'static str, &'static str>,
    pub(crate) probes: AtomicUsize,
}

#[async_trait]
impl CodeAgent for Agent {
    fn provider(&self) -> &AgentProvider {
        &self.provider
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        self.probes.fetch_add(1, Ordering::SeqCst);
        match self.availability {
            Ok("hangs") => std::future::pending().await,
            Ok(version) => Ok(AgentVersion(version.to_owned())),
            Err(reason) => Err(Unavailable(reason.to_owned())),
        }
    }

    async fn execute(&self, _: &AgentRun, _: &dyn EventSink) -> AgentResult {
        panic!("an API runs nothing")
    }

    async fn attach(&self, _: &AgentRun, _: Option<&str>, _: &dyn EventSink) -> Option<AgentResult> {
        panic!("an API runs nothing")
    }

    async fn forget(&self, _: CommandId) {}

    async fn cancel(&self, _: CommandId) {}
}

/// A store with all ports.
pub(crate) trait Store:
    CommandRepository
    + CommandQueue
    + CommandSignals
    + CredentialRepository
    + PipelineRepository
    + ProjectRepository
{
}

impl<T> Store for T where
    T: CommandRepository
        + CommandQueue
        + CommandSignals
        + CredentialRepository
        + PipelineRepository
        + ProjectRepository
{
}

/// An API with all its services.
pub(crate) struct Scene {
    pub(crate) router: Router,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) counting: Arc<Counting>,
    pub(crate) registry: Arc<AgentRegistry>,
    pub(crate) agents: Vec<Arc<Agent>>,
    pub(crate) watches: Watches,
    pub(crate) ci: Arc<ScriptedCi>,
    api_keys: ApiKeys,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) root: PathBuf,
    /// The folder of the administrator's own templates.
    pub(crate) templates: PathBuf,
    /// Ends all streams.
    pub(crate) drain: CancellationToken,
    _folder: TempDir,
}

impl Scene {
    /// Creates a scene. Must run inside a runtime, which runs the readers.
    pub(crate) fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        Self::made(Arc::new(MemoryStore::new(clock.clone())), clock)
    }

    /// Creates a scene over this store, with a project.
    pub(crate) async fn over(store: Arc<dyn Store>) -> Self {
        let scene = Self::made(store, Arc::default());
        scene.post("/projects", r#"{"name":"my-project"}"#).await.expect(201);
        scene
    }

    fn made(store: Arc<dyn Store>, clock: Arc<ManualClock>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let workspaces = Workspaces::open(&folder.path().join("workspaces")).unwrap();
        let root = workspaces.root().to_owned();
        let workspaces = Arc::new(workspaces);
        let templates = folder.path().join("templates");
        std::fs::create_dir(&templates).unwrap();
        let catalogue = Arc::new(Catalogue::shipped().with_folder(templates.clone()));
        let entropy = Arc::new(SeededEntropy::new(7));
        let ambient = Ambient { clock: clock.clone(), entropy: entropy.clone() };
        let counting = Arc::new(Counting::new(store.clone()));
        let keys = Arc::new(rdev_webhooks_testkit::MemoryStore::new(Arc::new(
            rdev_webhooks_testkit::ManualClock::default(),
        )));
        let (registry, agents) = registry();
        let (api_keys, recorder) =
            ApiKeys::new(keys.clone(), Ambient { clock: Arc::new(rdev_app::SystemClock), ..ambient.clone() });
        tokio::spawn(recorder.run());
        let (watches, task) = Watches::new(counting.clone(), &*store);
        let drain = CancellationToken::new();
        tokio::spawn(task.run(drain.clone()));
        let providers = ["claude", "opencode"].map(|name| (name.parse().unwrap(), 2));
        let limits = QueueLimits { max_running: 2, providers: providers.into() };
        let ci = Arc::new(ScriptedCi::default());
        let services = Services {
            projects: Projects::new(
                store.clone(),
                store.clone(),
                registry.clone(),
                workspaces,
                ambient.clone(),
            ),
            commands: Commands::new(
                counting.clone(),
                store.clone(),
                store.clone(),
                registry.clone(),
                limits,
                ambient.clone(),
            )
            .with_secrets(Arc::new(CredentialSecrets::new(store.clone(), clock.clone()))),
            credentials: Credentials::new(store.clone(), ambient.clone()),
            pipelines: Pipelines::new(store.clone(), store.clone(), store.clone(), ambient.clone())
                .with_server(Some(ci.clone())),
            providers: Providers::new(registry.clone()),
            templates: Templates::new(catalogue, Arc::new(LocalFiles::new(root.clone())), store.clone()),
            watches: watches.clone(),
            api_keys: api_keys.clone(),
            idempotency: Idempotency::new(keys, ambient),
            outages: Outages::default(),
        };
        let router = router(services, entropy, ApiOptions::new(KEY.into()));
        Self {
            ci,
            router,
            store,
            counting,
            registry,
            agents,
            watches,
            api_keys,
            clock,
            root,
            templates,
            drain,
            _folder: folder,
        }
    }

    /// Creates a scene with a project.
    pub(crate) async fn with_project() -> Self {
        let scene = Self::new();
        scene.post("/projects", r#"{"name":"my-project"}"#).await.expect(201);
        scene
    }

    /// Sends a request unchanged, and checks what every response promises.
    /// Creates a project whose name was possible before names were slugs.
    pub(crate) async fn older_project(&self, name: &str) {
        let path = self.root.join("older").to_str().unwrap().parse().unwrap();
        let settings = ProjectSettings::new(Workspace::Local { path });
        let project =
            Project::new(name.parse().unwrap(), settings, "2025-01-15T10:30:00Z".parse().unwrap()).unwrap();
        assert!(ProjectRepository::create(&*self.store, &project).await.unwrap());
    }

    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        let answer = Answer { status: parts.status, headers: parts.headers, body };
        answer.check();
        answer
    }

    /// Sends a request with the administrator key.
    pub(crate) async fn call(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> Answer {
        self.send(request(method, path, headers, Body::empty())).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call("GET", path, &[]).await
    }

    /// Sends JSON with the administrator key.
    pub(crate) async fn json(&self, method: &str, path: &str, body: impl ToString) -> Answer {
        let headers = [("content-type", "application/json")];
        self.send(request(method, path, &headers, body.to_string())).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl ToString) -> Answer {
        self.json("POST", path, body).await
    }

    /// Creates an API key and returns the header with it.
    pub(crate) async fn key(&self, scopes: &[&Scope], projects: &[&str]) -> String {
        let access = Access::new(scopes.iter().map(|scope| (*scope).clone()));
        let access = match projects {
            [] => access,
            names => access.with_projects(names.iter().map(|name| name.parse().unwrap())),
        };
        let new = NewApiKey { name: None, access, expires_at: None };
        let created = self.api_keys.create(new, Ids::fresh()).await.unwrap();
        format!("Bearer {}", created.secret.expose().expose_secret())
    }

    /// Queues a command of the project `my-project` and returns its id.
    pub(crate) async fn command(&self, prompt: &str) -> String {
        // Ids sort by their time.
        self.clock.advance(Duration::from_millis(1));
        let body = json!({ "prompt": prompt });
        self.post("/projects/my-project/commands", body).await.expect(202).member("id")
    }

    /// Starts the oldest command, like a runner.
    pub(crate) async fn claim(&self) -> LeasedCommand {
        static NEXT: AtomicI64 = AtomicI64::new(1);
        let providers = ["claude", "opencode"].map(|name| (name.parse().unwrap(), 100));
        let claim = ClaimRequest {
            host: "host-1".parse().unwrap(),
            token: LeaseToken::new(NEXT.fetch_add(1, Ordering::SeqCst)),
            lease_for: Duration::from_secs(60),
            limits: QueueLimits { max_running: 100, providers: providers.into() },
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

    /// Stores messages after number `after`.
    pub(crate) async fn say(&self, leased: &LeasedCommand, after: u64, texts: &[String]) {
        let kinds = texts.iter().map(|text| message(text)).collect();
        self.report(leased, after, kinds, Progress::Running).await;
    }

    /// Ends a command as completed.
    pub(crate) async fn complete(&self, leased: &LeasedCommand, after: u64) {
        self.report(leased, after, Vec::new(), ended(Outcome::Completed)).await;
    }

    /// Returns a command as the API shows it.
    pub(crate) async fn shown(&self, id: &str) -> Value {
        self.get(&format!("/commands/{id}")).await.expect(200).json()
    }
}

pub(crate) const AT: Timestamp = Timestamp::from_micros(1_736_937_000_123_000);

pub(crate) fn message(text: &str) -> AgentEventKind {
    AgentEventKind::Message { text: text.to_owned(), parent: None }
}

/// Returns the progress of a run that ended.
pub(crate) fn ended(outcome: Outcome) -> Progress {
    Progress::Ended(Box::new(AgentResult {
        outcome,
        detail: None,
        exit_code: None,
        duration: Duration::from_millis(5_432),
        session: Some("ses-1".parse().unwrap()),
        text: "Done.".to_owned(),
        usage: Usage { input_tokens: 3, output_tokens: 4, ..Usage::default() },
        cost: Some(0.25.try_into().unwrap()),
        denials: Vec::new(),
        changes: None,
    }))
}

fn registry() -> (Arc<AgentRegistry>, Vec<Arc<Agent>>) {
    let registry = AgentRegistry::new();
    let limited = Capabilities { resume: true, ..Capabilities::NONE };
    let agents: Vec<_> = [
        ("claude", Capabilities::ALL, Ok("2.1.0")),
        ("opencode", limited, Err("OpenCode is not installed: run `npm install -g opencode-ai`.")),
        ("slow", Capabilities::NONE, Ok("hangs")),
    ]
    .into_iter()
    .map(|(name, capabilities, availability)| {
        let provider = name.parse().unwrap();
        Arc::new(Agent { provider, capabilities, availability, probes: AtomicUsize::new(0) })
    })
    .collect();
    for agent in &agents {
        registry.register(agent.clone()).unwrap();
    }
    (Arc::new(registry), agents)
}

/// Returns a request with the administrator key.
pub(crate) fn request(
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: impl Into<Body>,
) -> Request<Body> {
    let mut request = Request::builder().method(method).uri(path);
    if !headers.iter().any(|(name, _)| *name == "authorization") {
        request = request.header("authorization", format!("Bearer {KEY}"));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(body.into()).unwrap()
}
