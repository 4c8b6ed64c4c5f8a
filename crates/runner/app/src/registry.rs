//! The registered agents.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentProvider, AgentRequest, AgentRequestError, Capabilities, RequestDraft};

/// The registered agents, in the order of their registration. The first is the default. Threads can share a
/// registry.
#[derive(Default)]
pub struct AgentRegistry {
    agents: RwLock<Vec<Arc<dyn CodeAgent>>>,
}

/// The error for an agent whose name is taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a provider named `{0}` is already registered")]
pub struct DuplicateAgent(pub AgentProvider);

impl AgentRegistry {
    /// Creates a registry without agents.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Registers an agent under its own name.
    ///
    /// # Errors
    ///
    /// Fails if the name is taken.
    pub fn register(&self, agent: Arc<dyn CodeAgent>) -> Result<(), DuplicateAgent> {
        let mut agents = self.write();
        if agents.iter().any(|known| known.provider() == agent.provider()) {
            return Err(DuplicateAgent(agent.provider().clone()));
        }
        agents.push(agent);
        Ok(())
    }

    /// Removes an agent and returns it. If it is the default, the agent that was registered next becomes the
    /// default.
    pub fn remove(&self, provider: &AgentProvider) -> Option<Arc<dyn CodeAgent>> {
        let mut agents = self.write();
        let at = agents.iter().position(|known| known.provider() == provider)?;
        Some(agents.remove(at))
    }

    /// Returns an agent.
    ///
    /// # Errors
    ///
    /// Fails if no agent has the name.
    pub fn get(&self, provider: &AgentProvider) -> Result<Arc<dyn CodeAgent>, AgentRequestError> {
        let known = self.read().iter().find(|known| known.provider() == provider).cloned();
        known.ok_or_else(|| AgentRequestError::UnknownProvider(provider.clone()))
    }

    /// Returns the default agent.
    ///
    /// # Errors
    ///
    /// Fails if no agent is registered.
    pub fn default_agent(&self) -> Result<Arc<dyn CodeAgent>, AgentRequestError> {
        self.read().first().cloned().ok_or(AgentRequestError::NoProvider)
    }

    /// Returns all agents, the default first.
    #[must_use]
    pub fn agents(&self) -> Vec<Arc<dyn CodeAgent>> {
        self.read().clone()
    }

    /// Checks a request for its provider.
    ///
    /// # Errors
    ///
    /// Returns every fault of the request. If the provider is unknown, the others are those that the request
    /// has with any provider.
    pub fn check(&self, draft: RequestDraft) -> Result<AgentRequest, Vec<AgentRequestError>> {
        match self.get(&draft.provider) {
            Ok(agent) => AgentRequest::new(draft, agent.capabilities()),
            Err(unknown) => {
                let others = AgentRequest::new(draft, Capabilities::ALL).err().unwrap_or_default();
                Err([unknown].into_iter().chain(others).collect())
            }
        }
    }

    // A panic cannot leave the list half changed.
    fn read(&self) -> RwLockReadGuard<'_, Vec<Arc<dyn CodeAgent>>> {
        self.agents.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Vec<Arc<dyn CodeAgent>>> {
        self.agents.write().unwrap_or_else(PoisonError::into_inner)
    }
}
