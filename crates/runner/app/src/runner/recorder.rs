//! The recorder of a run: stores its events and its result, and keeps its lease.

use std::time::Duration;

use rdev_runner_domain::{AgentResult, LeaseRef, LeaseState, Outcome, Progress, RunReport};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;

use super::calls::{Backoff, CallFailed};
use super::outbox::{Batch, Outbox};
use super::shared::Shared;

/// The least time between two reports of a run, so that the parts of a message share a transaction.
const REPORT_INTERVAL: Duration = Duration::from_millis(50);

/// The most events of a report, and their largest size.
const MAX_REPORT_EVENTS: usize = 512;
const MAX_REPORT_BYTES: u64 = 1 << 20;

/// The longest time between two heartbeats. It bounds how late a cancellation is noticed that no signal
/// announced.
const MAX_HEARTBEAT_INTERVAL: Duration = Duration::from_secs(2);

/// How long the last report of a stopping runner may take.
const LAST_REPORT_DEADLINE: Duration = Duration::from_secs(2);

/// The command has another lease, or none.
#[derive(Debug)]
pub(super) struct LeaseLost;

/// Stores what the outbox of a run holds.
pub(super) struct Recorder<'a> {
    pub(super) shared: &'a Shared,
    pub(super) outbox: &'a Outbox,
    pub(super) lease: LeaseRef,
    /// The number of the last stored event.
    pub(super) last_seq: u64,
    /// Cancelled once the command is.
    pub(super) cancelled: &'a CancellationToken,
    /// Asks for a heartbeat now.
    pub(super) heartbeat_wanted: &'a Notify,
    pending: Option<RunReport>,
    next_report: Instant,
    next_heartbeat: Instant,
    backoff: Backoff,
}

/// What is due.
enum Due {
    Heartbeat,
    Report,
}

impl<'a> Recorder<'a> {
    pub(super) fn new(
        shared: &'a Shared,
        outbox: &'a Outbox,
        (lease, last_seq): (LeaseRef, u64),
        cancelled: &'a CancellationToken,
        heartbeat_wanted: &'a Notify,
    ) -> Self {
        let now = Instant::now();
        Self {
            shared,
            outbox,
            lease,
            last_seq,
            cancelled,
            heartbeat_wanted,
            pending: None,
            next_report: now,
            next_heartbeat: now + heartbeat_interval(shared.options.lease),
            backoff: Backoff::default(),
        }
    }

    /// Stores everything up to the result, and returns how the run ended. It can be dropped at any time.
    ///
    /// # Errors
    ///
    /// Fails once the lease is lost.
    pub(super) async fn run(&mut self) -> Result<Outcome, LeaseLost> {
        loop {
            match self.due().await {
                Due::Heartbeat => self.heartbeat().await?,
                Due::Report => {
                    if let Some(outcome) = self.report().await? {
                        return Ok(outcome);
                    }
                }
            }
        }
    }

    /// Stores what is left, within a bound. A runner that stops calls it; what it cannot store, the agent
    /// passes again to the runner that continues. Returns how the run ended if that was left.
    pub(super) async fn flush(&mut self) -> Option<Outcome> {
        self.outbox.close();
        let storing = async {
            while self.pending.is_some() || self.outbox.has_work() {
                match self.report().await {
                    Ok(None) if self.backoff.is_fresh() => {}
                    ended => return ended.unwrap_or_default(),
                }
            }
            None
        };
        tokio::time::timeout(LAST_REPORT_DEADLINE, storing).await.unwrap_or_default()
    }

    async fn due(&self) -> Due {
        let work = async {
            if self.pending.is_none() {
                self.outbox.wait().await;
            }
            sleep_until(self.next_report).await;
        };
        tokio::select! {
            biased;
            () = sleep_until(self.next_heartbeat) => Due::Heartbeat,
            () = self.heartbeat_wanted.notified() => Due::Heartbeat,
            () = work => Due::Report,
        }
    }

    async fn heartbeat(&mut self) -> Result<(), LeaseLost> {
        self.next_heartbeat = Instant::now() + heartbeat_interval(self.shared.options.lease);
        let lease_for = self.shared.options.lease;
        let heartbeat = self.shared.ports.queue.heartbeat(&self.lease, lease_for);
        match self.shared.write("extend a lease", heartbeat).await {
            Ok(LeaseState::Held { is_cancelled, .. }) => {
                self.note(is_cancelled);
                Ok(())
            }
            Ok(LeaseState::Lost) => Err(LeaseLost),
            Err(CallFailed) => Ok(()),
        }
    }

    /// Stores the pending report, or the next one. Returns the outcome once the result is stored.
    async fn report(&mut self) -> Result<Option<Outcome>, LeaseLost> {
        let report = match self.pending.take() {
            Some(report) => report,
            None => self.next(),
        };
        let report = self.pending.insert(report);
        let begun = Instant::now();
        let stored =
            self.shared.write("store a report", self.shared.ports.queue.record(&self.lease, report)).await;
        match stored {
            Ok(LeaseState::Held { last_seq, is_cancelled }) => {
                self.shared.metrics.recorded(report.events.len(), begun.elapsed());
                let outcome = match &report.progress {
                    Progress::Ended(result) => Some(result.outcome),
                    Progress::Unchanged | Progress::Running => None,
                };
                self.pending = None;
                self.last_seq = last_seq;
                self.backoff = Backoff::default();
                self.next_report = begun + REPORT_INTERVAL;
                self.note(is_cancelled);
                Ok(outcome)
            }
            Ok(LeaseState::Lost) => Err(LeaseLost),
            Err(CallFailed) => {
                self.next_report = Instant::now() + self.backoff.next();
                Ok(None)
            }
        }
    }

    fn next(&self) -> RunReport {
        let Batch { events, position, result } = self.outbox.take(MAX_REPORT_EVENTS, MAX_REPORT_BYTES);
        let progress =
            result.map_or(Progress::Running, |result: AgentResult| Progress::Ended(Box::new(result)));
        RunReport { after_seq: self.last_seq, events, checkpoint: Some(position.to_string()), progress }
    }

    fn note(&self, is_cancelled: bool) {
        if is_cancelled {
            self.cancelled.cancel();
        }
    }
}

/// Returns the time between two heartbeats: several within a lease.
fn heartbeat_interval(lease: Duration) -> Duration {
    (lease / 3).min(MAX_HEARTBEAT_INTERVAL)
}
