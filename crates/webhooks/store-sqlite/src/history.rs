//! [`DeliveryHistory`].

mod list;
mod prune;

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{DeliveryHistory, Pruned, StoreError};
use rdev_webhooks_domain::{
    Access, Attempt, Delivery, DeliveryFilter, DeliveryId, DeliveryRecord, LastAttempt, Page, PageRequest,
    Timestamp,
};
use sqlx::SqliteConnection;

use crate::error::{DbError, Row};
use crate::rows::attempt;
use crate::{SqliteStore, visible};

#[async_trait]
impl DeliveryHistory for SqliteStore {
    async fn get(&self, access: &Access, id: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        let now = self.clock.now();
        Ok(get(&mut *self.listings.begin().await?, access, id, now).await?)
    }

    async fn list(
        &self,
        access: &Access,
        filter: &DeliveryFilter,
        page: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery>, StoreError> {
        let now = self.clock.now();
        Ok(list::list(&mut *self.listings.begin().await?, access, filter, page, now).await?)
    }

    async fn attempts(&self, id: DeliveryId, page: PageRequest<u32>) -> Result<Page<Attempt>, StoreError> {
        Ok(attempt::list(&mut *self.listings.begin().await?, id, page).await?)
    }

    async fn last_attempts(&self, deliveries: &[DeliveryId]) -> Result<Vec<LastAttempt>, StoreError> {
        Ok(attempt::last(&mut *self.listings.begin().await?, deliveries).await?)
    }

    async fn prune(&self, retention: Duration) -> Result<Pruned, StoreError> {
        Ok(self.prune_before(self.seen_at().await? - retention).await?)
    }
}

async fn get(
    conn: &mut SqliteConnection,
    access: &Access,
    id: DeliveryId,
    now: Timestamp,
) -> Result<Option<DeliveryRecord>, DbError> {
    let Some(row) = visible::delivery(conn, access, id).await? else {
        return Ok(None);
    };
    let delivery = row.delivery(now)?;
    let event = sqlx::query!(
        r#"SELECT e.body, e.traceparent, w.format AS "format?"
           FROM webhooks_events AS e LEFT JOIN webhooks_webhooks AS w ON w.id = ?2 WHERE e.id = ?1"#,
        row.event_id,
        row.webhook_id
    )
    .fetch_optional(conn)
    .await?;
    let event = Row { table: "deliveries", id: &delivery.id }.some("event_id", event)?;
    let place = Row { table: "events", id: &delivery.event_id };
    let traceparent = event.traceparent.map(|trace| place.parse("traceparent", &trace)).transpose()?;
    let webhook = Row { table: "webhooks", id: &delivery.webhook_id };
    let format = event.format.map(|format| webhook.parse("format", &format)).transpose()?.unwrap_or_default();
    Ok(Some(DeliveryRecord { body: event.body.into(), format, traceparent, delivery }))
}
