//! The queue.

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{CommandQueue, Signal, StoreError};
use rdev_runner_domain::{
    AbandonedCommands, AgentEventKind, AttachRequest, ClaimRequest, ClusterId, CommandId, CommandStatus,
    Host, LeaseRef, LeaseState, LeaseToken, LeasedCommand, Progress, QueueLimits, RunBeginning, RunReport,
    Timestamp, WaitReason, Waiting,
};
use rdev_runner_json::Published;

use super::{Entry, MemoryStore, State, internal};

impl State {
    /// Returns why a queued command may not run.
    fn blocked(&self, entry: &Entry, limits: &QueueLimits) -> Option<WaitReason> {
        let command = &entry.command;
        let active = |fits: &dyn Fn(&Entry) -> bool| {
            self.commands.values().filter(|other| other.is_active() && fits(other)).count()
        };
        let provider = limits.providers.get(&command.provider).copied();
        let project = self.projects.get(&command.project).filter(|project| !project.is_deleting);
        let project = project.map_or(0, |project| project.settings().max_running);
        let same_provider = |other: &Entry| other.command.provider == command.provider;
        let same_project = |other: &Entry| other.command.project == command.project;
        let same_session = |other: &Entry| {
            let session = entry.resumes();
            same_provider(other)
                && same_project(other)
                && session.is_some()
                && (other.resumes() == session || other.command.session.as_ref() == session)
        };
        if active(&|_| true) >= limits.max_running as usize {
            Some(WaitReason::MaxRunning)
        } else if provider.is_some_and(|most| active(&same_provider) >= most as usize) {
            Some(WaitReason::Provider)
        } else if active(&same_project) >= project as usize {
            Some(WaitReason::Project)
        } else if active(&same_session) > 0 {
            Some(WaitReason::Session)
        } else {
            provider.is_none().then_some(WaitReason::Runner)
        }
    }

    /// Stores webhook events, each once by its key.
    fn publish(&mut self, events: impl IntoIterator<Item = Published>) {
        for event in events {
            if self.published.iter().all(|known| known.key != event.key) {
                self.published.push(event);
            }
        }
    }

    /// Returns the command of a valid lease.
    fn leased(&mut self, lease: &LeaseRef) -> Option<&mut Entry> {
        self.commands.get_mut(&lease.command).filter(|entry| entry.token == Some(lease.token))
    }
}

impl Entry {
    fn is_active_on(&self, host: &Host) -> bool {
        self.is_active() && self.host.as_ref() == Some(host)
    }

    fn is_queued(&self) -> bool {
        self.command.state.status() == CommandStatus::Queued
    }

    fn leased_command(&self, token: LeaseToken) -> LeasedCommand {
        LeasedCommand {
            lease: LeaseRef { command: self.command.id, token },
            request: self.request.clone(),
            state: self.command.state,
            last_seq: self.log.last_seq,
            checkpoint: self.checkpoint.clone(),
        }
    }

    fn requeue(&mut self, now: Timestamp) -> Result<Option<Published>, StoreError> {
        let change = self.command.state.requeue(now).map_err(internal)?;
        (self.host, self.token, self.cluster, self.checkpoint) = (None, None, None, None);
        self.has_begun = false;
        self.apply(&change, None)
    }

    fn held(&self) -> LeaseState {
        let is_cancelled = self.command.state.status() == CommandStatus::Cancelling;
        LeaseState::Held { last_seq: self.log.last_seq, is_cancelled }
    }
}

#[async_trait]
impl CommandQueue for MemoryStore {
    async fn claim(&self, claim: &ClaimRequest) -> Result<Option<LeasedCommand>, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let next = state
            .commands
            .values()
            .find(|entry| entry.is_queued() && state.blocked(entry, &claim.limits).is_none())
            .map(|entry| entry.command.id);
        let Some(entry) = next.and_then(|id| state.commands.get_mut(&id)) else { return Ok(None) };
        let change = entry.command.state.start(now).map_err(internal)?;
        let published = entry.apply(&change, None)?;
        entry.host = Some(claim.host.clone());
        entry.token = Some(claim.token);
        entry.lease_expires_at = now + claim.lease_for;
        let leased = entry.leased_command(claim.token);
        state.publish(published);
        self.signals.send(Signal::Changed(leased.lease.command));
        Ok(Some(leased))
    }

    async fn begin(&self, lease: &LeaseRef, beginning: &RunBeginning) -> Result<LeaseState, StoreError> {
        let mut state = self.state();
        let entry = state.leased(lease).filter(|entry| entry.is_active());
        Ok(entry.map_or(LeaseState::Lost, |entry| {
            entry.has_begun = true;
            entry.cluster.clone_from(&beginning.cluster);
            entry.checkpoint = Some(beginning.checkpoint.clone());
            entry.held()
        }))
    }

    async fn requeue(&self, lease: &LeaseRef) -> Result<(), StoreError> {
        let now = self.now();
        let mut state = self.state();
        let Some(entry) = state.leased(lease).filter(|entry| entry.is_active()) else { return Ok(()) };
        let published = entry.requeue(now)?;
        state.publish(published);
        self.signals.send(Signal::Changed(lease.command));
        self.signals.send(Signal::Queue);
        Ok(())
    }

    async fn requeue_expired(&self, limit: u32) -> Result<Vec<CommandId>, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let (mut requeued, mut published) = (Vec::new(), Vec::new());
        let expired =
            |entry: &&mut Entry| entry.is_active() && !entry.has_begun && entry.lease_expires_at <= now;
        for entry in state.commands.values_mut().filter(expired).take(limit as usize) {
            published.extend(entry.requeue(now)?);
            requeued.push(entry.command.id);
        }
        state.publish(published);
        requeued.iter().for_each(|command| self.signals.send(Signal::Changed(*command)));
        if !requeued.is_empty() {
            self.signals.send(Signal::Queue);
        }
        Ok(requeued)
    }

    async fn attach(&self, attach: &AttachRequest) -> Result<Option<LeasedCommand>, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let is_within_reach = |entry: &Entry| match &entry.cluster {
            None => entry.is_active_on(&attach.host),
            cluster => entry.is_active() && *cluster == attach.cluster,
        };
        let expired = state.commands.values_mut().find(|entry| {
            is_within_reach(entry)
                && entry.has_begun
                && entry.lease_expires_at <= now
                && !attach.except.contains(&entry.command.id)
        });
        Ok(expired.map(|entry| {
            entry.host = Some(attach.host.clone());
            entry.token = Some(attach.token);
            entry.lease_expires_at = now + attach.lease_for;
            entry.leased_command(attach.token)
        }))
    }

    async fn expire_leases(&self, host: &Host) -> Result<u64, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let leased = |entry: &&mut Entry| entry.is_active_on(host) && entry.lease_expires_at > now;
        let mut expired = 0;
        for entry in state.commands.values_mut().filter(leased) {
            entry.lease_expires_at = now;
            expired += 1;
        }
        Ok(expired)
    }

    async fn heartbeat(&self, lease: &LeaseRef, lease_for: Duration) -> Result<LeaseState, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let entry = state.leased(lease).filter(|entry| entry.is_active());
        Ok(entry.map_or(LeaseState::Lost, |entry| {
            entry.lease_expires_at = now + lease_for;
            entry.held()
        }))
    }

    async fn record(&self, lease: &LeaseRef, report: &RunReport) -> Result<LeaseState, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let Some(entry) = state.leased(lease) else { return Ok(LeaseState::Lost) };
        if entry.has_ended() || report.after_seq != entry.log.last_seq {
            return Ok(entry.held());
        }
        let (change, result) = match &report.progress {
            Progress::Unchanged => (None, None),
            Progress::Running => (Some(entry.command.state.run()), None),
            Progress::Ended(result) => {
                (Some(entry.command.state.finish(result, now)), Some((**result).clone()))
            }
        };
        let change = change.transpose().map_err(internal)?;
        let stored = entry.log.append(&report.events);
        for event in &stored {
            if let AgentEventKind::SessionStarted { session, .. } = &event.kind {
                entry.command.session = Some(session.clone());
            }
        }
        if let Some(session) = result.as_ref().and_then(|result| result.session.clone()) {
            entry.command.session = Some(session);
        }
        entry.events.extend(stored);
        entry.command.last_seq = entry.log.last_seq;
        if report.checkpoint.is_some() {
            entry.checkpoint.clone_from(&report.checkpoint);
        }
        let published = change.map(|change| entry.apply(&change, result)).transpose()?.flatten();
        let (held, has_ended) = (entry.held(), entry.has_ended());
        state.published.extend(published);
        self.signals.send(Signal::Changed(lease.command));
        if has_ended {
            self.signals.send(Signal::Queue);
        }
        Ok(held)
    }

    async fn lose(
        &self,
        after: Duration,
        cluster: Option<&ClusterId>,
        limit: u32,
    ) -> Result<AbandonedCommands, StoreError> {
        let now = self.now();
        let mut state = self.state();
        let (mut lost, mut published) = (Vec::new(), Vec::new());
        let is_within_reach = |entry: &Entry| {
            let is_cancelling = entry.command.state.status() == CommandStatus::Cancelling;
            entry.cluster.is_none() || entry.cluster.as_ref() == cluster || is_cancelling
        };
        let abandoned = |entry: &&mut Entry| {
            entry.is_active() && entry.has_begun && entry.lease_expires_at + after <= now
        };
        let (within, elsewhere): (Vec<_>, Vec<_>) =
            state.commands.values_mut().filter(abandoned).partition(|entry| is_within_reach(entry));
        let elsewhere = elsewhere.iter().take(limit as usize).map(|entry| entry.command.id).collect();
        for entry in within.into_iter().take(limit as usize) {
            let change = entry.command.state.lose(now).map_err(internal)?;
            published.extend(entry.apply(&change, None)?);
            entry.token = None;
            lost.push(entry.command.id);
        }
        state.published.extend(published);
        lost.iter().for_each(|command| self.signals.send(Signal::Changed(*command)));
        if !lost.is_empty() {
            self.signals.send(Signal::Queue);
        }
        Ok(AbandonedCommands { lost, elsewhere })
    }

    async fn waiting(
        &self,
        limits: &QueueLimits,
        commands: &[CommandId],
    ) -> Result<Vec<Option<Waiting>>, StoreError> {
        let state = self.state();
        let waiting = |id: &CommandId| {
            let entry = state.commands.get(id).filter(|entry| entry.is_queued())?;
            let queued = state.commands.values().filter(|other| other.is_queued());
            let position = queued.filter(|other| other.command.id <= *id).count() as u64;
            let reason = state.blocked(entry, limits).unwrap_or(WaitReason::Runner);
            Some(Waiting { position, reason })
        };
        Ok(commands.iter().map(waiting).collect())
    }
}
