use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    Access, Attempt, Delivery, DeliveryFilter, DeliveryId, DeliveryRecord, LastAttempt, Page, PageRequest,
};

/// All deliveries, finished or not, for reading.
#[async_trait]
pub trait DeliveryHistory: Send + Sync + 'static {
    /// Returns one delivery and its body; `None` if the caller does not see it.
    ///
    /// 1. MUST return what [`Self::list`] shows to the caller, and nothing else.
    ///    (`deliveries_are_shown_to_their_projects_alone`)
    async fn get(&self, access: &Access, id: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError>;

    /// Returns a page of the visible deliveries, those of the newest events first. A deleted webhook counts with
    /// its last projects.
    ///
    /// 1. MUST return finished and unfinished deliveries in one order.
    ///    (`deliveries_are_paged_newest_first_whatever_their_state`)
    /// 2. MUST apply every given filter. (`deliveries_are_filtered`,
    ///    `deliveries_are_found_by_their_status_of_the_moment`, `deliveries_are_filtered_by_their_last_attempt`,
    ///    `deliveries_are_found_along_their_events`, `deliveries_are_shown_to_their_projects_alone`)
    async fn list(
        &self,
        access: &Access,
        filter: &DeliveryFilter,
        page: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery>, StoreError>;

    /// Returns a page of the attempts of one delivery, latest first: those with a number below `before`.
    ///
    /// 1. MUST keep every field of an attempt, durations to the microsecond, whatever happens after it.
    ///    (`an_attempt_is_kept_exactly`, `a_success_outlives_what_comes_after_it`)
    /// 2. MUST page without gaps and repetitions. (`attempts_are_paged_last_first`)
    async fn attempts(&self, id: DeliveryId, page: PageRequest<u32>) -> Result<Page<Attempt>, StoreError>;

    /// Returns the last recorded attempt of each of these deliveries, such as those of a page, in any order. Omits
    /// deliveries without an attempt.
    ///
    /// 1. MUST return what the first of [`Self::attempts`] shows. (`the_last_attempts_of_a_page_are_read_at_once`)
    async fn last_attempts(&self, deliveries: &[DeliveryId]) -> Result<Vec<LastAttempt>, StoreError>;

    /// Deletes events that were accepted longer ago than `retention`, by the store's own time, with their
    /// deliveries and attempts. Works in bounded steps: the next call continues where this one stops, in
    /// whatever process.
    ///
    /// 1. MUST keep an event while one of its deliveries is unfinished and its webhook is enabled.
    ///    (`pruning_keeps_what_is_unfinished`)
    /// 2. MUST delete all other events completely, with their keys, and webhooks that were deleted longer ago
    ///    than `retention`. (`pruning_removes_what_is_old`)
    /// 3. MUST get past the events that it keeps, however many there are. (the stores' own tests)
    /// 4. MUST cancel a delivery that still waits for a deleted webhook because its worker died, or because
    ///    its event was published at the moment of the deletion.
    ///    (`pruning_cancels_what_a_dead_worker_left_of_a_deleted_webhook`,
    ///    `nothing_waits_for_good_for_a_deleted_webhook`)
    /// 5. MUST delete replays that ended longer ago than `retention`, and no open replay.
    ///    (`pruning_removes_replays_that_ended_long_ago`)
    /// 6. MUST delete previous secrets that no longer sign, whatever the retention is, and change nothing
    ///    else of their webhooks. (`pruning_forgets_secrets_that_sign_no_more`)
    /// 7. MUST keep, for [`DeliveryFeed`](super::DeliveryFeed), that a delivery was put back into the queue
    ///    until it has ended again. (`the_feed_tells_what_was_put_back`)
    async fn prune(&self, retention: Duration) -> Result<Pruned, StoreError>;
}

/// The number of deleted rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// The deleted events.
    pub events: u64,
    /// The deleted deliveries.
    pub deliveries: u64,
    /// Whether the call stopped at a bound and more rows are to be deleted soon.
    pub has_more: bool,
}
