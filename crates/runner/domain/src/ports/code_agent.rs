//! The agents.

use async_trait::async_trait;

use crate::{AgentEventKind, AgentProvider, AgentResult, AgentRun, Capabilities, CommandId};

/// A coding agent. A run is known by the id of its command.
///
/// Each requirement names the test of the contract suite (`rdev_runner_testkit::contract`) that every agent
/// passes.
#[async_trait]
pub trait CodeAgent: Send + Sync + 'static {
    /// Returns the name under which the agent is registered.
    fn provider(&self) -> &AgentProvider;

    /// Returns what the agent can do on this host.
    fn capabilities(&self) -> Capabilities;

    /// Returns whether the agent works in the files of the workspace.
    fn uses_workspace(&self) -> bool {
        true
    }

    /// Finds out whether the agent can run now, and in which version.
    async fn probe(&self) -> Result<AgentVersion, Unavailable>;

    /// Runs the agent to its end. A failure of the agent, and of its start, is a result.
    ///
    /// 1. MUST pass everything that the agent reports to `sink`, in order, before it returns
    ///    (`execute_reports_every_event_before_the_result`).
    /// 2. MUST wait for `sink`, so that a slow sink slows the agent and fills no memory
    ///    (`execute_waits_for_its_sink`).
    /// 3. MUST keep runs apart that execute at the same time (`runs_at_the_same_time_are_kept_apart`).
    /// 4. MUST leave nothing running once it has returned.
    async fn execute(&self, run: &AgentRun, sink: &dyn EventSink) -> AgentResult;

    /// Continues a run to its end that an earlier runner of this host began, from the last checkpoint that its
    /// sink got; from the beginning without one. `None` if it cannot be continued: no runner will know what
    /// became of it.
    ///
    /// 1. MUST pass the events after the checkpoint to `sink`, and none before it.
    /// 2. MUST NOT start the agent a second time (`what_never_began_is_not_continued`).
    /// 3. MUST obey [`Self::cancel`], and otherwise the requirements of [`Self::execute`].
    async fn attach(
        &self,
        run: &AgentRun,
        checkpoint: Option<&str>,
        sink: &dyn EventSink,
    ) -> Option<AgentResult>;

    /// Makes sure that a run does not begin that an earlier runner recorded and that did not begin yet. Returns whether
    /// that is certain: the command goes back to the queue then, and [`Self::execute`] may begin it again. The runner
    /// asks before [`Self::attach`], and again if that has no result.
    ///
    /// 1. MUST NOT withdraw a run that may have had an effect (`what_has_begun_is_not_withdrawn`).
    async fn withdraw(&self, _run: &AgentRun) -> bool {
        false
    }

    /// Returns why this runner may not use the place of a run, such as a pod in whose namespace its account has no rights.
    /// `None` if it may, or if it is unknown. The runner gives such a run back, for a runner that may.
    async fn refusal(&self, _command: CommandId) -> Option<String> {
        None
    }

    /// Takes over what earlier runners of this host have left behind, once a runner starts. Returns the commands
    /// whose runs [`Self::attach`] may know: the runner attaches to those that go on, and forgets the others.
    async fn recover(&self) -> Vec<CommandId> {
        Vec::new()
    }

    /// Removes what the agent keeps for [`Self::attach`]. The result of the run is stored, or the run is lost: if
    /// it goes on, it is stopped.
    async fn forget(&self, command: CommandId);

    /// Stops a run. Returns once the request is made; [`Self::execute`] returns the result.
    ///
    /// 1. MUST end the run soon, as cancelled, at any moment after the first poll of `execute`
    ///    (`cancel_ends_a_run`).
    /// 2. MUST change nothing that has completed, and no other run (`cancel_changes_nothing_else`).
    /// 3. MUST accept a repetition (`cancel_ends_a_run`).
    async fn cancel(&self, command: CommandId);
}

/// The receiver of a run's events.
#[async_trait]
pub trait EventSink: Send + Sync {
    /// Takes an event. Returns when there is room for the next one.
    async fn emit(&self, event: AgentEventKind);

    /// Takes the state from which [`CodeAgent::attach`] continues after all events that were emitted so far. It
    /// is stored with them, so it has no secrets.
    async fn checkpoint(&self, checkpoint: String);
}

/// The version of an installed agent, as it names itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AgentVersion(pub String);

/// The reason why an agent cannot run: a sentence that says what to install or to change.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Unavailable(pub String);
