use async_trait::async_trait;

use super::StoreError;
use crate::feed::{ChangePoint, Changes, Watched};
use crate::{DeliveryId, Timestamp};

/// The feed of delivery changes, for subscribers that watch deliveries.
///
/// The feed reads nearly all changes from data that is recorded anyway. The id of a delivery shows when it
/// was accepted, by the clock of the process that published it. All other changes are ordered by the store's
/// own time.
#[async_trait]
pub trait DeliveryFeed: Send + Sync + 'static {
    /// Returns the first `limit` unfinished deliveries with an id after `after`, in the order of their ids.
    ///
    /// 1. MUST return all of them and no others. (`the_feed_tells_what_was_accepted`)
    async fn accepted(&self, after: DeliveryId, limit: u32) -> Result<Vec<DeliveryId>, StoreError>;

    /// Returns the first `limit` changes after `after`: each end of a finished delivery, each failed attempt,
    /// and each return of an ended delivery to the queue, unless it has ended again.
    ///
    /// 1. MUST return every recorded end and failure, in order.
    ///    (`the_feed_tells_what_ended_or_failed_in_order`)
    /// 2. MUST page without gaps and repetitions. (`the_feed_is_paged`)
    /// 3. MUST NOT report a moment as complete if another change may still appear before it, however long the
    ///    transaction of that change takes. A watcher that resumes at a complete moment misses nothing.
    ///    (`the_feed_misses_nothing_that_is_recorded_meanwhile`)
    /// 4. MUST return the deliveries that a redelivery or a replay put back into the queue.
    ///    (`the_feed_tells_what_was_put_back`)
    async fn changed(&self, after: ChangePoint, limit: u32) -> Result<Changes, StoreError>;

    /// Returns when the store's time was last set back, by the time since; `None` if the store does not know.
    ///
    /// 1. MUST be no later than anything recorded after a cursor that is later than now. (the stores' own
    ///    tests)
    async fn set_back_at(&self) -> Result<Option<Timestamp>, StoreError>;

    /// Returns the current state of these deliveries, in any order. Omits deliveries that no longer exist.
    ///
    /// 1. MUST return the projects of the webhook, and whether it was deleted.
    ///    (`the_feed_tells_whose_a_delivery_is`)
    async fn present(&self, ids: &[DeliveryId]) -> Result<Vec<Watched>, StoreError>;
}
