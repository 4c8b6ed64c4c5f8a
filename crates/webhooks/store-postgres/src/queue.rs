//! [`DeliveryQueue`] on Postgres.

mod asleep;
mod bodies;
mod cancel;
mod claim;
mod discover;
mod limits;
mod redeliver;
mod release;
mod settle;
mod survey;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{AdvanceClaim, Cancellation, DeliveryQueue, Redelivery, StoreError};
use rdev_webhooks_domain::{
    Access, Claim, DeliveryId, Discovery, LeaseRef, LeasedDelivery, QueueStats, RedeliveryRequest,
    Settlement, WakeUp, WebhookId,
};

pub(crate) use release::{give_back, release};

use crate::readiness;
use crate::store::PostgresStore;

#[async_trait]
impl DeliveryQueue for PostgresStore {
    async fn discover(&self, after: Option<WebhookId>, limit: u32) -> Result<Discovery, StoreError> {
        discover::discover(&self.inner, after, limit).await
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<LeasedDelivery>, StoreError> {
        claim::claim(&self.inner, claim).await
    }

    fn claim_in_advance(&self, claim: Claim) -> Option<Box<dyn AdvanceClaim>> {
        self.inner.advance_claims.add(claim)
    }

    async fn release(&self, leases: &[LeaseRef]) -> Result<(), StoreError> {
        release::release(&self.inner, leases).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<bool>, StoreError> {
        settle::settle(&self.inner, settlements).await
    }

    async fn redeliver(
        &self,
        access: &Access,
        id: DeliveryId,
        request: &RedeliveryRequest,
    ) -> Result<Option<Redelivery>, StoreError> {
        redeliver::redeliver(self, access, id, request).await
    }

    async fn survey(&self) -> Result<QueueStats, StoreError> {
        survey::survey(&self.inner).await
    }

    async fn cancel(&self, access: &Access, id: DeliveryId) -> Result<Option<Cancellation>, StoreError> {
        cancel::cancel(&self.inner, access, id).await
    }

    async fn wait_for_work(&self) -> WakeUp {
        self.inner.wakeups.wait().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        readiness::check(&self.inner).await
    }
}
