use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::statistics::{Counters, Statistics, StatisticsWindow};
use crate::{Access, Timestamp, WebhookId};

/// The stored statistics of deliveries.
#[async_trait]
pub trait StatisticsRepository: Send + Sync + 'static {
    /// Adds counters to the current [buckets](crate::statistics::Bucket). Each webhook occurs at most once.
    ///
    /// 1. MUST add all of them, however many add to the same webhook concurrently.
    ///    (`sums_add_up_and_are_kept_exactly`, `sums_that_are_added_at_once_all_count`)
    async fn add(&self, sums: &[(WebhookId, Counters)]) -> Result<(), StoreError>;

    /// Returns the statistics of one webhook: the sums over the window's [span](StatisticsWindow::span), by
    /// the store's own time, and the backlog, which contains only events that the caller
    /// sees.
    ///
    /// 1. MUST contain all that was added within the span and nothing else. (`statistics_cover_their_window`)
    /// 2. MUST return the deliveries that ended in each bucket, whose sum is that of the span.
    ///    (`statistics_have_a_course`)
    /// 3. MUST count the unfinished deliveries in every state, up to the limit, and return the oldest.
    ///    (`statistics_tell_of_what_is_unfinished`)
    async fn read(
        &self,
        access: &Access,
        webhook: WebhookId,
        window: StatisticsWindow,
        not_before: Option<Timestamp>,
    ) -> Result<Statistics, StoreError>;

    /// Deletes buckets that began longer ago than the retention, by the store's own time, and five-minute
    /// buckets older than [`KEEP_FINE`](crate::statistics::Bucket::KEEP_FINE).
    ///
    /// 1. MUST keep all others. (`old_statistics_are_removed`)
    async fn forget(&self, retention: Duration) -> Result<(), StoreError>;
}
