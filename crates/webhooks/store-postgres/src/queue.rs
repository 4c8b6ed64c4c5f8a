//! [`DeliveryQueue`] on Postgres.

mod asleep;
mod bodies;
mod cancel;
mod claim;
pub(crate) mod claim_statement;
mod discover;
pub(crate) mod marks;
mod redeliver;
mod release;
mod settle;
mod survey;
pub(crate) mod sweep;

use std::collections::BTreeSet;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{Cancellation, DeliveryQueue, Redelivery, StoreError};
use rdev_webhooks_domain::{
    Claim, DeliveryId, Discovery, LeaseRef, LeasedDelivery, ProjectName, QueueStats, RedeliveryRequest,
    Settlement, WebhookId,
};

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

    async fn release(&self, leases: &[LeaseRef]) -> Result<(), StoreError> {
        release::release(&self.inner, leases).await
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<bool>, StoreError> {
        settle::settle(&self.inner, settlements).await
    }

    async fn redeliver(
        &self,
        id: DeliveryId,
        request: &RedeliveryRequest,
    ) -> Result<Option<Redelivery>, StoreError> {
        redeliver::redeliver(self, id, request).await
    }

    async fn survey(&self) -> Result<QueueStats, StoreError> {
        survey::survey(&self.inner).await
    }

    async fn cancel(
        &self,
        id: DeliveryId,
        visible_to: Option<&BTreeSet<ProjectName>>,
    ) -> Result<Option<Cancellation>, StoreError> {
        cancel::cancel(&self.inner, id, visible_to).await
    }

    async fn wait_for_work(&self) {
        self.inner.wakeups.wait().await;
    }

    async fn check(&self) -> Result<(), StoreError> {
        readiness::check(&self.inner).await
    }
}
