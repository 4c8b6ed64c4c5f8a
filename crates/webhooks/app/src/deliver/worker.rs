//! What runs and joins the tasks of a worker process.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

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
use crate::measures::Attempts;
use crate::{Ambient, Outages, Statistics};

/// How long the last word to the database may take when a worker is told to end at once.
const RELEASE_DEADLINE: Duration = Duration::from_secs(5);

/// How a worker works. What lies outside the bounds is taken for the nearest that lies within.
#[derive(Debug, Clone)]
pub struct WorkerOptions {
    /// Tasks in the pool: 1 to 1,024.
    pub workers: usize,
    /// Deliveries that one task of the pool may have in flight: 1 to 1,024.
    pub max_in_flight: usize,
    /// Attempts that may go on beside the pool because they have no answer for long, so that their slots are
    /// free: up to 65,536. Each holds a connection.
    pub max_parked: usize,
    /// Deliveries that one webhook may have in flight in the whole pool: 1 or more.
    pub max_in_flight_per_webhook: u32,
    /// The deadline of one attempt, for webhooks that have none of their own: 1 ms to 1 h.
    pub delivery_timeout: Duration,
    /// How often the queue is looked at when no wake-up comes: 10 ms to 1 h. A worker that has not looked for
    /// more than 5 s is not ready.
    pub poll_interval: Duration,
}

/// The most tasks, and deliveries for each: what waits in memory grows with both.
const MAX_POOL: usize = 1_024;
/// The most attempts that may be parked: each holds a connection, and memory.
const MAX_PARKED: usize = 65_536;
/// Above anything that makes sense, and far below what a clock can add.
const MAX_INTERVAL: Duration = Duration::from_secs(3_600);
const MIN_DELIVERY_TIMEOUT: Duration = Duration::from_millis(1);
const MIN_POLL_INTERVAL: Duration = Duration::from_millis(10);

impl WorkerOptions {
    /// The nearest within the bounds.
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

    /// How many deliveries the whole pool may have in flight.
    pub(super) fn slots(&self) -> usize {
        self.workers * self.max_in_flight
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

/// Delivers what is due, until told to stop.
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
    /// A worker over these ports, which tells `heartbeat` that it is at work, and `statistics` what came of it.
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

    /// Tells these of what the database fails to do.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Works until `drain` is cancelled; then claims nothing more, finishes and records what is in
    /// flight, and returns. When `abort` is cancelled too, what is still in flight is dropped and given
    /// back to the queue at once.
    ///
    /// It returns before `drain` only if one of its tasks died, which is logged.
    pub async fn run(self, drain: CancellationToken, abort: CancellationToken) {
        let capacity = self.options.slots() + self.options.max_parked;
        // Each holds at most one message for each delivery in flight, so nobody ever waits to send.
        let (outcomes, outcomes_in) = mpsc::channel(capacity);
        let (freed, freed_in) = mpsc::channel(capacity);

        let measures = Arc::new(Attempts::new());
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
                outcomes: outcomes.clone(),
                measures: Arc::clone(&measures),
                local_faults: Arc::clone(&local_faults),
                statistics: self.statistics.clone(),
            };
            pool.spawn(task.run(jobs_in, abort.clone()));
        }
        drop(outcomes);

        let recording = Recording::default();
        let (queue, outages) = (Arc::clone(&self.queue), self.outages.clone());
        let settler = Settler::new(queue, freed, self.statistics, outages, recording.clone());
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
            let mut scheduling = pin!(scheduler.run(freed_in, drain.clone(), &self.heartbeat));
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

/// What a task still held when it ended.
fn leases(ended: Result<Vec<LeaseRef>, JoinError>) -> Vec<LeaseRef> {
    ended.unwrap_or_else(|error| {
        tracing::error!(%error, "worker task died; its leases will expire");
        Vec::new()
    })
}

/// Gives leases back. What cannot be given back expires by itself.
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
