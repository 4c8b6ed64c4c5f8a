//! Statistics of webhooks: adding up what is recorded, and reading the sums.
//!
//! What a process records is added up in memory, and a task hands the sums to the store about once a second.
//! So statistics cost a delivery next to nothing; and a process that is killed takes the last second of them
//! with it, of the statistics alone.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::ports::{StatisticsRepository, StoreError};
use rdev_webhooks_domain::statistics::{StatisticsWindow, Sums};
use rdev_webhooks_domain::{ProjectName, Settlement, Timestamp, WebhookId};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::Outages;

/// How long sums are gathered before they are stored, and how long at most while the database is away.
const GATHER: Duration = Duration::from_secs(1);
const LONGEST_GATHER: Duration = Duration::from_secs(30);
/// How many webhooks one step stores the sums of.
const MAX_BATCH: usize = 256;
/// The sums of how many webhooks may wait while the database is away; of further ones nothing is counted.
const MAX_WEBHOOKS: usize = 65_536;

/// Why there are no statistics.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StatisticsError {
    /// The window goes further back than history is kept; how far that is.
    #[error("must not exceed the retention of {}", text(*.0))]
    WindowTooLong(Duration),
    /// The database failed.
    #[error("the statistics could not be read")]
    Store(#[from] StoreError),
}

/// A duration as a window is given.
fn text(keep: Duration) -> String {
    match keep.as_secs() / 60 {
        minutes if minutes % (24 * 60) == 0 => format!("{}d", minutes / (24 * 60)),
        minutes if minutes % 60 == 0 => format!("{}h", minutes / 60),
        minutes => format!("{minutes}m"),
    }
}

/// Counts what became of deliveries, and tells. Cheap to clone; clones share everything.
#[derive(Clone)]
pub struct Statistics {
    repository: Arc<dyn StatisticsRepository>,
    gathered: Arc<Gathered>,
    keep: Duration,
}

/// The task behind [`Statistics`], to be run and joined by whoever made it.
pub struct StatisticsTask {
    repository: Arc<dyn StatisticsRepository>,
    gathered: Arc<Gathered>,
    outages: Outages,
}

/// What is not stored yet.
#[derive(Default)]
struct Gathered {
    sums: Mutex<HashMap<WebhookId, Sums>>,
    /// There is something where nothing was.
    begun: Notify,
}

impl Gathered {
    fn lock(&self) -> MutexGuard<'_, HashMap<WebhookId, Sums>> {
        self.sums.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something of a webhook.
    fn count(&self, webhook: WebhookId, count: impl FnOnce(&mut Sums)) {
        self.count_all([(webhook, count)]);
    }

    fn count_all<F: FnOnce(&mut Sums)>(&self, counts: impl IntoIterator<Item = (WebhookId, F)>) {
        let mut sums = self.lock();
        let was_empty = sums.is_empty();
        for (webhook, count) in counts {
            if sums.len() < MAX_WEBHOOKS || sums.contains_key(&webhook) {
                count(sums.entry(webhook).or_default());
            }
        }
        if was_empty && !sums.is_empty() {
            self.begun.notify_one();
        }
    }
}

impl Statistics {
    /// Statistics over a port, as far back as `keep`, and the task that must be run for them.
    #[must_use]
    pub fn new(repository: Arc<dyn StatisticsRepository>, keep: Duration) -> (Self, StatisticsTask) {
        let gathered = Arc::<Gathered>::default();
        let task = StatisticsTask {
            repository: Arc::clone(&repository),
            gathered: Arc::clone(&gathered),
            outages: Outages::default(),
        };
        (Self { repository, gathered, keep }, task)
    }

    /// Counts what was recorded of deliveries, each with its webhook.
    pub(crate) fn settled<'a>(&self, settlements: impl Iterator<Item = (WebhookId, &'a Settlement)>) {
        let counts =
            settlements.map(|(webhook, settlement)| (webhook, |sums: &mut Sums| sums.settled(settlement)));
        self.gathered.count_all(counts);
    }

    /// Counts an attempt whose worker did not live to record it.
    pub(crate) fn abandoned(&self, webhook: WebhookId) {
        self.gathered.count(webhook, Sums::abandoned);
    }

    /// Counts a delivery that was called off on request.
    pub fn cancelled(&self, webhook: WebhookId) {
        self.gathered.count(webhook, |sums| sums.cancelled = sums.cancelled.saturating_add(1));
    }

    /// The statistics of a webhook, of nothing that was recorded before `not_before`; with `visible_to`, the
    /// backlog is that of events of these projects alone.
    pub async fn read(
        &self,
        webhook: WebhookId,
        window: StatisticsWindow,
        not_before: Option<Timestamp>,
        visible_to: Option<&BTreeSet<ProjectName>>,
    ) -> Result<rdev_webhooks_domain::statistics::Statistics, StatisticsError> {
        if window.as_duration() > self.keep {
            return Err(StatisticsError::WindowTooLong(self.keep));
        }
        Ok(self.repository.read(webhook, window, not_before, visible_to).await?)
    }
}

impl StatisticsTask {
    /// Tells these of what the database fails to do.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Stores what is counted until `stop`, and what is left then.
    pub async fn run(self, stop: CancellationToken) {
        let mut gather = GATHER;
        loop {
            tokio::select! {
                () = stop.cancelled() => break,
                () = self.gathered.begun.notified() => {}
            }
            tokio::select! {
                () = stop.cancelled() => break,
                () = tokio::time::sleep(gather) => {}
            }
            gather = if self.store().await { GATHER } else { (gather * 2).min(LONGEST_GATHER) };
        }
        self.store().await;
    }

    /// Stores what was gathered. What could not be stored because the database is away waits for the next
    /// time; says whether there is nothing of that. It may count twice then, if the database had taken it
    /// without saying so.
    async fn store(&self) -> bool {
        let mut sums: Vec<_> = std::mem::take(&mut *self.gathered.lock()).into_iter().collect();
        while !sums.is_empty() {
            let batch = sums.split_off(sums.len().saturating_sub(MAX_BATCH));
            match self.repository.add(&batch).await {
                Ok(()) => self.outages.worked("store statistics"),
                Err(error @ StoreError::Unavailable(_)) => {
                    self.outages.store_failed("store statistics", &error);
                    tracing::debug!("statistics not stored yet; will retry");
                    let waiting = sums.into_iter().chain(batch);
                    self.gathered.count_all(
                        waiting.map(|(webhook, more)| (webhook, move |sums: &mut Sums| sums.add(&more))),
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
