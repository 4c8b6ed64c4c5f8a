use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{Attempt, Delivery, DeliveryFilter, DeliveryId, DeliveryRecord, Page, PageRequest};

/// Where deliveries, finished or not, are looked at.
#[async_trait]
pub trait DeliveryHistory: Send + Sync + 'static {
    /// One delivery and what it sends.
    async fn get(&self, id: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError>;

    /// A page of deliveries, those of the newest events first.
    ///
    /// 1. MUST hold finished and unfinished ones alike, in one order.
    ///    (`deliveries_are_paged_newest_first_whatever_their_state`)
    /// 2. MUST apply every filter that is given. (`deliveries_are_filtered`,
    ///    `deliveries_are_shown_to_their_projects_alone`)
    async fn list(
        &self,
        filter: &DeliveryFilter,
        page: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery>, StoreError>;

    /// A page of one delivery's attempts, the last first: those with a number under `before`.
    ///
    /// 1. MUST keep every field of an attempt, durations to the microsecond, whatever comes after it.
    ///    (`an_attempt_is_kept_exactly`, `a_success_outlives_what_comes_after_it`)
    /// 2. MUST page without gaps and repetitions. (`attempts_are_paged_last_first`)
    async fn attempts(&self, id: DeliveryId, page: PageRequest<u32>) -> Result<Page<Attempt>, StoreError>;

    /// Removes what is older than the retention: events accepted longer ago than that, by the store's own
    /// time, with their deliveries and attempts, in bounded steps; where it stops at a bound, the next call
    /// continues there, whichever process makes it.
    ///
    /// 1. MUST keep an event while one of its deliveries is unfinished and its webhook is enabled.
    ///    (`pruning_keeps_what_is_unfinished`)
    /// 2. MUST remove the others completely, their keys and webhooks deleted as long ago included.
    ///    (`pruning_removes_what_is_old`)
    /// 3. MUST get past those that are kept, however many they are. (the stores' own tests)
    /// 4. MUST cancel what waits for a deleted webhook because its worker died, or
    ///    because its event was published in the moment of the deletion.
    ///    (`pruning_cancels_what_a_dead_worker_left_of_a_deleted_webhook`,
    ///    `nothing_waits_for_good_for_a_deleted_webhook`)
    /// 5. MUST remove replays that ended as long ago, and none that is open.
    ///    (`pruning_removes_replays_that_ended_long_ago`)
    /// 6. MUST forget the previous secrets of webhooks that sign no more, whatever the retention is, and leave
    ///    everything else of these webhooks as it is. (`pruning_forgets_secrets_that_sign_no_more`)
    /// 7. MUST leave it to [`DeliveryFeed`](super::DeliveryFeed) that something was put back until it has ended
    ///    again. (`the_feed_tells_what_was_put_back`)
    async fn prune(&self, retention: Duration) -> Result<Pruned, StoreError>;
}

/// What was removed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Events.
    pub events: u64,
    /// Deliveries.
    pub deliveries: u64,
    /// Whether it stopped at a bound with more before it that should go soon.
    pub has_more: bool,
}
