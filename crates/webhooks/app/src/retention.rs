//! Removing what is older than it has to be kept.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryHistory, IdempotencyRepository, StatisticsRepository};
use tokio_util::sync::CancellationToken;

use crate::Outages;

/// How often old history is removed.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// The same while a pass leaves more than it may remove at once.
const INTERVAL_BEHIND: Duration = Duration::from_secs(60);

/// Removes events, deliveries, attempts and statistics that are older than the retention, and idempotency keys
/// whose time is over, once an hour.
pub struct Retention {
    history: Arc<dyn DeliveryHistory>,
    keys: Arc<dyn IdempotencyRepository>,
    statistics: Arc<dyn StatisticsRepository>,
    keep: Duration,
    outages: Outages,
}

impl Retention {
    /// Keeps what is younger than `keep`.
    #[must_use]
    pub fn new(
        history: Arc<dyn DeliveryHistory>,
        keys: Arc<dyn IdempotencyRepository>,
        statistics: Arc<dyn StatisticsRepository>,
        keep: Duration,
    ) -> Self {
        Self { history, keys, statistics, keep, outages: Outages::default() }
    }

    /// Tells these of what the database fails to do.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Works until `drain`. A pass that fails is tried again an hour later.
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

    /// Removes what there is to remove, and says whether there is more to be removed soon.
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
