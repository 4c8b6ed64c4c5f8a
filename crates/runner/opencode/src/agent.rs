//! The agent.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use http::Method;
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, EventSink, Unavailable};
use rdev_runner_domain::{AgentProvider, AgentResult, AgentRun, Capabilities, CommandId};
use tokio_util::sync::CancellationToken;

use crate::client::{AVAILABILITY_TIMEOUT, Client, Server};
use crate::run::Run;

/// OpenCode over a running server, which works on one project.
#[derive(Debug)]
pub struct OpenCodeAgent {
    provider: AgentProvider,
    client: Client,
    running: Mutex<HashMap<CommandId, CancellationToken>>,
}

impl OpenCodeAgent {
    /// Creates the agent of a server.
    #[must_use]
    pub fn new(server: Server) -> Self {
        Self { provider: AgentProvider::opencode(), client: Client::new(server), running: Mutex::default() }
    }

    fn running(&self) -> MutexGuard<'_, HashMap<CommandId, CancellationToken>> {
        // A panic cannot leave the map half changed.
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
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

    /// Asks the server for its version. An answer without one comes from something else.
    async fn probe(&self) -> Result<AgentVersion, Unavailable> {
        let health = self.client.call(Method::GET, "/global/health", None, AVAILABILITY_TIMEOUT).await;
        let health = health.map_err(|error| Unavailable(format!("The OpenCode server: {error}")))?;
        let version = health.get("version").and_then(serde_json::Value::as_str);
        let version =
            version.ok_or_else(|| Unavailable("The server is not OpenCode's: it has no version.".into()))?;
        Ok(AgentVersion(version.to_owned()))
    }

    async fn execute(&self, run: &AgentRun, sink: &dyn EventSink) -> AgentResult {
        let command = run.command_id();
        let cancelled = CancellationToken::new();
        self.running().insert(command, cancelled.clone());
        // Forgets the run also if the caller drops the future.
        let _running = Running { agent: self, command };
        Run::new(&self.client, &run.request, sink, cancelled).play().await
    }

    async fn attach(&self, _: &AgentRun, _: Option<&str>, _: &dyn EventSink) -> Option<AgentResult> {
        None
    }

    async fn forget(&self, _: CommandId) {}

    async fn cancel(&self, command: CommandId) {
        if let Some(run) = self.running().get(&command) {
            run.cancel();
        }
    }
}

struct Running<'a> {
    agent: &'a OpenCodeAgent,
    command: CommandId,
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.agent.running().remove(&self.command);
    }
}
