//! The commits of events.
//!
//! A committer takes all calls that arrived during earlier commits, and commits them as the next batch. A single
//! caller waits for its own commit only; under load the batches grow by themselves. Two committers work at once,
//! so that the database works on one batch while the other waits for the disk or for returning callers.
//!
//! After a commit with many deliveries the next one waits, so that events are not accepted faster than they can be
//! delivered.
//!
//! The store refuses a batch that would make too many deliveries, so a commit is short whatever the events are.
//! A refused batch is divided; a call that is too large by itself goes to the committer of large calls, which
//! commits one call at a time, so that the others wait for no more than one of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use rdev_app::Outages;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{NewEvent, PublishOutcome, Published};
use tokio::sync::{Mutex, mpsc, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

use super::batch::{Batch, Call};
use super::{PublishError, TooLarge};
use crate::batcher::Batcher;
use crate::metrics::Publishing;
use crate::spans::record_duration;

/// Maximum number of events per commit, unless a single call brings more.
const MAX_BATCH: usize = 512;
/// Maximum number of deliveries per shared commit, unless each event makes one. A larger call goes to the
/// committer of large calls.
const MAX_SHARED_DELIVERIES: u32 = 512;
/// Maximum number of concurrent shared commits.
const MAX_CONCURRENT_COMMITS: usize = 2;
/// Maximum number of large calls that wait. Further ones fail with [`PublishError::Busy`].
const MAX_LARGE_WAITING: usize = 1_024;
/// Pause after a commit of [`MAX_SHARED_DELIVERIES`] or more, as a multiple of the duration of the commit; after a smaller
/// one it is shorter in proportion. Meanwhile the database works for the deliveries of what was published.
const PAUSE: f64 = 2.0;
/// Shortest pause that is worth a timer.
const MIN_PAUSE: Duration = Duration::from_micros(200);
/// Longest pause of shared commits: one that took longer waited for something else.
const MAX_PAUSE: Duration = Duration::from_millis(100);

/// The task behind a [`Publisher`](super::Publisher). The caller runs and joins it.
pub struct PublisherTask {
    pub(super) calls: mpsc::Receiver<Call>,
    pub(super) store: Arc<dyn EventRepository>,
    pub(super) metrics: Publishing,
    pub(super) outages: Outages,
    pub(super) stop: CancellationToken,
}

impl PublisherTask {
    /// Ends the task after `stop`, once all calls until then are answered. Later ones fail with
    /// [`PublishError::Stopped`].
    #[must_use]
    pub fn with_stop(self, stop: CancellationToken) -> Self {
        Self { stop, ..self }
    }

    /// Stores events until the last [`Publisher`](super::Publisher) is dropped and all its calls are answered.
    pub async fn run(self) {
        let Self { calls, store, metrics, outages, stop } = self;
        let (calls, limit) = (Mutex::new((calls, Batcher::default())), AtomicUsize::new(MAX_BATCH));
        let rested = watch::Sender::new(Instant::now());
        let (large, mut large_calls) = mpsc::channel(MAX_LARGE_WAITING);
        let common = SharedCommitter {
            calls: &calls,
            limit: &limit,
            rested: &rested,
            large,
            store: &*store,
            metrics: &metrics,
            outages: &outages,
            stop: &stop,
        };
        let committers = [(); MAX_CONCURRENT_COMMITS].map(|()| common.clone().run());
        drop(common);
        let large = async {
            let mut rested = Instant::now();
            while let Some(call) = large_calls.recv().await {
                if Instant::now() < rested {
                    tokio::time::sleep_until(rested).await;
                }
                let begun = Instant::now();
                commit_large(&*store, &metrics, &outages, call).await;
                rested = Instant::now() + pause(begun.elapsed(), MAX_SHARED_DELIVERIES);
            }
        };
        tokio::join!(join_all(committers), large);
    }
}

impl TooLarge {
    fn new(counts: &[u32], limit: u32) -> Self {
        let mut events_within = 0;
        let mut deliveries = 0;
        for count in counts {
            deliveries += u64::from(*count);
            events_within += usize::from(deliveries <= u64::from(limit));
        }
        Self { events: counts.len(), deliveries, limit, events_within }
    }
}

/// Returns the maximum number of deliveries of a shared commit with this number of events.
fn shared_limit(events: usize) -> u32 {
    u32::try_from(events).unwrap_or(u32::MAX).max(MAX_SHARED_DELIVERIES)
}

/// Returns the pause after a commit.
fn pause(took: Duration, deliveries: u32) -> Duration {
    let share = f64::from(deliveries.min(MAX_SHARED_DELIVERIES)) / f64::from(MAX_SHARED_DELIVERIES);
    took.mul_f64(PAUSE * share)
}

/// A committer of calls that share commits.
#[derive(Clone)]
struct SharedCommitter<'a> {
    /// The committer that takes calls holds the lock. The others have no use for it meanwhile.
    calls: &'a Mutex<(mpsc::Receiver<Call>, Batcher)>,
    /// The present maximum number of events per commit.
    limit: &'a AtomicUsize,
    /// When the next commit may begin.
    rested: &'a watch::Sender<Instant>,
    /// The channel of calls that are too large to share a commit.
    large: mpsc::Sender<Call>,
    store: &'a dyn EventRepository,
    metrics: &'a Publishing,
    outages: &'a Outages,
    stop: &'a CancellationToken,
}

impl SharedCommitter<'_> {
    async fn run(self) {
        let mut calls = Vec::new();
        while self.next_calls(&mut calls).await > 0 {
            let mut calls = calls.drain(..).peekable();
            while calls.peek().is_some() {
                let mut batch = Batch::default();
                let limit = self.limit.load(Ordering::Relaxed);
                while let Some(call) = calls.next_if(|call| batch.has_room_for(call, limit)) {
                    if let Some(call) = call.begin() {
                        batch.add(call);
                    }
                }
                if !batch.waiting.is_empty() {
                    self.commit(batch).await;
                }
            }
        }
    }

    async fn next_calls(&self, calls: &mut Vec<Call>) -> usize {
        let (receiver, batcher) = &mut *self.calls.lock().await;
        let limit = self.limit.load(Ordering::Relaxed);
        let next = async {
            let got = batcher.next(receiver, calls, limit).await;
            // A commit may end during the wait.
            let rested = *self.rested.borrow();
            if got == 0 || rested <= Instant::now() {
                return got;
            }
            tokio::time::sleep_until(rested).await;
            while calls.len() < limit
                && let Ok(call) = receiver.try_recv()
            {
                calls.push(call);
            }
            calls.len()
        };
        match self.stop.run_until_cancelled(next).await {
            Some(got) => got,
            None => {
                // What was taken when the wait ended is in `calls`.
                receiver.close();
                let taken = calls.len();
                taken + receiver.recv_many(calls, limit).await
            }
        }
    }

    /// Commits a batch, in parts if it makes too many deliveries.
    async fn commit(&self, batch: Batch) {
        let mut parts = vec![batch];
        while let Some(batch) = parts.pop() {
            let begun = Instant::now();
            let limit = shared_limit(batch.events.len());
            match store(self.store, &batch.events, limit).await {
                Ok(PublishOutcome::Stored(published)) => {
                    self.learn(batch.events.len(), published.iter().map(|one| one.deliveries));
                    self.rest(begun.elapsed(), published.iter().map(|one| one.deliveries).sum());
                    self.outages.worked("publish");
                    self.metrics.stored(&published, begun.elapsed());
                    batch.answer(published);
                }
                Ok(PublishOutcome::TooLarge(counts)) => {
                    self.learn(batch.events.len(), counts.iter().copied());
                    self.divide(batch, &counts, &mut parts);
                }
                Err(error) => {
                    if matches!(error, StoreError::Unavailable(_)) {
                        self.learn_limit(batch.events.len() / 2);
                    }
                    self.outages.store_failed("publish", &error);
                    self.metrics.failed(batch.events.len(), &error);
                    batch.fail(&PublishError::Store(Arc::new(error)));
                }
            }
        }
    }

    /// Divides a batch that makes too many deliveries into smaller ones, and hands on the calls that do so by
    /// themselves.
    fn divide(&self, batch: Batch, counts: &[u32], parts: &mut Vec<Batch>) {
        let calls_before = batch.waiting.len();
        let (mut counts, mut divided) = (counts, Vec::new());
        let (mut part, mut deliveries, mut is_divided) = (Batch::default(), 0, false);
        for (n, call) in batch.into_calls().enumerate() {
            let (own, rest) = counts.split_at(call.events.len().min(counts.len()));
            counts = rest;
            let fan_out: u64 = own.iter().map(|count| u64::from(*count)).sum();
            if calls_before == 1 || fan_out > u64::from(shared_limit(call.events.len())) {
                self.hand_on(call, own);
                is_divided = true;
                continue;
            }
            // Counts may be too low; half of the calls are always fewer.
            let is_half = !is_divided && n == calls_before / 2;
            let is_full = deliveries + fan_out > u64::from(MAX_SHARED_DELIVERIES);
            if !part.waiting.is_empty() && (is_full || is_half) {
                divided.push(std::mem::take(&mut part));
                deliveries = 0;
                is_divided = true;
            }
            deliveries += fan_out;
            part.add(call);
        }
        if !part.waiting.is_empty() {
            divided.push(part);
        }
        // They are taken from the end.
        parts.extend(divided.into_iter().rev());
    }

    /// Hands a call on to the committer of large calls, unless it is too large for that too.
    fn hand_on(&self, call: Call, counts: &[u32]) {
        let too_large = TooLarge::new(counts, call.limit());
        if too_large.deliveries > u64::from(too_large.limit) {
            call.refuse(PublishError::TooLarge(too_large));
        } else if let Err(refused) = self.large.try_send(call) {
            refused.into_inner().refuse(PublishError::Busy);
        }
    }

    /// Lets the next commit wait for a moment.
    fn rest(&self, took: Duration, deliveries: u32) {
        let pause = pause(took, deliveries).min(MAX_PAUSE);
        if pause >= MIN_PAUSE {
            let rested = Instant::now() + pause;
            self.rested.send_modify(|until| *until = rested.max(*until));
        }
    }

    /// Keeps the next commits to what the database can do in time.
    fn learn(&self, events: usize, deliveries: impl Iterator<Item = u32>) {
        let deliveries: u64 = deliveries.map(u64::from).sum();
        let deliveries = usize::try_from(deliveries).unwrap_or(usize::MAX).max(1);
        self.learn_limit((MAX_SHARED_DELIVERIES as usize).saturating_mul(events) / deliveries);
    }

    fn learn_limit(&self, limit: usize) {
        self.limit.store(limit.clamp(1, MAX_BATCH), Ordering::Relaxed);
    }
}

/// Commits events in a span of their own.
async fn store(
    store: &dyn EventRepository,
    events: &[NewEvent],
    max_deliveries: u32,
) -> Result<PublishOutcome, StoreError> {
    let span = tracing::debug_span!(
        "events.commit",
        events = events.len(),
        deliveries = field::Empty,
        duration_ms = field::Empty
    );
    let begun = Instant::now();
    let outcome = store.publish_within(events, max_deliveries).instrument(span.clone()).await;
    if let Ok(PublishOutcome::Stored(published)) = &outcome {
        record(&span, published, begun.elapsed());
    }
    outcome
}

fn record(span: &Span, published: &[Published], duration: Duration) {
    if !span.is_disabled() {
        span.record("deliveries", published.iter().map(|one| u64::from(one.deliveries)).sum::<u64>());
        record_duration(span, duration);
    }
}

/// Commits one large call.
async fn commit_large(store: &dyn EventRepository, metrics: &Publishing, outages: &Outages, call: Call) {
    let Some(call) = call.begin() else {
        return;
    };
    let begun = Instant::now();
    match self::store(store, &call.events, call.limit()).await {
        Ok(PublishOutcome::Stored(published)) => {
            outages.worked("publish");
            metrics.stored(&published, begun.elapsed());
            let _ = call.answer.send(Ok(published));
        }
        Ok(PublishOutcome::TooLarge(counts)) => {
            let too_large = TooLarge::new(&counts, call.limit());
            call.refuse(PublishError::TooLarge(too_large));
        }
        Err(error) => {
            outages.store_failed("publish", &error);
            metrics.failed(call.events.len(), &error);
            call.refuse(PublishError::Store(Arc::new(error)));
        }
    }
}
