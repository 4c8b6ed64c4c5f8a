//! Redelivers and cancels deliveries on request.

use std::sync::Arc;

use rdev_access::Ids;
use rdev_webhooks_domain::ports::{Cancellation, DeliveryHistory, DeliveryQueue, Redelivery, StoreError};
use rdev_webhooks_domain::{
    Access, CancelReason, Delivery, DeliveryId, DeliveryState, RedeliveryRequest, Trigger,
};

use crate::Statistics;

/// Redelivers and cancels deliveries. Cheap to clone.
#[derive(Clone)]
pub struct Deliveries {
    queue: Arc<dyn DeliveryQueue>,
    history: Arc<dyn DeliveryHistory>,
    statistics: Statistics,
}

impl Deliveries {
    /// Creates the use cases over these ports.
    #[must_use]
    pub fn new(
        queue: Arc<dyn DeliveryQueue>,
        history: Arc<dyn DeliveryHistory>,
        statistics: Statistics,
    ) -> Self {
        Self { queue, history, statistics }
    }

    /// Makes an attempt due now, only once under one idempotency key. Returns `None` if the delivery does
    /// not exist, or if the caller does not see it.
    pub async fn redeliver(
        &self,
        access: &Access,
        id: DeliveryId,
        ids: Ids,
    ) -> Result<Option<Redelivery>, StoreError> {
        let request = RedeliveryRequest { trigger: Trigger::Manual, key: ids.key() };
        self.queue.redeliver(access, id, &request).await
    }

    /// Cancels a pending or retrying delivery. Returns `None` as [`Self::redeliver`] does.
    pub async fn cancel(
        &self,
        access: &Access,
        id: DeliveryId,
        ids: Ids,
    ) -> Result<Option<Cancellation>, StoreError> {
        let answer = self.queue.cancel(access, id).await?;
        match &answer {
            Some(Cancellation::Cancelled(delivery)) => self.statistics.cancelled(delivery.webhook_id),
            Some(Cancellation::Ended) if ids.may_exist() => {
                let ended = self.history.get(access, id).await?.map(|record| record.delivery);
                // Most likely by the same request, which was interrupted before its response.
                if let Some(delivery) = ended.filter(was_asked_for) {
                    return Ok(Some(Cancellation::Cancelled(delivery)));
                }
            }
            _ => {}
        }
        Ok(answer)
    }
}

/// Returns true if the delivery was cancelled on request.
fn was_asked_for(delivery: &Delivery) -> bool {
    matches!(delivery.state, DeliveryState::Cancelled { reason: CancelReason::Requested, .. })
}
