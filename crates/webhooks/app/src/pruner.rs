//! Removes expired data.

use std::sync::Arc;
use std::time::Duration;

use rdev_access::ports::IdempotencyRepository;
use rdev_app::Outages;
use rdev_app::periodic::{Periodic, Stagger, repeat};
use rdev_webhooks_domain::ports::{DeliveryHistory, StatisticsRepository};
use tokio_util::sync::CancellationToken;

/// The interval between two passes.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The interval while a pass leaves more than it may remove at once.
const INTERVAL_BEHIND: Duration = Duration::from_secs(60);

/// Removes events, deliveries, attempts and statistics that are older than the retention, and expired
/// idempotency keys, once an hour.
pub struct Pruner {
    history: Arc<dyn DeliveryHistory>,
    keys: Arc<dyn IdempotencyRepository>,
    statistics: Arc<dyn StatisticsRepository>,
    keep: Duration,
    outages: Outages,
    stagger: Stagger,
}

impl Pruner {
    /// Creates a task that keeps what is younger than `keep`.
    #[must_use]
    pub fn new(
        history: Arc<dyn DeliveryHistory>,
        keys: Arc<dyn IdempotencyRepository>,
        statistics: Arc<dyn StatisticsRepository>,
        keep: Duration,
    ) -> Self {
        let (outages, stagger) = (Outages::default(), Stagger::default());
        Self { history, keys, statistics, keep, outages, stagger }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Delays the first pass.
    #[must_use]
    pub fn with_stagger(mut self, stagger: Stagger) -> Self {
        self.stagger = stagger;
        self
    }

    /// Runs until `drain`. A pass that fails is repeated an hour later.
    pub async fn run(self, drain: CancellationToken) {
        let delay = self.stagger.delay(INTERVAL);
        repeat(self, delay, &drain).await;
    }

    /// Removes expired data, and returns true if a further pass is needed soon.
    async fn pass(&self) -> bool {
        let mut has_more = false;
        match self.history.prune(self.keep).await {
            Ok(pruned) => {
                self.outages.worked("delete expired history");
                has_more = pruned.has_more;
                if pruned.events > 0 {
                    tracing::info!(
                        events = pruned.events,
                        deliveries = pruned.deliveries,
                        "expired history deleted"
                    );
                }
            }
            Err(error) => {
                self.outages.store_failed("delete expired history", &error);
            }
        }
        match self.keys.prune().await {
            Ok(removed) => {
                self.outages.worked("delete expired idempotency keys");
                tracing::debug!(removed, "expired idempotency keys deleted");
            }
            Err(error) => {
                self.outages.store_failed("delete expired idempotency keys", &error);
            }
        }
        match self.statistics.forget(self.keep).await {
            Ok(()) => self.outages.worked("delete expired statistics"),
            Err(error) => {
                self.outages.store_failed("delete expired statistics", &error);
            }
        }
        has_more
    }
}

impl Periodic for Pruner {
    async fn run_once(&mut self) -> Duration {
        if self.pass().await { INTERVAL_BEHIND } else { INTERVAL }
    }
}
