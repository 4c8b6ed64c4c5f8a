//! The in-memory store: the simplest one that passes the contract.

mod commands;
mod credentials;
mod pipelines;
mod pods;
mod projects;
mod queue;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rdev_keyring::Keyring;
use rdev_runner_domain::ports::{Clock, CommandSignals, SignalStream, StoreError};
use rdev_runner_domain::{
    AgentEvent, AgentRequest, AgentResult, Change, ClusterId, Command, CommandId, CredentialUse, EventLog,
    Host, LeaseToken, Pipeline, PipelineId, PipelineTrigger, Pod, Project, ProjectName, RunName, SecretName,
    SessionRef, Timestamp,
};
use rdev_runner_json::{Published, publication};
use rdev_runner_store::Signals;
use rdev_runner_store::credentials::StoredCredential;

use crate::ManualClock;

/// A store in memory.
#[derive(Debug)]
pub struct MemoryStore {
    clock: Arc<ManualClock>,
    state: Mutex<State>,
    signals: Signals,
    keyring: Keyring,
}

#[derive(Debug, Default)]
struct State {
    projects: BTreeMap<ProjectName, Project>,
    commands: BTreeMap<CommandId, Entry>,
    credentials: BTreeMap<SecretName, StoredCredential>,
    uses: BTreeMap<(SecretName, CommandId), CredentialUse>,
    /// Each with the time of the last look at it.
    pipelines: BTreeMap<PipelineId, (Timestamp, Pipeline)>,
    /// Each with the time at which it was stored.
    triggers: BTreeMap<PipelineId, (Timestamp, PipelineTrigger)>,
    pods: BTreeMap<RunName, Pod>,
    published: Vec<Published>,
}

#[derive(Debug)]
struct Entry {
    request: AgentRequest,
    command: Command,
    log: EventLog,
    events: Vec<AgentEvent>,
    host: Option<Host>,
    token: Option<LeaseToken>,
    lease_expires_at: Timestamp,
    checkpoint: Option<String>,
    has_begun: bool,
    cluster: Option<ClusterId>,
}

impl MemoryStore {
    /// Creates an empty store on this clock.
    #[must_use]
    pub fn new(clock: Arc<ManualClock>) -> Self {
        let (state, signals) = (Mutex::default(), Signals::default());
        Self { clock, state, signals, keyring: credentials::keyring() }
    }

    /// Returns the webhook events.
    #[must_use]
    pub fn published(&self) -> Vec<Published> {
        self.state().published.clone()
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CommandSignals for MemoryStore {
    fn subscribe(&self) -> Box<dyn SignalStream> {
        self.signals.subscribe()
    }
}

impl Entry {
    /// Applies a change of the state, and returns its webhook event.
    fn apply(
        &mut self,
        change: &Change,
        result: Option<AgentResult>,
    ) -> Result<Option<Published>, StoreError> {
        let published = publication(self.command.id, &self.command.project, &self.command.provider, change)
            .map_err(internal)?;
        self.command.state = change.state;
        if result.is_some() {
            self.command.result = result;
        }
        Ok(published)
    }

    fn is_active(&self) -> bool {
        let (started_at, ended_at) = self.command.state.times();
        started_at.is_some() && ended_at.is_none()
    }

    fn has_ended(&self) -> bool {
        self.command.state.outcome().is_some()
    }

    /// Returns the session that the request resumes.
    fn resumes(&self) -> Option<&SessionRef> {
        match &self.request.draft().session {
            rdev_runner_domain::Session::Resume(session) => Some(session),
            _ => None,
        }
    }
}

/// Returns the error for a defect of the store.
fn internal(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> StoreError {
    StoreError::Internal(why.into())
}
