//! [`DeliveryHistory`] on Postgres.

mod prune;

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{DeliveryHistory, Pruned, StoreError};
use rdev_webhooks_domain::{
    Access, Attempt, AttemptId, BodyFormatError, Delivery, DeliveryFilter, DeliveryId, DeliveryRecord, Page,
    PageRequest, TraceParentError, WebhookId,
};
use uuid::Uuid;

use crate::convert::{to_i32, to_u32};
use crate::error::corrupt;
use crate::rows::{AttemptRow, DeliveryRow, to_attempt, to_delivery};
use crate::store::PostgresStore;
use crate::visible::{self, Range};

#[async_trait]
impl DeliveryHistory for PostgresStore {
    async fn get(&self, access: &Access, id: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        let one = Range { from: id.as_uuid(), to: id.as_uuid() };
        let mut rows = select(self, &DeliveryFilter::default(), one, 1).await?;
        if let (Some(row), Some(projects)) = (rows.first(), &access.projects) {
            let webhook = Some(WebhookId::from_uuid(row.webhook_id));
            let of_webhook = DeliveryFilter { webhook, ..DeliveryFilter::default() };
            rows = visible::deliveries(self, &of_webhook, projects, one, 1).await?;
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
        let Some(range) = range_of(filter, page.before) else {
            return Ok(Page::of(Vec::new(), page.limit));
        };
        let limit = i64::from(page.limit) + 1;
        let rows = match &access.projects {
            None => select(self, filter, range, limit).await?,
            Some(projects) => visible::deliveries(self, filter, projects, range, limit).await?,
        };
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

    async fn prune(&self, retention: Duration) -> Result<Pruned, StoreError> {
        prune::prune(self.inner.upkeep(), &self.inner.time, self.inner.key_lifetime, retention).await
    }
}

/// Returns the range of ids that can be in a list; `None` if there can be none.
fn range_of(filter: &DeliveryFilter, before: Option<DeliveryId>) -> Option<Range> {
    // A delivery has its event's millisecond.
    let of_event = filter.event.map(|event| {
        let first = DeliveryId::floor(event.time()).as_uuid();
        let last = Uuid::from_u128(first.as_u128() | ((1 << 80) - 1));
        (first, last)
    });
    let until = filter.until.map(DeliveryId::floor);
    let mut to = match before.into_iter().chain(until).min() {
        None => Uuid::max(),
        Some(end) => Uuid::from_u128(end.as_uuid().as_u128().checked_sub(1)?),
    };
    let mut from = filter.since.map_or(Uuid::nil(), |since| DeliveryId::floor(since).as_uuid());
    if let Some((first, last)) = of_event {
        from = from.max(first);
        to = to.min(last);
    }
    (from <= to).then_some(Range { from, to })
}

/// Returns the deliveries of a range, those of the newest events first: unfinished and finished ones in one
/// order. An index yields each half in that order, no further than the page. The conditions on the event are
/// checked row by row, by the event's key: with a join or an EXISTS the planner could read all events first.
async fn select(
    store: &PostgresStore,
    filter: &DeliveryFilter,
    range: Range,
    limit: i64,
) -> Result<Vec<DeliveryRow>, StoreError> {
    store
        .inner
        .listings()
        .run(async |conn| {
            sqlx::query_file_as!(
                DeliveryRow,
                "src/history/list.sql",
                range.from,
                range.to,
                filter.webhook.map(|webhook| webhook.as_uuid()),
                filter.event.map(|event| event.as_uuid()),
                filter.event_type.as_ref().map(|event_type| event_type.as_str()),
                filter.project.as_ref().map(|project| project.as_str()),
                filter.status.map(|status| status.as_str()),
                limit,
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
}
