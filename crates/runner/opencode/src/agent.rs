//! The agent.

use std::sync::Arc;

use async_trait::async_trait;
use rdev_core::Entropy;
use rdev_runner_domain::ports::{
    AgentVersion, Clock, CodeAgent, EventSink, ExecBackend, ExecError, Unavailable,
};
use rdev_runner_domain::{
    AgentProvider, AgentResult, AgentRun, Capabilities, CommandId, RunningCommand, RunningCommands,
};
use tokio_util::sync::CancellationToken;

use crate::checkpoint::Checkpoint;
use crate::run::Run;
use crate::servers::Servers;
use crate::settings::OpenCodeSettings;

/// OpenCode, by servers that it starts on a backend.
pub struct OpenCodeAgent {
    provider: AgentProvider,
    backend: Arc<dyn ExecBackend>,
    clock: Arc<dyn Clock>,
    program: String,
    servers: Servers,
    running: RunningCommands<CancellationToken>,
}

impl OpenCodeAgent {
    /// Creates the agent. It starts no server before the first run.
    #[must_use]
    pub fn new(
        backend: Arc<dyn ExecBackend>,
        settings: OpenCodeSettings,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
    ) -> Self {
        Self {
            provider: AgentProvider::opencode(),
            backend: Arc::clone(&backend),
            clock: Arc::clone(&clock),
            program: settings.program.clone(),
            servers: Servers::new(backend, settings, clock, entropy),
            running: RunningCommands::default(),
        }
    }

    /// Stops the servers without runs. Those with runs live on, for the next runner. The agent must not be used
    /// afterwards.
    pub async fn close(&self) {
        self.servers.close().await;
    }

    /// Makes a run known to [`CodeAgent::cancel`], until the guard is dropped.
    fn register(&self, command: CommandId) -> (CancellationToken, RunningCommand<'_, CancellationToken>) {
        let cancelled = CancellationToken::new();
        let running = self.running.add(command, cancelled.clone());
        (cancelled, running)
    }
}

#[async_trait]
impl CodeAgent for OpenCodeAgent {
    fn provider(&self) -> &AgentProvider {
        &self.provider
    }

    /// OpenCode reports costs and keeps no budget. The adapter counts the steps of a turn itself.
    fn capabilities(&self) -> Capabilities {
        Capabilities { max_budget: false, ..Capabilities::ALL }
    }

    /// Asks the program for its version. A server proves its dialect when it is started.
    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        let version = self.backend.version(&self.program).await;
        version.map(AgentVersion).map_err(|error| match error {
            ExecError::ProgramNotFound { .. } => Unavailable(format!(
                "OpenCode is not installed: {error}. Install it with `npm install --global opencode-ai`, or name its \
                 path with --opencode-path."
            )),
            error => Unavailable(format!("OpenCode cannot be used: {error}.")),
        })
    }

    async fn execute(&self, run: &AgentRun, sink: &dyn EventSink) -> AgentResult {
        let (cancelled, _running) = self.register(run.command_id());
        Run::new(run, sink, cancelled, self.clock.now()).execute(&self.servers).await
    }

    async fn attach(
        &self,
        run: &AgentRun,
        checkpoint: Option<&str>,
        sink: &dyn EventSink,
    ) -> Option<AgentResult> {
        let (cancelled, _running) = self.register(run.command_id());
        let record = self.servers.find_run(run, &cancelled).await?;
        let checkpoint = match checkpoint {
            Some(checkpoint) => Some(Checkpoint::parse(checkpoint)?),
            None => None,
        };
        Run::new(run, sink, cancelled, self.clock.now()).attach(&self.servers, record, checkpoint).await
    }

    async fn withdraw(&self, run: &AgentRun) -> bool {
        self.servers.withdraw(run).await
    }

    async fn refusal(&self, command: CommandId) -> Option<String> {
        self.servers.refusal(command).await
    }

    async fn recover(&self) -> Vec<CommandId> {
        self.servers.recover().await;
        self.servers.stop_abandoned_servers().await;
        self.servers.runs().await
    }

    async fn forget(&self, command: CommandId) {
        self.servers.forget(command).await;
        self.servers.remove_run(command).await;
    }

    async fn cancel(&self, command: CommandId) {
        if let Some(run) = self.running.get(command) {
            run.cancel();
        }
    }
}
