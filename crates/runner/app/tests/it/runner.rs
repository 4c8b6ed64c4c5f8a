//! The runner with the in-memory store.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::{Ambient, Outages};
use rdev_runner_app::{
    AgentRegistry, DemoAgent, EnvironmentSecrets, Runner, RunnerHandle, RunnerHost, RunnerOptions,
    RunnerPorts,
};
use rdev_runner_domain::ports::{Cancellation, CommandRepository, CommandSignals, ProjectRepository};
use rdev_runner_domain::{
    Access, AgentEventKind, Command, CommandId, CommandStatus, FailureReason, Outcome, Project,
};
use rdev_runner_testkit::{ManualClock, MemoryStore, draft, project, request};

const PATIENCE: Duration = Duration::from_secs(60);

struct Scene {
    clock: Arc<ManualClock>,
    store: Arc<MemoryStore>,
    agents: Arc<AgentRegistry>,
}

impl Scene {
    /// A store with the project `my-project`, and a registry with the demonstration agent as `claude`.
    async fn new() -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = Arc::new(MemoryStore::new(Arc::clone(&clock)));
        let plain = project("my-project");
        let mut settings = plain.settings().clone();
        settings.max_running = 100;
        let project = Project::new(plain.name, settings, plain.created_at).unwrap();
        assert!(ProjectRepository::create(&*store, &project).await.unwrap());
        let agents = AgentRegistry::new();
        agents.register(Arc::new(DemoAgent::new("claude".parse().unwrap()))).unwrap();
        Self { clock, store, agents: Arc::new(agents) }
    }

    fn start(&self) -> RunnerHandle {
        let ports = RunnerPorts {
            queue: Arc::<MemoryStore>::clone(&self.store),
            commands: Arc::<MemoryStore>::clone(&self.store),
            projects: Arc::<MemoryStore>::clone(&self.store),
            signals: Arc::<MemoryStore>::clone(&self.store),
            secrets: Arc::new(EnvironmentSecrets::default()),
        };
        let options = RunnerOptions::new(RunnerHost::shared("host-1".parse().unwrap()));
        Runner::new(ports, Arc::clone(&self.agents), Ambient::system(), options, Outages::default()).start()
    }

    async fn add(&self, n: u8, prompt: &str) -> CommandId {
        let created = CommandRepository::create(&*self.store, &request(draft(n, prompt))).await;
        created.unwrap().unwrap().id
    }

    async fn get(&self, id: CommandId) -> Command {
        CommandRepository::get(&*self.store, Access::everything(), id).await.unwrap().unwrap()
    }

    async fn events(&self, id: CommandId) -> Vec<AgentEventKind> {
        let page = self.store.events(Access::everything(), id, 0, 1_000).await.unwrap().unwrap();
        page.events.into_iter().map(|event| event.kind).collect()
    }

    /// Waits until the command is as expected.
    async fn until(&self, id: CommandId, expected: impl Fn(&Command) -> bool) -> Command {
        let mut signals = self.store.subscribe();
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

    async fn ended(&self, id: CommandId) -> Command {
        self.until(id, |command| command.state.outcome().is_some()).await
    }
}

#[tokio::test]
async fn a_command_is_run_and_its_events_and_result_are_stored() {
    let scene = Scene::new().await;
    let runner = scene.start();
    let id = scene.add(1, "Hello there.\n/tool Bash").await;
    let command = scene.ended(id).await;
    assert_eq!(command.state.status(), CommandStatus::Completed);
    assert_eq!(command.result.unwrap().text, "Hello there.");
    let events = scene.events(id).await;
    let has = |expected: &dyn Fn(&AgentEventKind) -> bool| events.iter().any(expected);
    assert!(has(&|event| matches!(event, AgentEventKind::Message { text, .. } if text == "Hello there.")));
    assert!(has(&|event| matches!(event, AgentEventKind::ToolResult { .. })), "{events:?}");
    runner.stop().await.unwrap();
    let mut published: Vec<_> = scene.store.published().into_iter().map(|event| event.event_type).collect();
    published.sort_unstable();
    assert_eq!(published, ["command.completed", "command.started"]);
}

#[tokio::test]
async fn a_running_command_is_cancelled() {
    let scene = Scene::new().await;
    let runner = scene.start();
    let id = scene.add(1, "Hello.\n/wait 1h").await;
    scene.until(id, |command| command.last_seq > 1).await;
    let cancelled = scene.store.cancel(Access::everything(), id).await.unwrap().unwrap();
    assert!(matches!(cancelled, Cancellation::Accepted(_)));
    assert_eq!(scene.ended(id).await.state.status(), CommandStatus::Cancelled);
    runner.stop().await.unwrap();
}

#[tokio::test]
async fn a_missing_secret_fails_the_command_at_once() {
    let scene = Scene::new().await;
    let mut draft = draft(1, "Hello.");
    draft.secrets = ["NO_SUCH_SECRET".parse().unwrap()].into();
    let id = CommandRepository::create(&*scene.store, &request(draft)).await.unwrap().unwrap().id;
    let runner = scene.start();
    let command = scene.ended(id).await;
    assert_eq!(command.state.outcome(), Some(Outcome::Failed(FailureReason::StartFailed)));
    let detail = command.result.unwrap().detail.unwrap();
    assert!(detail.contains("--secret-env NO_SUCH_SECRET"), "{detail}");
    assert_eq!(scene.events(id).await, []);
    runner.stop().await.unwrap();
}

#[tokio::test]
async fn an_agent_that_cannot_be_attached_to_is_lost() {
    let scene = Scene::new().await;
    let runner = scene.start();
    let id = scene.add(1, "Hello.\n/wait 1h").await;
    scene.until(id, |command| command.last_seq > 1).await;
    runner.stop().await.unwrap();
    let command = scene.get(id).await;
    assert_eq!(command.state.status(), CommandStatus::Running);
    scene.clock.advance(Duration::from_secs(60));
    let runner = scene.start();
    let command = scene.ended(id).await;
    assert_eq!(command.state.status(), CommandStatus::Lost);
    runner.stop().await.unwrap();
}
