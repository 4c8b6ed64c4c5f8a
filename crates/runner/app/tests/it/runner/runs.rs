//! Runs, with the in-memory store.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_app::{AgentRegistry, DemoAgent, RunnerHost};
use rdev_runner_domain::ports::{
    AgentVersion, Cancellation, CodeAgent, Entropy, EventSink, ProjectChange, Unavailable,
};
use rdev_runner_domain::{
    Access, AgentEventKind, AgentProvider, AgentResult, AgentRun, Capabilities, ClaimRequest, CommandId,
    CommandStatus, FailureReason, LeaseRef, LeaseState, LeaseToken, Outcome, RunBeginning, WaitReason,
};

use super::agent::{ScriptedAgent, World, result};
use super::scene::{PROJECT, Scene, command, id, registry, shared_host};

fn demo() -> Arc<AgentRegistry> {
    registry(DemoAgent::new("claude".parse().unwrap()))
}

#[tokio::test]
async fn a_command_is_run_and_its_events_and_result_are_stored() {
    let (scene, store, _) = Scene::in_memory(demo()).await;
    let runner = scene.start();
    let id = scene.add(command(1, "Hello there.\n/tool Bash")).await;
    let ended = scene.ended(id).await;
    assert_eq!(ended.state.status(), CommandStatus::Completed);
    assert_eq!(ended.result.unwrap().text, "Hello there.");
    let events = scene.events(id).await;
    let events: Vec<_> = events.into_iter().map(|event| event.kind).collect();
    let has = |expected: &dyn Fn(&AgentEventKind) -> bool| events.iter().any(expected);
    assert!(has(&|event| matches!(event, AgentEventKind::Message { text, .. } if text == "Hello there.")));
    assert!(has(&|event| matches!(event, AgentEventKind::ToolResult { .. })), "{events:?}");
    runner.stop().await.unwrap();
    let mut published: Vec<_> = store.published().into_iter().map(|event| event.event_type).collect();
    published.sort_unstable();
    assert_eq!(published, ["command.completed", "command.started"]);
}

#[tokio::test]
async fn a_running_command_is_cancelled() {
    let (scene, _, _) = Scene::in_memory(demo()).await;
    let runner = scene.start();
    let id = scene.add(command(1, "Hello.\n/wait 1h")).await;
    scene.until(id, |command| command.last_seq > 1).await;
    let cancelled = scene.ports.commands.cancel(Access::everything(), id).await.unwrap().unwrap();
    assert!(matches!(cancelled, Cancellation::Accepted(_)));
    assert_eq!(scene.ended(id).await.state.status(), CommandStatus::Cancelled);
    runner.stop().await.unwrap();
}

/// The deletion has begun while no runner was there, as if the server had been killed after it.
#[tokio::test]
async fn a_project_is_deleted_with_its_commands_by_the_next_runner() {
    let (scene, store, clock) = Scene::in_memory(demo()).await;
    let runner = scene.start();
    let running = scene.add(command(1, "Hello.\n/wait 1h")).await;
    scene.until(running, |command| command.last_seq > 1).await;
    runner.stop().await.unwrap();
    let queued = scene.add(command(2, "Hello.")).await;
    let project = PROJECT.parse().unwrap();
    let begun = scene.ports.projects.begin_deletion(Access::everything(), &project, None).await.unwrap();
    assert_eq!(begun, ProjectChange::Applied);
    clock.advance(Duration::from_secs(60));
    let runner = scene.start();
    assert!(scene.ended(running).await.state.outcome().is_some());
    assert_eq!(scene.ended(queued).await.state.status(), CommandStatus::Cancelled);
    scene.until_no_project(&project).await;
    runner.stop().await.unwrap();
    assert!(!store.published().iter().any(|event| event.key == format!("{queued}:starting")));
}

#[tokio::test]
async fn a_missing_secret_fails_the_command_at_once() {
    let (scene, _, _) = Scene::in_memory(demo()).await;
    let mut draft = command(1, "Hello.");
    draft.secrets = ["NO_SUCH_SECRET".parse().unwrap()].into();
    let id = scene.add(draft).await;
    let runner = scene.start();
    let ended = scene.ended(id).await;
    assert_eq!(ended.state.outcome(), Some(Outcome::Failed(FailureReason::StartFailed)));
    let detail = ended.result.unwrap().detail.unwrap();
    assert!(detail.contains("--secret-env NO_SUCH_SECRET"), "{detail}");
    assert_eq!(scene.events(id).await, []);
    runner.stop().await.unwrap();
}

#[tokio::test]
async fn an_agent_that_cannot_be_attached_to_is_lost() {
    let (scene, _, clock) = Scene::in_memory(demo()).await;
    let runner = scene.start();
    let id = scene.add(command(1, "Hello.\n/wait 1h")).await;
    scene.until(id, |command| command.last_seq > 1).await;
    runner.stop().await.unwrap();
    let stored = scene.get(id).await;
    assert_eq!(stored.state.status(), CommandStatus::Running);
    clock.advance(Duration::from_secs(60));
    let runner = scene.start();
    let ended = scene.ended(id).await;
    assert_eq!(ended.state.status(), CommandStatus::Lost);
    runner.stop().await.unwrap();
}

/// An agent that is not installed.
struct Missing(AgentProvider);

#[async_trait]
impl CodeAgent for Missing {
    fn provider(&self) -> &AgentProvider {
        &self.0
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        Err(Unavailable("install it".to_owned()))
    }

    async fn execute(&self, _: &AgentRun, _: &dyn EventSink) -> AgentResult {
        panic!("an agent that cannot run was started")
    }

    async fn attach(&self, _: &AgentRun, _: Option<&str>, _: &dyn EventSink) -> Option<AgentResult> {
        None
    }

    async fn forget(&self, _: CommandId) {}

    async fn cancel(&self, _: CommandId) {}
}

fn numbered(_: CommandId, number: usize) -> Option<AgentEventKind> {
    (number < 500).then(|| AgentEventKind::Message { text: number.to_string(), parent: None })
}

#[tokio::test]
async fn a_runner_whose_command_was_lost_stops_the_agent_and_writes_nothing() {
    let world = World::default();
    let endless = |_, number: usize| Some(AgentEventKind::Message { text: number.to_string(), parent: None });
    let agent = ScriptedAgent::new(endless, result(Outcome::Completed, ""), &world);
    let (scene, store, clock) = Scene::in_memory(registry(agent)).await;
    let runner = scene.start();
    let id = scene.add(command(1, "Hello.")).await;
    scene.until(id, |command| command.last_seq > 1).await;
    clock.advance(Duration::from_secs(60 * 60));
    let abandoned = scene.ports.queue.lose(Duration::from_secs(600), None, 10).await.unwrap();
    assert_eq!(abandoned.lost, [id]);
    let ended = scene.get(id).await;
    let forgotten = async {
        while !world.lock().unwrap()[&id].is_forgotten {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), forgotten).await.unwrap();
    runner.stop().await.unwrap();
    assert_eq!(scene.get(id).await, ended);
    let ends = store.published().into_iter().filter(|event| event.event_type != "command.started");
    assert_eq!(ends.map(|event| event.event_type).collect::<Vec<_>>(), ["command.failed"]);
}

#[tokio::test]
async fn a_runner_whose_run_was_taken_over_leaves_the_agent_to_the_other() {
    let world = World::default();
    let agents = registry(ScriptedAgent::new(numbered, result(Outcome::Completed, "Done."), &world));
    let (scene, _, clock) = Scene::in_memory(agents).await;
    let first = scene.start();
    let id = scene.add(command(1, "Hello.")).await;
    scene.until(id, |command| command.last_seq > 1).await;
    clock.advance(Duration::from_secs(60));
    let second = scene.start();
    assert_eq!(scene.ended(id).await.state.status(), CommandStatus::Completed);
    let texts: Vec<_> = scene.events(id).await.into_iter().map(|event| event.kind).collect();
    assert_eq!(texts, (0..500).filter_map(|number| numbered(id, number)).collect::<Vec<_>>());
    assert_eq!(world.lock().unwrap()[&id].starts, 1);
    first.stop().await.unwrap();
    second.stop().await.unwrap();
}

/// Claims the `n`-th command as a runner that dies.
async fn claim(scene: &Scene, n: u16) -> LeaseRef {
    let id = scene.add(command(n, "Hello.")).await;
    let claim = ClaimRequest {
        host: shared_host().host.host().clone(),
        token: LeaseToken::new(i64::from(n)),
        lease_for: Duration::from_secs(30),
        limits: shared_host().limits([AgentProvider::claude()]),
    };
    let lease = scene.ports.queue.claim(&claim).await.unwrap().unwrap().lease;
    assert_eq!(lease.command, id);
    lease
}

async fn begin(scene: &Scene, lease: &LeaseRef) {
    let beginning = RunBeginning { cluster: None, checkpoint: "0".to_owned() };
    let held = scene.ports.queue.begin(lease, &beginning).await.unwrap();
    assert!(matches!(held, LeaseState::Held { .. }), "{held:?}");
}

/// Its runner dies after the claim, or after it recorded that the agent is about to begin.
#[tokio::test]
async fn a_command_whose_agent_did_not_begin_runs_with_the_next_runner() {
    let world = World::default();
    let agents = registry(ScriptedAgent::new(numbered, result(Outcome::Completed, "Done."), &world));
    let (scene, store, clock) = Scene::in_memory(agents).await;
    let mut leases = Vec::new();
    for n in 1..=4 {
        leases.push(claim(&scene, n).await);
    }
    let [claimed, begun, cancelled, cancelled_later] = leases.try_into().unwrap();
    begin(&scene, &begun).await;
    begin(&scene, &cancelled_later).await;
    for lease in [&cancelled, &cancelled_later] {
        scene.ports.commands.cancel(Access::everything(), lease.command).await.unwrap().unwrap();
    }
    clock.advance(Duration::from_secs(60));
    let runner = scene.start();
    for lease in [&claimed, &begun] {
        assert_eq!(scene.ended(lease.command).await.state.status(), CommandStatus::Completed);
        assert_eq!(world.lock().unwrap()[&lease.command].starts, 1);
    }
    for lease in [&cancelled, &cancelled_later] {
        assert_eq!(scene.ended(lease.command).await.state.status(), CommandStatus::Cancelled);
        assert_eq!(world.lock().unwrap().get(&lease.command).map_or(0, |fate| fate.starts), 0);
    }
    runner.stop().await.unwrap();
    assert_eq!(store.published().len(), 8, "each has started and ended once");
}

/// A command is lost while the host of its runner is away, and another one is lost and deleted.
#[tokio::test]
async fn what_ended_commands_have_left_behind_is_removed_when_a_runner_starts() {
    let world = World::default();
    let agents = registry(ScriptedAgent::new(numbered, result(Outcome::Completed, "Done."), &world));
    let (scene, _, clock) = Scene::in_memory(agents).await;
    let begin = async |n| {
        let lease = claim(&scene, n).await;
        begin(&scene, &lease).await;
        world.lock().unwrap().entry(lease.command).or_default().starts = 1;
        lease.command
    };
    let (lost, deleted) = (begin(1).await, begin(2).await);
    clock.advance(Duration::from_secs(60 * 60));
    assert_eq!(scene.ports.queue.lose(Duration::from_secs(600), None, 9).await.unwrap().lost.len(), 2);
    scene.ports.commands.delete(Access::everything(), deleted).await.unwrap().unwrap();
    let running = begin(3).await;
    clock.advance(Duration::from_secs(60));
    let runner = scene.start();
    assert_eq!(scene.ended(running).await.state.status(), CommandStatus::Completed);
    let forgotten = async {
        while [lost, deleted, running].iter().any(|id| !world.lock().unwrap()[id].is_forgotten) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), forgotten).await.unwrap();
    assert!(world.lock().unwrap().values().all(|fate| fate.starts == 1));
    runner.stop().await.unwrap();
}

#[tokio::test]
async fn a_second_runner_in_one_folder_is_refused_and_a_later_one_keeps_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let entropy = rdev_app::Ambient::system().entropy;
    let entropy: &dyn Entropy = &*entropy;
    let first = RunnerHost::exclusive(folder.path(), entropy).await.unwrap();
    let name = first.host().clone();
    let refused = RunnerHost::exclusive(folder.path(), entropy).await.unwrap_err();
    assert!(refused.to_string().contains("another runner uses"), "{refused}");
    drop(first);
    let later = RunnerHost::exclusive(folder.path(), entropy).await.unwrap();
    assert_eq!((later.host(), later.is_exclusive()), (&name, true));
}

#[tokio::test]
async fn commands_of_a_provider_that_cannot_run_wait() {
    let agents = AgentRegistry::new();
    agents.register(Arc::new(Missing(AgentProvider::claude()))).unwrap();
    agents.register(Arc::new(DemoAgent::new("demo".parse().unwrap()))).unwrap();
    let (scene, _, _) = Scene::in_memory(Arc::new(agents)).await;
    let runner = scene.start();
    let waiting = scene.add(command(1, "Hello.")).await;
    let mut draft = command(2, "Hello.");
    draft.provider = "demo".parse().unwrap();
    let other = scene.add(draft).await;
    assert_eq!(scene.ended(other).await.state.status(), CommandStatus::Completed);
    assert_eq!(scene.get(waiting).await.state.status(), CommandStatus::Queued);
    let limits = shared_host().limits(["demo".parse().unwrap()]);
    let reason = scene.ports.queue.waiting(&limits, &[id(1)]).await.unwrap().remove(0).unwrap().reason;
    assert_eq!(reason, WaitReason::Runner);
    runner.stop().await.unwrap();
}
