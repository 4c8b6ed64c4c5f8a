//! An agent that does what the test says, and goes on without its runner.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, EventSink, Unavailable};
use rdev_runner_domain::{
    AgentEventKind, AgentProvider, AgentResult, AgentRun, Capabilities, CommandId, Outcome, Usage, Workspace,
};
use tokio_util::sync::CancellationToken;

/// Returns the result of a run.
pub(super) fn result(outcome: Outcome, text: &str) -> AgentResult {
    AgentResult {
        outcome,
        detail: None,
        exit_code: Some(0),
        duration: std::time::Duration::from_millis(5),
        session: None,
        text: text.to_owned(),
        usage: Usage::default(),
        cost: None,
        denials: Vec::new(),
        changes: None,
    }
}

/// What became of a run.
#[derive(Debug, Default)]
pub(super) struct Fate {
    /// How often the agent was started.
    pub(super) starts: u32,
    pub(super) is_forgotten: bool,
    /// Where it was started and continued, and whether that is a worktree.
    pub(super) places: Vec<(Workspace, bool)>,
    cancelled: CancellationToken,
}

/// The runs, which outlive a runner.
pub(super) type World = Arc<Mutex<BTreeMap<CommandId, Fate>>>;

/// Returns the `n`-th event of a run, `None` at its end.
pub(super) type Script = fn(CommandId, usize) -> Option<AgentEventKind>;

/// An agent that passes the events of its script. Its checkpoint is the number of the next one.
pub(super) struct ScriptedAgent {
    provider: AgentProvider,
    script: Script,
    result: AgentResult,
    /// The number of events between two checkpoints.
    stride: usize,
    world: World,
}

impl ScriptedAgent {
    pub(super) fn new(script: Script, result: AgentResult, world: &World) -> Self {
        Self { provider: AgentProvider::claude(), script, result, stride: 7, world: Arc::clone(world) }
    }

    fn world(&self) -> MutexGuard<'_, BTreeMap<CommandId, Fate>> {
        self.world.lock().unwrap()
    }

    fn note_place(&self, run: &AgentRun) {
        let place = (run.workspace.clone(), run.is_worktree);
        self.world().entry(run.command_id()).or_default().places.push(place);
    }

    async fn play(&self, command: CommandId, from: usize, sink: &dyn EventSink) -> AgentResult {
        let cancelled = self.world().entry(command).or_default().cancelled.clone();
        let playing = async {
            for number in from.. {
                let Some(event) = (self.script)(command, number) else { break };
                sink.emit(event).await;
                if (number + 1) % self.stride == 0 {
                    sink.checkpoint((number + 1).to_string()).await;
                }
                tokio::task::yield_now().await;
            }
        };
        match cancelled.run_until_cancelled(playing).await {
            Some(()) => self.result.clone(),
            None => result(Outcome::Cancelled, ""),
        }
    }
}

#[async_trait]
impl CodeAgent for ScriptedAgent {
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
        self.world().entry(run.command_id()).or_default().starts += 1;
        self.note_place(run);
        self.play(run.command_id(), 0, sink).await
    }

    async fn attach(
        &self,
        run: &AgentRun,
        checkpoint: Option<&str>,
        sink: &dyn EventSink,
    ) -> Option<AgentResult> {
        let has_begun = self.world().get(&run.command_id()).is_some_and(|fate| fate.starts > 0);
        let from = checkpoint.map_or(0, |checkpoint| checkpoint.parse().unwrap());
        self.note_place(run);
        if has_begun { Some(self.play(run.command_id(), from, sink).await) } else { None }
    }

    async fn withdraw(&self, run: &AgentRun) -> bool {
        self.world().get(&run.command_id()).is_none_or(|fate| fate.starts == 0)
    }

    async fn recover(&self) -> Vec<CommandId> {
        let world = self.world();
        world.iter().filter(|(_, fate)| !fate.is_forgotten).map(|(command, _)| *command).collect()
    }

    async fn forget(&self, command: CommandId) {
        self.world().entry(command).or_default().is_forgotten = true;
    }

    async fn cancel(&self, command: CommandId) {
        self.world().entry(command).or_default().cancelled.cancel();
    }
}
