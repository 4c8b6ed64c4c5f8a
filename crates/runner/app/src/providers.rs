//! Shows the registered agents, and whether they can run.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use rdev_runner_domain::ports::{AgentVersion, CodeAgent, Unavailable};
use rdev_runner_domain::{AgentProvider, Capabilities};
use tokio::time::Instant;

use crate::AgentRegistry;

/// How long the result of a probe is shown.
const PROBE_VALID_FOR: Duration = Duration::from_secs(30);
/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(5);

/// Shows the registered agents. Cheap to clone; clones share the probes.
#[derive(Clone)]
pub struct Providers {
    agents: Arc<AgentRegistry>,
    probes: Arc<Mutex<HashMap<AgentProvider, Arc<Probe>>>>,
}

/// A registered agent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProviderStatus {
    /// The name.
    pub provider: AgentProvider,
    /// Whether requests that name no provider get this one.
    pub is_default: bool,
    /// What the agent can do.
    pub capabilities: Capabilities,
    /// The version of the agent, or why it cannot run.
    pub availability: Result<AgentVersion, Unavailable>,
}

/// The last probe of an agent. One caller at a time probes, and the others wait for its result.
type Probe = tokio::sync::Mutex<Option<(Instant, Result<AgentVersion, Unavailable>)>>;

impl Providers {
    /// Creates the use case over the registered agents.
    #[must_use]
    pub fn new(agents: Arc<AgentRegistry>) -> Self {
        Self { agents, probes: Arc::default() }
    }

    /// Returns the names of all agents, the default first.
    #[must_use]
    pub fn names(&self) -> Vec<AgentProvider> {
        self.agents.agents().iter().map(|agent| agent.provider().clone()).collect()
    }

    /// Returns all agents, the default first. An agent is probed at most every 30 s, and a probe that takes more than
    /// 5 s counts as unavailable.
    pub async fn list(&self) -> Vec<ProviderStatus> {
        let agents = self.agents.agents();
        let shown = agents.iter().enumerate().map(async |(place, agent)| ProviderStatus {
            provider: agent.provider().clone(),
            is_default: place == 0,
            capabilities: agent.capabilities(),
            availability: self.probe(&**agent).await,
        });
        join_all(shown).await
    }

    async fn probe(&self, agent: &dyn CodeAgent) -> Result<AgentVersion, Unavailable> {
        let probe = {
            let mut probes = self.probes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(probes.entry(agent.provider().clone()).or_default())
        };
        let mut last = probe.lock().await;
        if let Some((probed_at, result)) = &*last
            && probed_at.elapsed() < PROBE_VALID_FOR
        {
            return result.clone();
        }
        let result = tokio::time::timeout(PROBE_TIMEOUT, agent.probe()).await.unwrap_or_else(|_| {
            let seconds = PROBE_TIMEOUT.as_secs();
            Err(Unavailable(format!("The agent did not say its version within {seconds} s.")))
        });
        *last = Some((Instant::now(), result.clone()));
        result
    }
}
