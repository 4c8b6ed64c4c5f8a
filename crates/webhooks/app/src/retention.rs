//! Removes expired data.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryHistory, IdempotencyRepository, StatisticsRepository};
use tokio_util::sync::CancellationToken;

use crate::Outages;

/// The interval between two passes.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The interval while a pass leaves more than it may remove at once.
const INTERVAL_BEHIND: Duration = Duration::from_secs(60);

/// Removes events, deliveries, attempts and statistics that are older than the retention, and expired
/// idempotency keys, once an hour.
pub struct Retention {
    history: Arc<dyn DeliveryHistory>,
    keys: Arc<dyn IdempotencyRepository>,
    statistics: Arc<dyn StatisticsRepository>,
    keep: Duration,
    outages: Outages,
}

impl Retention {
    /// Creates a task that keeps what is younger than `keep`.
    #[must_use]
    pub fn new(
        history: Arc<dyn DeliveryHistory>,
        keys: Arc<dyn IdempotencyRepository>,
        statistics: Arc<dyn StatisticsRepository>,
        keep: Duration,
    ) -> Self {
        Self { history, keys, statistics, keep, outages: Outages::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Runs until `drain`. A pass that fails is repeated an hour later.
    pub async fn run(self, drain: CancellationToken) {
        loop {
            let has_more = tokio::select! {
                () = drain.cancelled() => return,
                has_more = self.pass() => has_more,
            };
            let pause = if has_more { INTERVAL_BEHIND } else { INTERVAL };
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
        }
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
