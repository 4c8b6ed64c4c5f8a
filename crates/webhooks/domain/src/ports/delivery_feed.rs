use async_trait::async_trait;

use super::StoreError;
use crate::feed::{ChangePoint, Changes, Watched};
use crate::{DeliveryId, Timestamp};

/// Where those who watch learn which deliveries have changed.
///
/// Little is written for them: nearly all of this is read from what is recorded anyway. That a delivery was
/// accepted shows in its id, whose time is that of the process that published it; everything else is in the
/// order of the store's own time.
#[async_trait]
pub trait DeliveryFeed: Send + Sync + 'static {
    /// The first `limit` unfinished deliveries with an id after `after`, in the order of their ids.
    ///
    /// 1. MUST hold all of them and no other. (`the_feed_tells_what_was_accepted`)
    async fn accepted(&self, after: DeliveryId, limit: u32) -> Result<Vec<DeliveryId>, StoreError>;

    /// The first `limit` changes after `after`: each time that a finished delivery ended, each failure of an
    /// attempt, and each time that a delivery that had ended was put back into the queue, unless it has ended again.
    ///
    /// 1. MUST hold every end and every failure that was recorded, in order.
    ///    (`the_feed_tells_what_ended_or_failed_in_order`)
    /// 2. MUST page without gaps and repetitions. (`the_feed_is_paged`)
    /// 3. MUST name as complete no moment before which another change may still appear, however long its
    ///    transaction takes; a watcher that begins at that moment again misses nothing.
    ///    (`the_feed_misses_nothing_that_is_recorded_meanwhile`)
    /// 4. MUST hold what was put back by a redelivery or a replay. (`the_feed_tells_what_was_put_back`)
    async fn changed(&self, after: ChangePoint, limit: u32) -> Result<Changes, StoreError>;

    /// When the store's time was last set back, by the time since; none if the store does not know.
    ///
    /// 1. MUST be no later than anything that was recorded after a cursor that is later than now. (the stores' own
    ///    tests)
    async fn set_back_at(&self) -> Result<Option<Timestamp>, StoreError>;

    /// These deliveries as they are now, in whatever order; those that are gone are left out.
    ///
    /// 1. MUST tell the projects that the webhook is limited to, and whether it was deleted.
    ///    (`the_feed_tells_whose_a_delivery_is`)
    async fn present(&self, ids: &[DeliveryId]) -> Result<Vec<Watched>, StoreError>;
}
