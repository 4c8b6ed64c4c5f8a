//! The agent.

use std::sync::Arc;

use async_trait::async_trait;
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, EventSink, ExecBackend, ExecError, Unavailable};
use rdev_runner_domain::{
    AgentProvider, AgentResult, AgentRun, Capabilities, CommandId, ExecSpec, Outcome, RunName,
    RunningCommand, RunningCommands, Timeout,
};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::invocation::INSTALL;
use crate::run::{Finding, Run, STOP_PATIENCE};
use crate::{ClaudeStream, End, input, invocation};

/// The settings of [`ClaudeCodeAgent`].
#[derive(Debug, Clone)]
pub struct ClaudeCodeSettings {
    /// The program: a path, or a name on the backend's `PATH`.
    pub program: String,
    /// Whether the agent runs as root.
    pub runs_as_root: bool,
    /// Whether the agent runs in a sandbox, where root may have full permissions.
    pub is_sandboxed: bool,
}

impl Default for ClaudeCodeSettings {
    fn default() -> Self {
        Self { program: "claude".to_owned(), runs_as_root: true, is_sandboxed: false }
    }
}

/// Claude Code over a backend that runs programs.
///
/// The checkpoint of a run is the number of events that were emitted: a runner that attaches reads the output
/// from the beginning, which the backend keeps, and skips as many.
pub struct ClaudeCodeAgent {
    provider: AgentProvider,
    backend: Arc<dyn ExecBackend>,
    settings: ClaudeCodeSettings,
    running: RunningCommands<CancellationToken>,
}

impl ClaudeCodeAgent {
    /// Creates the agent.
    #[must_use]
    pub fn new(backend: Arc<dyn ExecBackend>, settings: ClaudeCodeSettings) -> Self {
        Self { provider: AgentProvider::claude(), backend, settings, running: RunningCommands::default() }
    }

    /// Makes a run known to [`CodeAgent::cancel`], until the guard is dropped.
    fn begin(&self, command: CommandId) -> (CancellationToken, RunningCommand<'_, CancellationToken>) {
        let cancelled = CancellationToken::new();
        let running = self.running.add(command, cancelled.clone());
        (cancelled, running)
    }

    fn spec(&self, run: &AgentRun) -> ExecSpec {
        let draft = run.request.draft();
        let mut env = run.environment();
        let own = invocation::ENVIRONMENT.map(|(name, value)| (name.to_owned(), value.into()));
        env.extend(own);
        if self.settings.runs_as_root && self.settings.is_sandboxed {
            env.insert("IS_SANDBOX".to_owned(), "1".into());
        }
        ExecSpec {
            command: draft.command_id,
            project: draft.project.clone(),
            workspace: run.workspace.clone(),
            program: self.settings.program.clone(),
            args: invocation::arguments(&run.request),
            env,
            files: run.secrets.files.clone(),
            sign_in: invocation::SIGN_IN,
            input: input::prompt(&draft.prompt),
            wall: Some(run.request.limits().timeout(Timeout::Wall)),
        }
    }

    async fn follow(
        &self,
        run: &AgentRun,
        cancelled: CancellationToken,
        skipped: u64,
        sink: &dyn EventSink,
    ) -> Finding {
        let name = RunName::from(run.command_id());
        let stream = ClaudeStream::new(&run.request.draft().session, None);
        Run::new(&*self.backend, &name, run.request.limits(), cancelled).follow(stream, skipped, sink).await
    }
}

#[async_trait]
impl CodeAgent for ClaudeCodeAgent {
    fn provider(&self) -> &AgentProvider {
        &self.provider
    }

    fn capabilities(&self) -> Capabilities {
        invocation::capabilities(self.settings.runs_as_root && !self.settings.is_sandboxed)
    }

    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        match self.backend.version(&self.settings.program).await {
            Ok(version) => Ok(AgentVersion(version)),
            Err(error @ ExecError::ProgramNotFound { .. }) => {
                Err(Unavailable(format!("Claude Code is not installed: {error}. {INSTALL}")))
            }
            Err(error) => Err(Unavailable(format!("Claude Code does not work: {error}. {INSTALL}"))),
        }
    }

    async fn execute(&self, run: &AgentRun, sink: &dyn EventSink) -> AgentResult {
        let (cancelled, _running) = self.begin(run.command_id());
        let name = RunName::from(run.command_id());
        let spec = self.spec(run);
        let started = cancelled.run_until_cancelled(self.backend.start(&name, &spec)).await;
        match started {
            // A run that was given up before it had begun may have begun after all: it is the same.
            Some(Ok(()) | Err(ExecError::NameTaken(_))) => {}
            None if self.withdraw(run).await => {
                let stream = ClaudeStream::new(&run.request.draft().session, None);
                return stream.result(&End { stopped: Some(Outcome::Cancelled), ..End::default() });
            }
            // It may have begun, and is stopped.
            None => {}
            Some(Err(error)) => {
                let stream = ClaudeStream::new(&run.request.draft().session, None);
                let stderr = format!("Claude Code could not be started: {error}.");
                return stream.result(&End { stderr, ..End::default() });
            }
        }
        match self.follow(run, cancelled, 0, sink).await {
            Finding::Known(result) | Finding::Lost(result) => result,
        }
    }

    async fn attach(
        &self,
        run: &AgentRun,
        checkpoint: Option<&str>,
        sink: &dyn EventSink,
    ) -> Option<AgentResult> {
        let (cancelled, _running) = self.begin(run.command_id());
        let name = RunName::from(run.command_id());
        if let Err(error) = self.backend.status(&name).await {
            tracing::warn!(run = %name, %error, "a run cannot be continued");
            return None;
        }
        // A checkpoint of another form is of another version, whose events cannot be counted.
        let skipped = checkpoint.map_or(Ok(0), str::parse).ok()?;
        match self.follow(run, cancelled, skipped, sink).await {
            Finding::Known(result) => Some(result),
            Finding::Lost(_) => None,
        }
    }

    async fn withdraw(&self, run: &AgentRun) -> bool {
        let name = RunName::from(run.command_id());
        self.backend.withdraw(&name).await.unwrap_or_else(|error| {
            tracing::debug!(run = %name, %error, "it is unknown whether a run has begun");
            false
        })
    }

    async fn refusal(&self, command: CommandId) -> Option<String> {
        self.backend.refusal(&RunName::from(command)).await
    }

    async fn recover(&self) -> Vec<CommandId> {
        match self.backend.runs().await {
            Ok(runs) => runs.iter().filter_map(|run| run.as_str().parse().ok()).collect(),
            Err(error) => {
                tracing::warn!(%error, "the runs of earlier runners cannot be listed");
                Vec::new()
            }
        }
    }

    async fn forget(&self, command: CommandId) {
        let name = RunName::from(command);
        let mut removed = self.backend.remove(&name).await;
        if matches!(removed, Err(ExecError::StillRunning(_))) {
            let _ = self.backend.terminate(&name).await;
            let _ = timeout(STOP_PATIENCE, self.backend.wait(&name)).await;
            removed = self.backend.remove(&name).await;
        }
        match removed {
            Ok(()) | Err(ExecError::UnknownRun(_)) => {}
            Err(error @ ExecError::Forbidden { .. }) => {
                tracing::debug!(run = %name, %error, "the folder of a run is left to another runner");
            }
            Err(error) => tracing::warn!(run = %name, %error, "the folder of a run cannot be removed"),
        }
    }

    async fn cancel(&self, command: CommandId) {
        if let Some(run) = self.running.get(command) {
            run.cancel();
        }
    }
}
