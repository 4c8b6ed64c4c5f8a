//! [`DeliveryHistory`] on Postgres.

mod list;
mod prune;

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{DeliveryHistory, Pruned, StoreError};
use rdev_webhooks_domain::{
    Access, Attempt, AttemptId, BodyFormatError, Delivery, DeliveryFilter, DeliveryId, DeliveryRecord,
    LastAttempt, Page, PageRequest, TraceParentError, WebhookId,
};
use rdev_webhooks_store::damage;

use crate::convert::{to_i32, to_u32};
use crate::error::corrupt;
use crate::rows::{AttemptRow, DeliveryRow, LastAttemptRow, to_attempt, to_delivery, to_last_attempt};
use crate::store::PostgresStore;
use crate::visible::{self, Range};

#[async_trait]
impl DeliveryHistory for PostgresStore {
    async fn get(&self, access: &Access, id: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        let one = Range { from: id.as_uuid(), to: id.as_uuid() };
        let mut rows = list::select(self, &DeliveryFilter::default(), one, 1).await?;
        if let (Some(row), Some(_)) = (rows.first(), &access.projects) {
            let webhook = Some(WebhookId::from_uuid(row.webhook_id));
            let of_webhook = DeliveryFilter { webhook, ..DeliveryFilter::default() };
            rows = visible::deliveries(self, access, &of_webhook, one, 1).await?;
        }
        let Some(row) = rows.into_iter().next() else {
            return Ok(None);
        };
        let delivery = to_delivery(row)?;
        let event = self
            .inner
            .listings()
            .run(async |conn| {
                sqlx::query!(
                    r#"SELECT e.body, e.traceparent, w.format AS "format?"
                       FROM rdev_webhooks.events e LEFT JOIN rdev_webhooks.webhooks w ON w.id = $2
                       WHERE e.id = $1"#,
                    delivery.event_id.as_uuid(),
                    delivery.webhook_id.as_uuid()
                )
                .fetch_optional(&mut **conn)
                .await
            })
            .await?;
        // `None` if it was pruned between the two.
        let Some(event) = event else {
            return Ok(None);
        };
        let traceparent = event.traceparent.map(|text| text.parse()).transpose();
        let unreadable = |error: TraceParentError| corrupt("events", "traceparent", delivery.event_id, error);
        let format = event.format.as_deref().map(str::parse).transpose();
        let format = format
            .map_err(|error: BodyFormatError| corrupt("webhooks", "format", delivery.webhook_id, error))?;
        Ok(Some(DeliveryRecord {
            traceparent: traceparent.map_err(unreadable)?,
            body: event.body.into(),
            format: format.unwrap_or_default(),
            delivery,
        }))
    }

    async fn list(
        &self,
        access: &Access,
        filter: &DeliveryFilter,
        page: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery>, StoreError> {
        let rows = list::list(self, access, filter, page).await?;
        let id = |row: &DeliveryRow| DeliveryId::from_uuid(row.id).to_string();
        Page::read(rows, page.limit, id, to_delivery)
    }

    async fn attempts(&self, id: DeliveryId, page: PageRequest<u32>) -> Result<Page<Attempt>, StoreError> {
        let rows = self
            .inner
            .listings()
            .run(async |conn| {
                sqlx::query_as!(
                    AttemptRow,
                    r#"SELECT number AS "number!", trigger::text AS "trigger!", started_at AS "started_at!",
                         duration_ns AS "duration_ns!", dns_ns, connect_ns, tls_ns, first_byte_ns,
                         signature AS "signature!", response_status, response_headers, response_body,
                         response_truncated, failure_class, failure_detail
                     FROM (
                         SELECT number, trigger, started_at, duration_ns, dns_ns, connect_ns, tls_ns,
                             first_byte_ns, signature, response_status, response_headers, response_body,
                             response_truncated, failure_class, failure_detail
                         FROM rdev_webhooks.attempts WHERE delivery_id = $1
                         UNION ALL
                         SELECT attempts, success_trigger, success_started_at, success_duration_ns,
                             success_dns_ns, success_connect_ns, success_tls_ns,
                             success_first_byte_ns, success_signature, success_response_status,
                             success_response_headers, success_response_body,
                             success_response_truncated, NULL, NULL
                         FROM rdev_webhooks.deliveries
                         WHERE id = $1 AND success_started_at IS NOT NULL
                     ) a
                     WHERE $2::int4 IS NULL OR number < $2
                     ORDER BY number DESC LIMIT $3"#,
                    id.as_uuid(),
                    page.before.map(to_i32),
                    i64::from(page.limit) + 1,
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        let name = |row: &AttemptRow| AttemptId::derive(id, to_u32(row.number)).to_string();
        Page::read(rows, page.limit, name, |row| to_attempt(id, row))
    }

    async fn last_attempts(&self, deliveries: &[DeliveryId]) -> Result<Vec<LastAttempt>, StoreError> {
        let ids: Vec<_> = deliveries.iter().map(DeliveryId::as_uuid).collect();
        let rows = self
            .inner
            .listings()
            .run(async |conn| {
                sqlx::query_as!(
                    LastAttemptRow,
                    r#"SELECT wanted.id AS "delivery_id!", a.trigger::text AS "trigger!",
                         a.duration_ns AS "duration_ns!", a.response_status, a.failure_class
                     FROM unnest($1::uuid[]) AS wanted(id)
                     CROSS JOIN LATERAL (
                         (SELECT number, trigger, duration_ns, response_status, failure_class
                         FROM rdev_webhooks.attempts WHERE delivery_id = wanted.id
                         ORDER BY number DESC LIMIT 1)
                         UNION ALL
                         SELECT attempts, success_trigger, success_duration_ns, success_response_status, NULL
                         FROM rdev_webhooks.deliveries
                         WHERE id = wanted.id AND success_started_at IS NOT NULL
                         ORDER BY number DESC LIMIT 1
                     ) a"#,
                    &ids
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        Ok(rows.into_iter().map(to_last_attempt).filter_map(damage::leave_out).collect())
    }

    async fn prune(&self, retention: Duration) -> Result<Pruned, StoreError> {
        prune::prune(self.inner.upkeep(), &self.inner.time, self.inner.key_lifetime, retention).await
    }
}
