//! Which agents can run.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_runner_domain::AgentProvider;
use rdev_runner_domain::ports::{CodeAgent, Unavailable};
use tokio::sync::Notify;
use tokio::task::JoinSet;

use crate::registry::AgentRegistry;

/// The interval between probes of agents that cannot run.
const PROBE_INTERVAL: Duration = Duration::from_secs(60);

/// How long a probe may take.
const PROBE_TIMEOUT: Duration = Duration::from_secs(30);

/// The agents that can run on this host, by their probes. An agent that can run is probed again once it has
/// failed to start; another one every minute.
pub(super) struct Availability {
    agents: Arc<AgentRegistry>,
    probed: Mutex<BTreeMap<AgentProvider, Probed>>,
    changed: Notify,
    doubted: Notify,
}

/// What is known of an agent.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Probed {
    Available,
    /// It was available, and did not start.
    Doubted,
    /// It cannot run, for this reason.
    Unavailable(String),
}

impl Availability {
    pub(super) fn new(agents: Arc<AgentRegistry>) -> Self {
        Self { agents, probed: Mutex::default(), changed: Notify::new(), doubted: Notify::new() }
    }

    /// Returns the agents that can run.
    pub(super) fn available(&self) -> Vec<AgentProvider> {
        let probed = self.probed();
        let providers = self.agents.agents().into_iter().map(|agent| agent.provider().clone());
        providers.filter(|provider| probed.get(provider) == Some(&Probed::Available)).collect()
    }

    /// Waits until another agent can run.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Has an agent probed before its next run, because it did not start.
    pub(super) fn doubt(&self, provider: &AgentProvider) {
        self.probed().insert(provider.clone(), Probed::Doubted);
        self.doubted.notify_one();
    }

    /// Probes agents for ever.
    pub(super) async fn run(&self) {
        loop {
            self.probe_all().await;
            tokio::select! {
                () = tokio::time::sleep(PROBE_INTERVAL) => {}
                () = self.doubted.notified() => {}
            }
        }
    }

    /// Probes the agents that are not known to be able to run.
    async fn probe_all(&self) {
        let available = self.available();
        let mut probes = JoinSet::new();
        for agent in self.agents.agents() {
            if !available.contains(agent.provider()) {
                probes.spawn(probe(agent));
            }
        }
        while let Some(probed) = probes.join_next().await {
            match probed {
                Ok((provider, result)) => self.note(&provider, result),
                Err(error) => tracing::error!(%error, "probe of a provider died"),
            }
        }
    }

    fn note(&self, provider: &AgentProvider, result: Result<String, String>) {
        let probed =
            result.as_ref().map_or_else(|reason| Probed::Unavailable(reason.clone()), |_| Probed::Available);
        let before = self.probed().insert(provider.clone(), probed.clone());
        match result {
            Ok(version) => {
                if before != Some(Probed::Doubted) {
                    tracing::info!(%provider, version, "provider available");
                }
                self.changed.notify_one();
            }
            Err(reason) if before != Some(probed) => {
                tracing::warn!(%provider, reason, "provider unavailable; its commands wait");
            }
            Err(_) => {}
        }
    }

    fn probed(&self) -> MutexGuard<'_, BTreeMap<AgentProvider, Probed>> {
        // A panic cannot leave the map half changed.
        self.probed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn probe(agent: Arc<dyn CodeAgent>) -> (AgentProvider, Result<String, String>) {
    let result = match tokio::time::timeout(PROBE_TIMEOUT, agent.probe()).await {
        Ok(Ok(version)) => Ok(version.0),
        Ok(Err(Unavailable(reason))) => Err(reason),
        Err(_) => Err(format!("no response within {} s", PROBE_TIMEOUT.as_secs())),
    };
    (agent.provider().clone(), result)
}
