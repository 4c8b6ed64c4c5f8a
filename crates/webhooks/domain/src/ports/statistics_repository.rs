use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::statistics::{Statistics, StatisticsWindow, Sums};
use crate::{ProjectName, Timestamp, WebhookId};

/// Where the sums of what became of deliveries are kept.
#[async_trait]
pub trait StatisticsRepository: Send + Sync + 'static {
    /// Adds sums to those of the present [buckets](crate::statistics::Bucket); no webhook comes twice.
    ///
    /// 1. MUST add all of it, however many add to the same webhook at once.
    ///    (`sums_add_up_and_are_kept_exactly`, `sums_that_are_added_at_once_all_count`)
    async fn add(&self, sums: &[(WebhookId, Sums)]) -> Result<(), StoreError>;

    /// The statistics of one webhook: the sums of the window's [span](StatisticsWindow::span), by the store's
    /// own time, and what is still to be delivered. With `visible_to`, the backlog is that of events of these
    /// projects alone.
    ///
    /// 1. MUST hold all that was added within the span and nothing else. (`statistics_cover_their_window`)
    /// 2. MUST count what is unfinished, whatever its state, up to the limit, and tell the oldest.
    ///    (`statistics_tell_of_what_is_unfinished`)
    async fn read(
        &self,
        webhook: WebhookId,
        window: StatisticsWindow,
        not_before: Option<Timestamp>,
        visible_to: Option<&BTreeSet<ProjectName>>,
    ) -> Result<Statistics, StoreError>;

    /// Removes buckets that began longer ago than the retention, by the store's own time, and buckets of five
    /// minutes that are older than [`KEEP_FINE`](crate::statistics::Bucket::KEEP_FINE).
    ///
    /// 1. MUST keep the others. (`old_statistics_are_removed`)
    async fn forget(&self, retention: Duration) -> Result<(), StoreError>;
}
