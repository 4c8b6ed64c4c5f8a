//! [`DeliveryHistory`].

mod list;
mod prune;

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{DeliveryHistory, Pruned, StoreError};
use rdev_webhooks_domain::{
    Attempt, AttemptId, Delivery, DeliveryFilter, DeliveryId, DeliveryRecord, Page, PageRequest,
};

use crate::SqliteStore;
use crate::error::{self, Row};
use crate::rows::attempt::AttemptRow;
use crate::rows::delivery::delivery_rows;

#[async_trait]
impl DeliveryHistory for SqliteStore {
    async fn get(&self, id: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        let now = self.clock.now();
        let id = id.as_uuid().as_bytes().to_vec();
        let mut snapshot = self.listings.begin().await?;
        let row = delivery_rows!("FROM webhooks_deliveries AS d WHERE d.id = ?1", id)
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(error::database)?;
        let Some(row) = row else {
            return Ok(None);
        };
        let delivery = row.delivery(now)?;
        let event = sqlx::query!("SELECT body, traceparent FROM webhooks_events WHERE id = ?1", row.event_id)
            .fetch_optional(&mut *snapshot)
            .await
            .map_err(error::database)?;
        let event = Row { table: "deliveries", id: &delivery.id }.some("event_id", event)?;
        let place = Row { table: "events", id: &delivery.event_id };
        let traceparent = event.traceparent.map(|trace| place.parse("traceparent", &trace)).transpose()?;
        Ok(Some(DeliveryRecord { body: event.body.into(), traceparent, delivery }))
    }

    async fn list(
        &self,
        filter: &DeliveryFilter,
        page: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery>, StoreError> {
        self.list_deliveries(filter, page).await
    }

    async fn attempts(&self, id: DeliveryId, page: PageRequest<u32>) -> Result<Page<Attempt>, StoreError> {
        let bytes = id.as_uuid().as_bytes().to_vec();
        let limit = i64::from(page.limit) + 1;
        let mut snapshot = self.listings.begin().await?;
        let rows = sqlx::query_as!(
            AttemptRow,
            r#"SELECT number, "trigger", started_at, duration_ns, dns_ns, connect_ns, tls_ns, first_byte_ns,
                 signature, response_status, response_headers, response_body, response_truncated, failure_class,
                 failure_detail
               FROM webhooks_attempts WHERE delivery_id = ?1 AND (?2 IS NULL OR number < ?2)
               ORDER BY number DESC LIMIT ?3"#,
            bytes,
            page.before,
            limit
        )
        .fetch_all(&mut *snapshot)
        .await
        .map_err(error::database)?;
        let number = |row: &AttemptRow| u32::try_from(row.number).unwrap_or_default();
        let name = |row: &AttemptRow| AttemptId::derive(id, number(row)).to_string();
        Page::read(rows, page.limit, name, |row| row.attempt(id))
    }

    async fn prune(&self, retention: Duration) -> Result<Pruned, StoreError> {
        self.prune_before(self.seen_at().await? - retention).await
    }
}
