//! The statistics of webhooks: adding up counters, and reading them.
//!
//! Each process adds up its counters in memory, and a task stores them about once a second. So statistics
//! cost a delivery next to nothing. A process that is killed loses the last second of its statistics, and
//! nothing else.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_app::Outages;
use rdev_webhooks_domain::ports::{StatisticsRepository, StoreError};
use rdev_webhooks_domain::statistics::{Counters, StatisticsWindow};
use rdev_webhooks_domain::{Access, Settlement, Timestamp, WebhookId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// How long counters are buffered before they are stored; the second while the database is unavailable.
const FLUSH_INTERVAL: Duration = Duration::from_secs(1);
const MAX_FLUSH_INTERVAL: Duration = Duration::from_secs(30);
/// The number of webhooks whose counters one step stores.
const MAX_BATCH: usize = 256;
/// The number of webhooks whose counters may wait while the database is unavailable; further webhooks are
/// not counted.
const MAX_WEBHOOKS: usize = 65_536;

/// An error of reading statistics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// The window is longer than the retention, which is given.
    #[error("must not exceed the retention of {}", text(*.0))]
    WindowTooLong(Duration),
    /// The database failed.
    #[error("the statistics could not be read")]
    Store(#[from] StoreError),
}

/// Returns a duration in the form of a window.
fn text(keep: Duration) -> String {
    match keep.as_secs() / 60 {
        minutes if minutes % (24 * 60) == 0 => format!("{}d", minutes / (24 * 60)),
        minutes if minutes % 60 == 0 => format!("{}h", minutes / 60),
        minutes => format!("{minutes}m"),
    }
}

/// Records and reports the statistics of webhooks. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Statistics {
    repository: Arc<dyn StatisticsRepository>,
    buffer: Arc<Buffer>,
    keep: Duration,
}

/// The task behind [`Statistics`]. The caller runs and joins it.
pub struct StatisticsTask {
    repository: Arc<dyn StatisticsRepository>,
    buffer: Arc<Buffer>,
    outages: Outages,
}

/// The counters that are not stored yet.
#[derive(Default)]
struct Buffer {
    sums: Mutex<HashMap<WebhookId, Counters>>,
    /// Notified when the first counter is added.
    first_counter: Notify,
}

impl Buffer {
    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookId, Counters>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds a count to a webhook's counters.
    fn count(&self, webhook: WebhookId, count: impl FnOnce(&mut Counters)) {
        self.count_all([(webhook, count)]);
    }

    fn count_all<F: FnOnce(&mut Counters)>(&self, counts: impl IntoIterator<Item = (WebhookId, F)>) {
        let mut sums = self.lock();
        let was_empty = sums.is_empty();
        for (webhook, count) in counts {
            if sums.len() < MAX_WEBHOOKS || sums.contains_key(&webhook) {
                count(sums.entry(webhook).or_default());
            }
        }
        if was_empty && !sums.is_empty() {
            self.first_counter.notify_one();
        }
    }
}

impl Statistics {
    /// Creates statistics over a port that reach back as far as `keep`, and the task that must run for
    /// them.
    #[must_use]
    pub fn new(repository: Arc<dyn StatisticsRepository>, keep: Duration) -> (Self, StatisticsTask) {
        let buffer = Arc::<Buffer>::default();
        let task = StatisticsTask {
            repository: Arc::clone(&repository),
            buffer: Arc::clone(&buffer),
            outages: Outages::default(),
        };
        (Self { repository, buffer, keep }, task)
    }

    /// Counts settlements, each with its webhook.
    pub(crate) fn settled<'a>(&self, settlements: impl Iterator<Item = (WebhookId, &'a Settlement)>) {
        let counts = settlements
            .map(|(webhook, settlement)| (webhook, |sums: &mut Counters| sums.settled(settlement)));
        self.buffer.count_all(counts);
    }

    /// Counts an abandoned attempt.
    pub(crate) fn abandoned(&self, webhook: WebhookId) {
        self.buffer.count(webhook, Counters::abandoned);
    }

    /// Counts a delivery that was cancelled on request.
    pub fn cancelled(&self, webhook: WebhookId) {
        self.buffer.count(webhook, |sums| sums.cancelled = sums.cancelled.saturating_add(1));
    }

    /// Returns the statistics of a webhook, without those recorded before `not_before`. The backlog
    /// counts only events that the caller sees.
    pub async fn read(
        &self,
        access: &Access,
        webhook: WebhookId,
        window: StatisticsWindow,
        not_before: Option<Timestamp>,
    ) -> Result<rdev_webhooks_domain::statistics::Statistics, StatisticsError> {
        if window.as_duration() > self.keep {
            return Err(StatisticsError::WindowTooLong(self.keep));
        }
        Ok(self.repository.read(access, webhook, window, not_before).await?)
    }
}

impl StatisticsTask {
    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Stores the counters until `stop`, then once more.
    pub async fn run(self, stop: CancellationToken) {
        let mut interval = FLUSH_INTERVAL;
        while stop.run_until_cancelled(self.wait_to_flush(interval)).await.is_some() {
            interval =
                if self.store().await { FLUSH_INTERVAL } else { (interval * 2).min(MAX_FLUSH_INTERVAL) };
        }
        self.store().await;
    }

    /// Waits for the first counter, then for as long.
    async fn wait_to_flush(&self, duration: Duration) {
        self.buffer.first_counter.notified().await;
        tokio::time::sleep(duration).await;
    }

    /// Stores the counters. Those that cannot be stored because the database is unavailable wait for the
    /// next time; returns true if there are none of these. They count twice if the database stored them
    /// without an answer.
    async fn store(&self) -> bool {
        let mut sums: Vec<_> = std::mem::take(&mut *self.buffer.lock()).into_iter().collect();
        while !sums.is_empty() {
            let batch = sums.split_off(sums.len().saturating_sub(MAX_BATCH));
            match self.repository.add(&batch).await {
                Ok(()) => self.outages.worked("store statistics"),
                Err(error @ StoreError::Unavailable(_)) => {
                    self.outages.store_failed("store statistics", &error);
                    tracing::debug!("statistics not stored yet; will retry");
                    let waiting = sums.into_iter().chain(batch);
                    self.buffer.count_all(
                        waiting.map(|(webhook, more)| (webhook, move |sums: &mut Counters| sums.add(&more))),
                    );
                    return false;
                }
                Err(error) => {
                    self.outages.store_failed("store statistics", &error);
                    tracing::debug!(webhooks = batch.len(), "database rejected statistics; they are lost");
                }
            }
        }
        true
    }
}

#[cfg(test)]
#[path = "statistics_tests.rs"]
mod tests;
