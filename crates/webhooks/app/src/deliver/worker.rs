//! The worker, which runs and joins the tasks of a worker process.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use rdev_app::{Ambient, Outages};
use rdev_webhooks_domain::LeaseRef;
use rdev_webhooks_domain::ports::{DeliveryQueue, Dispatcher};
use tokio::sync::mpsc;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::Heartbeat;
use super::local_faults::LocalFaults;
use super::pool::PoolTask;
use super::recording::Recording;
use super::scheduler::{Scheduler, TaskSlots};
use super::settler::Settler;
use crate::Statistics;
use crate::metrics::Attempts;

/// Deadline of the last database call of an aborted worker.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

/// Options of a worker; the default suits most. A value out of bounds is clamped to the nearest bound.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct WorkerOptions {
    /// Number of tasks in the pool: 1 to 1,024.
    pub workers: usize,
    /// Maximum number of deliveries in flight per pool task: 1 to 1,024.
    pub max_in_flight: usize,
    /// Maximum number of parked attempts: up to 65,536. A parked attempt has waited long for a response and
    /// has given up its slot, but it still holds a connection.
    pub max_parked: usize,
    /// Maximum number of deliveries in flight per webhook, over the whole pool: 1 or more.
    pub max_in_flight_per_webhook: u32,
    /// Deadline of an attempt for webhooks without a deadline of their own: 1 ms to 1 h.
    pub delivery_timeout: Duration,
    /// Interval between polls of the queue when no wake-up arrives: 10 ms to 1 h. A worker that has not
    /// polled for more than 5 s is not ready.
    pub poll_interval: Duration,
}

/// Upper bound of the number of tasks and of deliveries per task. Memory use grows with both.
const MAX_POOL: usize = 1_024;
/// Upper bound of parked attempts. Each holds a connection and memory.
const MAX_PARKED: usize = 65_536;
/// Upper bound of intervals: above any sensible value, far below an overflow of a clock.
const MAX_INTERVAL: Duration = Duration::from_secs(3_600);
/// Number of unrecorded outcomes per slot. They are sent again if this process is killed, so they are few; but the
/// pool is not to wait for the database while it records a batch.
const UNRECORDED_PER_SLOT: usize = 2;
const MIN_DELIVERY_TIMEOUT: Duration = Duration::from_millis(1);
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);

/// Implements a method that sets a field.
macro_rules! setters {
    ($($(#[$doc:meta])+ $set:ident $field:ident: $value:ty;)+) => {
        $(
            $(#[$doc])+
            #[must_use]
            pub const fn $set(mut self, $field: $value) -> Self {
                self.$field = $field;
                self
            }
        )+
    };
}

impl WorkerOptions {
    setters! {
        /// Sets [`Self::workers`].
        with_workers workers: usize;
        /// Sets [`Self::max_in_flight`].
        with_max_in_flight max_in_flight: usize;
        /// Sets [`Self::max_parked`].
        with_max_parked max_parked: usize;
        /// Sets [`Self::max_in_flight_per_webhook`].
        with_max_in_flight_per_webhook max_in_flight_per_webhook: u32;
        /// Sets [`Self::delivery_timeout`].
        with_delivery_timeout delivery_timeout: Duration;
        /// Sets [`Self::poll_interval`].
        with_poll_interval poll_interval: Duration;
    }

    /// Clamps each option to its bounds.
    fn within_bounds(self) -> Self {
        Self {
            workers: self.workers.clamp(1, MAX_POOL),
            max_in_flight: self.max_in_flight.clamp(1, MAX_POOL),
            max_parked: self.max_parked.min(MAX_PARKED),
            max_in_flight_per_webhook: self.max_in_flight_per_webhook.max(1),
            delivery_timeout: self.delivery_timeout.clamp(MIN_DELIVERY_TIMEOUT, MAX_INTERVAL),
            poll_interval: self.poll_interval.clamp(MIN_POLL_INTERVAL, MAX_INTERVAL),
        }
    }

    /// Returns the number of slots in the whole pool.
    pub(super) fn slots(&self) -> usize {
        self.workers * self.max_in_flight
    }

    /// Returns the maximum number of deliveries whose attempts have ended and wait for their record.
    pub(super) fn max_unrecorded(&self) -> usize {
        UNRECORDED_PER_SLOT * self.slots()
    }
}

impl Default for WorkerOptions {
    fn default() -> Self {
        Self {
            workers: 10,
            max_in_flight: 32,
            max_parked: 4_096,
            max_in_flight_per_webhook: 32,
            delivery_timeout: Duration::from_secs(15),
            poll_interval: Duration::from_millis(500),
        }
    }
}

/// A worker: sends due deliveries until it is stopped.
pub struct Worker {
    queue: Arc<dyn DeliveryQueue>,
    dispatcher: Arc<dyn Dispatcher>,
    ambient: Ambient,
    options: WorkerOptions,
    heartbeat: Heartbeat,
    statistics: Statistics,
    outages: Outages,
}

impl Worker {
    /// Creates a worker over these ports. It reports its activity to `heartbeat` and its outcomes to
    /// `statistics`.
    #[must_use]
    pub fn new(
        queue: Arc<dyn DeliveryQueue>,
        dispatcher: Arc<dyn Dispatcher>,
        ambient: Ambient,
        options: WorkerOptions,
        heartbeat: Heartbeat,
        statistics: Statistics,
    ) -> Self {
        let outages = Outages::default();
        Self { queue, dispatcher, ambient, options: options.within_bounds(), heartbeat, statistics, outages }
    }

    /// Reports database failures to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Runs the worker until `drain` is cancelled. It then stops claiming, finishes and records the
    /// deliveries in flight, and returns. If `abort` is cancelled too, it drops the deliveries still in
    /// flight and releases them to the queue at once.
    ///
    /// It returns before `drain` only if one of its tasks died, which it logs.
    pub async fn run(self, drain: CancellationToken, abort: CancellationToken) {
        let capacity = self.options.slots() + self.options.max_parked + self.options.max_unrecorded();
        // A channel holds at most one message per delivery, and `progress` two, so senders never wait.
        let (outcomes, outcomes_in) = mpsc::channel(capacity);
        let (progress, progress_in) = mpsc::channel(2 * capacity);

        let metrics = Arc::new(Attempts::new());
        let local_faults = Arc::new(LocalFaults::new());
        let mut pool = JoinSet::new();
        let mut slots = Vec::new();
        for _ in 0..self.options.workers {
            let (jobs, jobs_in) = mpsc::channel(capacity);
            slots.push(TaskSlots::new(jobs));
            let task = PoolTask {
                dispatcher: Arc::clone(&self.dispatcher),
                ambient: self.ambient.clone(),
                delivery_timeout: self.options.delivery_timeout,
                progress: progress.clone(),
                outcomes: outcomes.clone(),
                metrics: Arc::clone(&metrics),
                local_faults: Arc::clone(&local_faults),
                statistics: self.statistics.clone(),
            };
            pool.spawn(task.run(jobs_in, abort.clone()));
        }
        drop(outcomes);

        let recording = Recording::default();
        let (queue, outages) = (Arc::clone(&self.queue), self.outages.clone());
        let settler = Settler::new(queue, progress, self.statistics, outages, recording.clone());
        let mut settling = JoinSet::new();
        settling.spawn(settler.run(outcomes_in, abort));

        let mut left = Vec::new();
        {
            let scheduler = Scheduler::new(
                Arc::clone(&self.queue),
                self.ambient,
                self.options,
                slots,
                recording,
                self.outages,
            );
            let mut scheduling = pin!(scheduler.run(progress_in, drain.clone(), &self.heartbeat));
            loop {
                let ended = tokio::select! {
                    () = &mut scheduling => break,
                    Some(ended) = pool.join_next() => ended,
                    Some(ended) = settling.join_next() => ended,
                };
                left.extend(leases(ended));
                if !drain.is_cancelled() {
                    break;
                }
            }
        }
        while let Some(ended) = pool.join_next().await {
            left.extend(leases(ended));
        }
        while let Some(ended) = settling.join_next().await {
            left.extend(leases(ended));
        }
        self::release(&*self.queue, &left).await;
    }
}

/// Returns the leases that a task still held when it ended.
fn leases(ended: Result<Vec<LeaseRef>, JoinError>) -> Vec<LeaseRef> {
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "worker task died; its leases will expire");
        Vec::new()
    })
}

/// Releases leases. A lease that cannot be released expires.
async fn release(queue: &dyn DeliveryQueue, leases: &[LeaseRef]) {
    if leases.is_empty() {
        return;
    }
    match tokio::time::timeout(RELEASE_DEADLINE, queue.release(leases)).await {
        Ok(Ok(())) => tracing::info!(deliveries = leases.len(), "unfinished deliveries released"),
        Ok(Err(error)) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            "cannot release unfinished deliveries; their leases will expire"
        ),
        Err(_) => {
            tracing::warn!("cannot release unfinished deliveries in time; their leases will expire");
        }
    }
}
