//! Runs in pods whose runner has died.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use rdev_app::{Ambient, Outages};
use rdev_runner_app::{Runner, RunnerHost, RunnerOptions};
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, EventSink, Unavailable};
use rdev_runner_domain::{
    Access, AgentEventKind, AgentProvider, AgentResult, AgentRun, Capabilities, CommandId, CommandStatus,
    FailureReason, Outcome, PodWorkspace, Project, Timeout, Workspace,
};
use rdev_runner_testkit::{ManualClock, project};
use tokio_util::sync::CancellationToken;

use super::agent::{ScriptedAgent, World, result};
use super::scene::{PROJECT, RunnerTask, Scene, command, registry};

const EVENTS: usize = 2_000;
const REASON: &str = "the cluster forbids it";

fn script(_: CommandId, number: usize) -> Option<AgentEventKind> {
    let text = number.to_string();
    (number < EVENTS).then_some(AgentEventKind::Message { text, parent: None })
}

fn scripted(world: &World) -> ScriptedAgent {
    ScriptedAgent::new(script, result(Outcome::Completed, "Done."), world)
}

/// An agent that may not use the places of runs.
struct Refused {
    provider: AgentProvider,
    asked: Arc<AtomicUsize>,
    /// How often it may use them first.
    rights: usize,
}

#[async_trait]
impl CodeAgent for Refused {
    fn provider(&self) -> &AgentProvider {
        &self.provider
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        Ok(AgentVersion("1".to_owned()))
    }

    async fn execute(&self, _: &AgentRun, _: &dyn EventSink) -> AgentResult {
        result(Outcome::Lost, "")
    }

    async fn attach(&self, _: &AgentRun, _: Option<&str>, _: &dyn EventSink) -> Option<AgentResult> {
        let failed = Outcome::Failed(FailureReason::NoResult);
        (self.rights > 0).then(|| result(failed, "the output cannot be read"))
    }

    async fn refusal(&self, _: CommandId) -> Option<String> {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        (asked >= self.rights).then(|| REASON.to_owned())
    }

    async fn forget(&self, _: CommandId) {}

    async fn cancel(&self, _: CommandId) {}
}

/// A command in a pod, whose runner has died.
struct Orphan {
    scene: Scene,
    world: World,
    clock: Arc<ManualClock>,
    id: CommandId,
}

/// Such a command, and a runner that may not use the pod.
struct Refusal {
    orphan: Orphan,
    asked: Arc<AtomicUsize>,
    refused: RunnerTask,
}

fn options(host: &str, lost_after: Duration) -> RunnerOptions {
    RunnerOptions::new(RunnerHost::shared(host.parse().unwrap()))
        .with_cluster(Some("cluster".parse().unwrap()))
        .with_lost_after(lost_after)
}

fn runner(scene: &Scene, agent: impl CodeAgent, clock: &Arc<ManualClock>, options: RunnerOptions) -> Runner {
    let ambient = Ambient { clock: Arc::<ManualClock>::clone(clock), ..Ambient::system() };
    Runner::new(scene.ports.clone(), registry(agent), ambient, options, Outages::default())
}

impl Orphan {
    async fn new(lost_after: Duration) -> Self {
        let world = World::default();
        let (scene, _, clock) = Scene::in_memory(registry(scripted(&world))).await;
        let mut settings = project("pods").settings().clone();
        settings.workspace = Workspace::Kubernetes(PodWorkspace {
            namespace: "agents".parse().unwrap(),
            selector: "app=agent".parse().unwrap(),
            container: "agent".parse().unwrap(),
            path: "/workspace".parse().unwrap(),
        });
        let in_pod = Project::new("pods".parse().unwrap(), settings, project(PROJECT).created_at).unwrap();
        assert!(scene.ports.projects.create(&in_pod).await.unwrap());
        let first = runner(&scene, scripted(&world), &clock, options("host-1", lost_after));
        let first = tokio::spawn(first.run(CancellationToken::new()));
        let mut draft = command(1, "Hello.");
        draft.project = in_pod.name;
        let id = scene.add(draft).await;
        scene.until(id, |command| command.last_seq > 10).await;
        first.abort();
        assert!(first.await.unwrap_err().is_cancelled());
        clock.advance(Duration::from_secs(31));
        Self { scene, world, clock, id }
    }

    fn start(&self, agent: impl CodeAgent, options: RunnerOptions) -> RunnerTask {
        RunnerTask::start(runner(&self.scene, agent, &self.clock, options))
    }
}

impl Refusal {
    async fn new(lost_after: Duration) -> Self {
        let orphan = Orphan::new(lost_after).await;
        let asked = Arc::new(AtomicUsize::new(0));
        let agent = Refused { provider: AgentProvider::claude(), asked: Arc::clone(&asked), rights: 0 };
        let refused = orphan.start(agent, options("host-2", lost_after));
        Self { orphan, asked, refused }
    }

    /// Waits until the runner was refused again, and has given the run back before that.
    async fn refused_again(&self) {
        until_asked(&self.asked, self.asked.load(Ordering::SeqCst) + 2).await;
    }
}

/// Waits until a runner was asked this often about its rights.
async fn until_asked(asked: &AtomicUsize, times: usize) {
    let mut ticks = tokio::time::interval(Duration::from_millis(100));
    let again = async {
        while asked.load(Ordering::SeqCst) < times {
            ticks.tick().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(1_200), again).await.expect("the runner looks again");
}

#[tokio::test(start_paused = true)]
async fn a_run_whose_place_refuses_a_runner_is_continued_by_another() {
    let lost_after = Duration::from_secs(600);
    let refusal = Refusal::new(lost_after).await;
    let orphan = &refusal.orphan;
    // Longer together than the time after which a command without a runner is lost.
    for _ in 0..4 {
        refusal.refused_again().await;
        orphan.clock.advance(lost_after / 2);
    }
    assert_eq!(orphan.scene.get(orphan.id).await.state.status(), CommandStatus::Running);
    let third = orphan.start(scripted(&orphan.world), options("host-3", lost_after));
    let ended = orphan.scene.ended(orphan.id).await;
    assert_eq!(ended.state.outcome(), Some(Outcome::Completed));
    assert_eq!(orphan.world.lock().unwrap()[&orphan.id].starts, 1);
    let kinds = orphan.scene.events(orphan.id).await.into_iter().map(|event| event.kind);
    assert!(kinds.eq((0..EVENTS).filter_map(|number| script(orphan.id, number))));
    third.stop().await.unwrap();
    refusal.refused.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_run_that_no_runner_may_continue_is_lost_after_its_time() {
    let refusal = Refusal::new(Duration::from_secs(7 * 24 * 60 * 60)).await;
    let orphan = &refusal.orphan;
    refusal.refused_again().await;
    orphan.clock.advance(Timeout::Wall.default_value() + Duration::from_secs(120));
    let ended = orphan.scene.ended(orphan.id).await;
    assert_eq!(ended.state.outcome(), Some(Outcome::Lost));
    let detail = ended.result.unwrap().detail.unwrap();
    assert!(detail.starts_with("forbidden: ") && detail.ends_with(REASON), "{detail}");
    refusal.refused.stop().await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_command_that_no_runner_may_stop_is_lost_soon() {
    let lost_after = Duration::from_secs(600);
    let refusal = Refusal::new(lost_after).await;
    let (scene, id) = (&refusal.orphan.scene, refusal.orphan.id);
    refusal.refused_again().await;
    scene.ports.commands.cancel(Access::everything(), id).await.unwrap();
    let mut looks = tokio::time::interval(Duration::from_secs(60));
    let mut passed = Duration::ZERO;
    while scene.get(id).await.state.outcome().is_none() {
        looks.tick().await;
        refusal.orphan.clock.advance(Duration::from_secs(60));
        passed += Duration::from_secs(60);
        assert!(passed < 4 * lost_after, "the command goes on");
    }
    assert_eq!(scene.get(id).await.state.outcome(), Some(Outcome::Lost));
    refusal.refused.stop().await.unwrap();
}

/// It has lost its rights while it followed the run.
#[tokio::test(start_paused = true)]
async fn a_result_of_a_place_that_refuses_the_runner_is_none() {
    let lost_after = Duration::from_secs(600);
    let orphan = Orphan::new(lost_after).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let claude = AgentProvider::claude();
    let agent = Refused { provider: claude, asked: Arc::clone(&asked), rights: 1 };
    let follower = orphan.start(agent, options("host-2", lost_after));
    until_asked(&asked, 3).await;
    assert_eq!(orphan.scene.get(orphan.id).await.state.status(), CommandStatus::Running);
    let third = orphan.start(scripted(&orphan.world), options("host-3", lost_after));
    assert_eq!(orphan.scene.ended(orphan.id).await.state.outcome(), Some(Outcome::Completed));
    third.stop().await.unwrap();
    follower.stop().await.unwrap();
}

/// A runner records the name of its cluster, and knows what was recorded before the cluster had one.
#[tokio::test(start_paused = true)]
async fn a_run_goes_on_after_its_cluster_got_a_name() {
    let lost_after = Duration::from_secs(600);
    let orphan = Orphan::new(lost_after).await;
    let named = |host, name: &str| options(host, lost_after).with_cluster(Some(name.parse().unwrap()));
    let asked = Arc::new(AtomicUsize::new(0));
    let stranger = Refused { provider: AgentProvider::claude(), asked: Arc::clone(&asked), rights: 0 };
    let stranger = orphan.start(stranger, named("host-2", "another"));
    let own = named("host-3", "named").with_other_cluster_id(Some("cluster".parse().unwrap()));
    let own = orphan.start(scripted(&orphan.world), own);
    let ended = orphan.scene.ended(orphan.id).await;
    assert_eq!((ended.state.outcome(), asked.load(Ordering::SeqCst)), (Some(Outcome::Completed), 0));
    own.stop().await.unwrap();
    stranger.stop().await.unwrap();
}
