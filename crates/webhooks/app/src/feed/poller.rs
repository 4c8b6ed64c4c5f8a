//! The task that reads changes while a stream is open.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rdev_app::Outages;
use rdev_webhooks_domain::feed::{ChangePoint, Watched};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DeliveryId, DeliveryStatus, Timestamp};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{ACCEPTED_LATE, BATCH, FeedBatch, MAX_AHEAD, Shared};

/// The interval between two reads of the changes. Under load it grows, so that reading takes at most a
/// quarter of the time.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
const MIN_INTERVAL_FACTOR: u32 = 4;
/// The wait after a failure of the database.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// The number of ids that one statement reads.
const PAGE_SIZE: u32 = 5_000;
/// The number of remembered ids, changes and states. Beyond it all are dropped, and some changes may be
/// reported twice.
const MAX_REMEMBERED: usize = 200_000;
/// The number of polls for which the last reported state of a delivery is remembered.
const REMEMBERED_POLLS: u64 = 60;

/// The task behind a [`Feed`](super::Feed). The caller runs and joins it.
pub struct FeedTask {
    shared: Arc<Shared>,
    batches: broadcast::Sender<Arc<FeedBatch>>,
    outages: Outages,
}

impl FeedTask {
    pub(super) fn new(shared: Arc<Shared>, batches: broadcast::Sender<Arc<FeedBatch>>) -> Self {
        Self { shared, batches, outages: Outages::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Reads changes while a stream is open, until `drain`; then ends all streams.
    pub async fn run(self, drain: CancellationToken) {
        let working = async {
            loop {
                self.shared.begun.notified().await;
                self.poll().await;
            }
        };
        drain.run_until_cancelled(working).await;
        // The last sender is dropped with this task.
        self.shared.close();
    }

    /// Polls until no stream is open.
    async fn poll(&self) {
        let mut state: Option<PollState> = None;
        while self.batches.receiver_count() > 0 {
            let began = Instant::now();
            let polled = self.poll_once(&mut state).await;
            let wait = match polled {
                Ok(()) => {
                    self.outages.worked("read delivery changes");
                    POLL_INTERVAL.max(began.elapsed() * MIN_INTERVAL_FACTOR)
                }
                Err(error) => {
                    self.outages.store_failed("read delivery changes", &error);
                    RETRY_INTERVAL
                }
            };
            tokio::time::sleep_until(began + wait).await;
        }
    }

    async fn poll_once(&self, state: &mut Option<PollState>) -> Result<(), StoreError> {
        let state = match state {
            Some(state) => state,
            None => state.insert(PollState::begin(&self.shared).await?),
        };
        state.poll_once(&self.shared, &self.batches).await
    }
}

/// The position of the poller, and what it reported recently.
struct PollState {
    from: Timestamp,
    accepted: BTreeSet<DeliveryId>,
    changed: BTreeSet<ChangePoint>,
    /// The last reported state of each delivery, and the poll that reported it.
    reported: HashMap<DeliveryId, (ReportedState, u64)>,
    number: u64,
}

/// The state of a delivery whose change is worth a report.
type ReportedState = (DeliveryStatus, u32);

impl PollState {
    /// Begins at the present.
    async fn begin(shared: &Shared) -> Result<Self, StoreError> {
        let now = shared.store.changed(ChangePoint::before(Timestamp::from_micros(i64::MAX)), 1).await?;
        Ok(Self {
            from: now.complete_until,
            accepted: BTreeSet::new(),
            changed: BTreeSet::new(),
            reported: HashMap::new(),
            number: 0,
        })
    }

    /// Polls once, and reports what is new.
    async fn poll_once(
        &mut self,
        shared: &Shared,
        batches: &broadcast::Sender<Arc<FeedBatch>>,
    ) -> Result<(), StoreError> {
        self.number += 1;
        let bound = DeliveryId::floor(self.from - ACCEPTED_LATE);
        self.accepted = self.accepted.split_off(&bound);
        let mut after = bound;
        loop {
            let ids = shared.store.accepted(after, PAGE_SIZE).await?;
            let is_last = ids.len() < PAGE_SIZE as usize;
            after = ids.last().copied().unwrap_or(after);
            let new: Vec<_> = ids.into_iter().filter(|id| !self.accepted.contains(id)).collect();
            for ids in new.chunks(BATCH as usize) {
                self.report(shared, batches, ids).await?;
                self.accepted.extend(ids);
            }
            if is_last {
                break;
            }
        }
        self.changed = self.changed.split_off(&ChangePoint::before(self.from));
        let mut after = ChangePoint::before(self.from);
        let mut complete_until = None;
        loop {
            let changes = shared.store.changed(after, PAGE_SIZE).await?;
            complete_until.get_or_insert(changes.complete_until);
            after = changes.points.last().copied().unwrap_or(after);
            let new: Vec<_> =
                changes.points.into_iter().filter(|point| !self.changed.contains(point)).collect();
            for points in new.chunks(BATCH as usize) {
                let ids: Vec<_> = points.iter().map(|point| point.delivery).collect();
                self.report(shared, batches, &ids).await?;
                self.changed.extend(points);
            }
            if !changes.has_more {
                break;
            }
        }
        let until = complete_until.unwrap_or(self.from);
        if until + MAX_AHEAD < self.from {
            // The store's time was set back: read what was recorded since then.
            let set_back_at = shared.store.set_back_at().await?;
            self.from = set_back_at.unwrap_or(until - MAX_AHEAD).min(until);
            self.changed.clear();
        } else {
            self.from = until.max(self.from);
        }
        self.forget();
        let _ = batches.send(Arc::new(FeedBatch { changes: Vec::new(), cursor: self.from }));
        Ok(())
    }

    async fn report(
        &mut self,
        shared: &Shared,
        batches: &broadcast::Sender<Arc<FeedBatch>>,
        ids: &[DeliveryId],
    ) -> Result<(), StoreError> {
        let mut present = shared.present(ids).await?;
        present.retain(|one| self.is_new(one));
        if !present.is_empty() {
            // Fails if no stream is open any more.
            let _ = batches.send(Arc::new(FeedBatch { changes: present, cursor: self.from }));
        }
        Ok(())
    }

    /// Returns true if a delivery's change is to be reported, and remembers it as reported. The poller does
    /// not look for the start of an attempt: it reports an attempt in flight only for a new delivery.
    fn is_new(&mut self, one: &Watched) -> bool {
        let delivery = &one.delivery;
        let seen = (delivery.state.status(), delivery.attempts);
        let before = self.reported.get(&delivery.id).map(|(seen, _)| *seen);
        let is_new = match before {
            _ if seen.0 == DeliveryStatus::InFlight => before.is_none() && seen.1 <= 1,
            Some(before) => before != seen,
            None => true,
        };
        if is_new {
            self.reported.insert(delivery.id, (seen, self.number));
        }
        is_new
    }

    fn forget(&mut self) {
        let number = self.number;
        self.reported.retain(|_, (_, reported_in)| *reported_in + REMEMBERED_POLLS > number);
        if self.accepted.len() + self.changed.len() + self.reported.len() > MAX_REMEMBERED {
            self.accepted.clear();
            self.changed.clear();
            self.reported.clear();
        }
    }
}
