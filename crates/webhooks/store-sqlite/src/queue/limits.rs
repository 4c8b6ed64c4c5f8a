//! The limits of a webhook that all claims keep together: its rate and its own cap of deliveries in flight.

use std::collections::HashMap;
use std::num::NonZeroU32;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{LeasedDelivery, RateLimit, Timestamp, WebhookId};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;

use crate::error::DbError;
use crate::json;
use crate::rows::micros;
use crate::webhooks::rows as webhook;

/// The limits of a webhook and what they allow.
#[derive(Debug)]
pub(super) struct Limits {
    rate_limit: Option<RateLimit>,
    spent_until: Option<Timestamp>,
    /// The number of deliveries that may be claimed.
    pub(super) allowed: u32,
}

/// Returns the limits of those webhooks that have any.
pub(super) async fn load(
    conn: &mut SqliteConnection,
    webhooks: &[WebhookId],
    now: Timestamp,
) -> Result<HashMap<WebhookId, Limits>, DbError> {
    if webhooks.is_empty() {
        return Ok(HashMap::new());
    }
    let ids = json::ids(webhooks.iter().map(WebhookId::as_uuid))?;
    let rows = sqlx::query!(
        r#"SELECT w.id, w.rate_limit, l.spent_until AS "spent_until?", w.max_in_flight
           FROM webhooks_webhooks AS w LEFT JOIN webhooks_shared_limits AS l ON l.webhook_id = w.id
           WHERE w.id IN (SELECT unhex(value) FROM json_each(?1))
             AND (w.rate_limit IS NOT NULL OR w.max_in_flight IS NOT NULL)"#,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut limits = HashMap::with_capacity(rows.len());
    for row in rows {
        let in_flight = match row.max_in_flight {
            Some(cap) => in_flight(conn, &row.id, cap, now).await?,
            None => 0,
        };
        let read = || {
            let id = webhook::id(&row.id)?;
            let place = webhook::row(&id);
            let rate_limit = webhook::rate_limit(&place, row.rate_limit)?;
            let cap = webhook::max_in_flight(&place, row.max_in_flight)?;
            let spent_until = row.spent_until.map(Timestamp::from_micros);
            let by_rate = rate_limit.map_or(u32::MAX, |rate| rate.allowed(spent_until, now));
            let by_cap = cap.map_or(u32::MAX, |cap: NonZeroU32| cap.get().saturating_sub(in_flight));
            Ok::<_, StoreError>((id, Limits { rate_limit, spent_until, allowed: by_rate.min(by_cap) }))
        };
        limits.extend(damage::leave_out(read()));
    }
    Ok(limits)
}

/// Returns the number of deliveries in flight, up to `cap`. They are among the webhook's first `cap` deliveries,
/// because a claim takes the longest due first.
async fn in_flight(
    conn: &mut SqliteConnection,
    webhook: &[u8],
    cap: i64,
    now: Timestamp,
) -> Result<u32, DbError> {
    let at = micros(now);
    let count = sqlx::query_scalar!(
        "SELECT count(*) FROM (
             SELECT d.claimable_at
             FROM webhooks_deliveries AS d INDEXED BY webhooks_deliveries_by_webhook_id_due_at
             WHERE d.webhook_id = ?1 AND d.claimable_at IS NOT NULL AND d.due_at <= ?2
             ORDER BY d.due_at LIMIT +?3
         ) AS f WHERE f.claimable_at > ?2",
        webhook,
        at,
        cap
    )
    .fetch_one(conn)
    .await?;
    Ok(u32::try_from(count).unwrap_or(u32::MAX))
}

/// Records the rates that a claim has spent.
pub(super) async fn spend(
    conn: &mut SqliteConnection,
    limits: &HashMap<WebhookId, Limits>,
    leased: &[LeasedDelivery],
    now: Timestamp,
) -> Result<(), DbError> {
    let mut counts: HashMap<WebhookId, u32> = HashMap::new();
    for delivery in leased {
        *counts.entry(delivery.target.webhook_id).or_default() += 1;
    }
    for (webhook, count) in counts {
        let Some(Limits { rate_limit: Some(rate), spent_until, .. }) = limits.get(&webhook) else { continue };
        let (id, spent_until) = (webhook.as_uuid(), micros(rate.spend(*spent_until, count, now)));
        let id = id.as_bytes().as_slice();
        sqlx::query!(
            "INSERT INTO webhooks_shared_limits (webhook_id, spent_until) VALUES (?1, ?2)
             ON CONFLICT (webhook_id) DO UPDATE SET spent_until = excluded.spent_until",
            id,
            spent_until
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}
