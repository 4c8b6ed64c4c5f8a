//! The last step: the recording of outcomes, many per transaction.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::Outages;
use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};
use rdev_webhooks_domain::{LeaseRef, Settled, Settlement, WebhookId};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

use super::pool::{Action, Outcome};
use super::progress::{Progress, Recorded};
use super::recording::Recording;
use crate::Statistics;
use crate::batcher::Batcher;
use crate::metrics::Settling;
use crate::spans::record_duration;

/// Maximum number of outcomes per transaction.
const MAX_BATCH: usize = 256;
/// How long a few successes wait for more. No caller waits for their record, and one commit for several costs less than
/// one for each. If this process is killed meanwhile, they are sent again.
const LINGER: Duration = Duration::from_millis(10);
/// Number of successes that do not wait for more.
const FEW: usize = 8;
/// Shortest and longest wait between two tries while the database is unavailable.
const MIN_RETRY_WAIT: Duration = Duration::from_millis(50);
const MAX_RETRY_WAIT: Duration = Duration::from_secs(2);

/// The settler, which records outcomes. A batch begins as soon as the previous one ends, or a moment later under load
/// and if it holds only few successes. The scheduler bounds the number of unrecorded outcomes.
pub(super) struct Settler {
    queue: Arc<dyn DeliveryQueue>,
    progress: mpsc::Sender<Progress>,
    metrics: Settling,
    statistics: Statistics,
    outages: Outages,
    recording: Recording,
}

impl Settler {
    pub(super) fn new(
        queue: Arc<dyn DeliveryQueue>,
        progress: mpsc::Sender<Progress>,
        statistics: Statistics,
        outages: Outages,
        recording: Recording,
    ) -> Self {
        Self { queue, progress, metrics: Settling::new(), statistics, outages, recording }
    }

    /// Runs until the pool has ended and every outcome is recorded. While the database is unavailable it
    /// keeps trying: a lease that expires meanwhile still counts unless another worker took over the
    /// delivery. On `abort` it gives up and returns the leases that it could not settle.
    pub(super) async fn run(
        self,
        mut outcomes: mpsc::Receiver<Outcome>,
        abort: CancellationToken,
    ) -> Vec<LeaseRef> {
        let mut left = Vec::new();
        let mut batch = Vec::with_capacity(MAX_BATCH);
        let mut batcher = Batcher::default();
        while batcher.next(&mut outcomes, &mut batch, MAX_BATCH).await > 0 {
            wait_for_more(&mut outcomes, &mut batch).await;
            let mut settlements = Vec::with_capacity(batch.len());
            let mut webhooks = Vec::with_capacity(batch.len());
            let mut releases = Vec::new();
            let mut recorded = Recorded::with_capacity(batch.len());
            for Outcome { webhook, action, .. } in batch.drain(..) {
                let due_in = match action {
                    Action::Settle(settlement) => {
                        let due_in = due_in(settlement.settled);
                        settlements.push(*settlement);
                        webhooks.push(webhook);
                        due_in
                    }
                    Action::Release(lease) | Action::NotAttempted(lease) => {
                        releases.push(lease);
                        Some(Duration::ZERO)
                    }
                    Action::Forget => None,
                };
                recorded.add(webhook, due_in);
            }
            self.recording.begin();
            let span = tracing::debug_span!(
                "queue.settle",
                outcomes = settlements.len(),
                duration_ms = field::Empty
            );
            left.extend(self.settle(&settlements, &webhooks, &abort).instrument(span).await);
            self.release(&releases).await;
            self.recording.end(outcomes.is_empty());
            // When the worker drains, the scheduler has ended and need not know.
            let _ = self.progress.send(Progress::Recorded(recorded)).await;
        }
        left
    }

    /// Records a batch, one by one if the database rejects it. Returns the leases of the outcomes that were
    /// given up because of `abort`.
    async fn settle(
        &self,
        settlements: &[Settlement],
        webhooks: &[WebhookId],
        abort: &CancellationToken,
    ) -> Vec<LeaseRef> {
        match self.persist(settlements, webhooks, abort).await {
            Persisted::Done => return Vec::new(),
            Persisted::GivenUp => return settlements.iter().map(|settlement| settlement.lease).collect(),
            Persisted::Refused(_) if settlements.len() > 1 => {
                tracing::debug!("database rejected a batch of results; recording them one by one");
            }
            Persisted::Refused(error) => {
                self.refused(&settlements[0], &error);
                return Vec::new();
            }
        }
        let mut left = Vec::new();
        for (settlement, webhook) in settlements.iter().zip(webhooks) {
            let (one, webhook) = (std::slice::from_ref(settlement), std::slice::from_ref(webhook));
            match self.persist(one, webhook, abort).await {
                Persisted::Done => {}
                Persisted::GivenUp => left.push(settlement.lease),
                // A delivery whose outcome is rejected by itself is sent again when its lease ends.
                Persisted::Refused(error) => self.refused(settlement, &error),
            }
        }
        left
    }

    /// Records a batch as a whole, however long the database is unavailable.
    async fn persist(
        &self,
        settlements: &[Settlement],
        webhooks: &[WebhookId],
        abort: &CancellationToken,
    ) -> Persisted {
        let mut wait = MIN_RETRY_WAIT;
        while !settlements.is_empty() {
            let begun = Instant::now();
            match self.queue.settle(settlements).await {
                Ok(applied) => {
                    self.metrics.recorded(settlements.len(), begun.elapsed());
                    record_duration(&Span::current(), begun.elapsed());
                    self.outages.worked("record outcomes");
                    self.recorded(settlements, webhooks, &applied);
                    break;
                }
                Err(error @ StoreError::Unavailable(_)) => {
                    self.outages.store_failed("record outcomes", &error);
                    self.recording.failed();
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = abort.cancelled() => return Persisted::GivenUp,
                    }
                    wait = (wait * 2).min(MAX_RETRY_WAIT);
                }
                Err(error) => return Persisted::Refused(error),
            }
        }
        Persisted::Done
    }

    /// Counts the recorded outcomes and logs those that came too late.
    fn recorded(&self, settlements: &[Settlement], webhooks: &[WebhookId], applied: &[bool]) {
        for (settlement, applied) in settlements.iter().zip(applied) {
            self.metrics.settled(settlement.settled, *applied);
            if !applied {
                tracing::warn!(delivery = %settlement.lease.delivery, "lease lost to another worker; result discarded");
            }
        }
        let recorded = webhooks.iter().copied().zip(settlements).zip(applied);
        self.statistics.settled(recorded.filter(|(_, applied)| **applied).map(|(one, _)| one));
    }

    async fn release(&self, leases: &[LeaseRef]) {
        if leases.is_empty() {
            return;
        }
        if let Err(error) = self.queue.release(leases).await {
            self.outages.store_failed("release claims", &error);
            tracing::debug!(claims = leases.len(), "cannot release claims; their leases will expire");
        }
    }

    /// Counts and reports an outcome that the database rejects. The delivery is sent again when its lease
    /// ends.
    fn refused(&self, settlement: &Settlement, error: &StoreError) {
        self.metrics.refused();
        self.outages.store_failed("record outcomes", error);
        tracing::debug!(
            delivery = %settlement.lease.delivery,
            "database rejected a result; delivery will be repeated when its lease expires"
        );
    }
}

/// Result of recording a batch.
enum Persisted {
    Done,
    /// The worker was aborted while the database was unavailable.
    GivenUp,
    /// The database rejected the batch.
    Refused(StoreError),
}

fn due_in(settled: Settled) -> Option<Duration> {
    match settled {
        Settled::RetryAfter(wait) => Some(wait),
        Settled::Resumed | Settled::Interrupted => Some(Duration::ZERO),
        Settled::Succeeded | Settled::Failed(_) => None,
    }
}

/// Lets a few successes wait for more outcomes, until one comes that should not wait.
async fn wait_for_more(outcomes: &mut mpsc::Receiver<Outcome>, batch: &mut Vec<Outcome>) {
    let until = Instant::now() + LINGER;
    let mut seen = 0;
    while batch.len() < FEW && batch[seen..].iter().all(Outcome::may_wait) {
        seen = batch.len();
        match timeout_at(until, outcomes.recv_many(batch, MAX_BATCH - seen)).await {
            Ok(more) if more > 0 => {}
            _ => return,
        }
    }
}
