//! [`DeliveryQueue`].

mod batch;
mod cancel;
pub(crate) mod claim;
mod discover;
mod limits;
mod redeliver;
mod release;
mod report;
mod settle;
mod survey;

use std::sync::Arc;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{AdvanceClaim, Cancellation, DeliveryQueue, Redelivery, StoreError};
use rdev_webhooks_domain::{
    Access, Claim, DeliveryId, Discovery, LeaseRef, LeasedDelivery, QueueStats, RedeliveryRequest,
    Settlement, WakeUp, WebhookId,
};
use sqlx::SqliteConnection;

use crate::SqliteStore;
use crate::error::{self, DbError};

#[async_trait]
impl DeliveryQueue for SqliteStore {
    async fn discover(&self, after: Option<WebhookId>, limit: u32) -> Result<Discovery, StoreError> {
        let mut conn = self.reader().await?;
        Ok(discover::discover(&mut conn, after, limit, &self.endpoints, self.clock.now()).await?)
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<LeasedDelivery>, StoreError> {
        let claim = claim.clone();
        let (endpoints, keyring) = (Arc::clone(&self.endpoints), Arc::clone(&self.keyring));
        self.write(move |conn, now| {
            Box::pin(async move { claim::claim(conn, &claim, &endpoints, &keyring, now).await })
        })
        .await
    }

    fn claim_in_advance(&self, claim: Claim) -> Option<Box<dyn AdvanceClaim>> {
        self.advance_claims.add(claim)
    }

    async fn release(&self, leases: &[LeaseRef]) -> Result<(), StoreError> {
        let leases = leases.to_vec();
        self.write_and_wake(
            move |conn, now| Box::pin(async move { release::release(conn, &leases, now).await }),
            |released| *released,
        )
        .await?;
        Ok(())
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<bool>, StoreError> {
        let batch = settlements.to_vec();
        let recorded = self
            .write_and_wake(
                move |conn, now| Box::pin(async move { settle::settle(conn, &batch, now).await }),
                |recorded| recorded.published > 0,
            )
            .await?;
        for (webhook, decided) in recorded.decided {
            decided.transition.log(webhook, decided.cause.and_then(|place| settlements.get(place)));
        }
        Ok(recorded.valid)
    }

    async fn redeliver(
        &self,
        access: &Access,
        id: DeliveryId,
        request: &RedeliveryRequest,
    ) -> Result<Option<Redelivery>, StoreError> {
        let (access, request) = (access.clone(), request.clone());
        self.write_and_wake(
            move |conn, now| {
                Box::pin(async move { redeliver::redeliver(conn, &access, id, &request, now).await })
            },
            |answer| matches!(answer, Some(Redelivery::Queued(_))),
        )
        .await
    }

    async fn survey(&self) -> Result<QueueStats, StoreError> {
        let mut conn = self.reader().await?;
        Ok(survey::survey(&mut conn, self.clock.now()).await?)
    }

    async fn cancel(&self, access: &Access, id: DeliveryId) -> Result<Option<Cancellation>, StoreError> {
        let access = access.clone();
        self.write(move |conn, now| Box::pin(async move { cancel::cancel(conn, &access, id, now).await }))
            .await
    }

    async fn wait_for_work(&self) -> WakeUp {
        self.wake_ups.wait().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        let Some(lock) = self.lock.upgrade().filter(|_| self.writer.is_running()) else {
            return Err(error::unavailable("the store is closed"));
        };
        lock.verify().map_err(|replaced| error::unwritable(replaced.into()))?;
        lock.check_disk().map_err(error::unwritable)?;
        drop(lock);
        read_something(&mut *self.reader().await?).await?;
        if self.writer.has_failed() {
            self.write(|conn, _| Box::pin(write_something(conn))).await?;
        }
        Ok(())
    }
}

/// Reads a small table.
async fn read_something(conn: &mut SqliteConnection) -> Result<(), DbError> {
    sqlx::query_scalar!("SELECT count(*) FROM webhooks_clock").fetch_one(conn).await?;
    Ok(())
}

/// Writes the smallest possible change.
async fn write_something(conn: &mut SqliteConnection) -> Result<(), DbError> {
    sqlx::query(
        "INSERT INTO webhooks_write_probe (id, value) VALUES (1, randomblob(8))
         ON CONFLICT (id) DO UPDATE SET value = excluded.value",
    )
    .execute(conn)
    .await?;
    Ok(())
}
