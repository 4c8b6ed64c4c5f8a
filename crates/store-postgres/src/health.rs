//! How endpoints are doing: what stands in `webhook_health`. A webhook without a row is well. Its rules
//! are [`Health`]'s, in the statements that settle and claim.

use std::collections::HashMap;

use rdev_webhooks_domain::ports::{DisabledWebhook, StoreError};
use rdev_webhooks_domain::{DisabledReason, Health, Timestamp, WebhookId};
use uuid::Uuid;

use crate::connect::Inner;
use crate::convert::{from_sql_time, to_sql_time, to_u32};
use crate::error::corrupt;

/// The health of webhooks, in the same order.
pub(crate) async fn of(store: &Inner, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError> {
    let wanted: Vec<Uuid> = ids.iter().map(WebhookId::as_uuid).collect();
    let rows = store
        .browse()
        .run(async |conn| {
            sqlx::query!(
                "SELECT webhook_id, consecutive_failures, openings, open_until, probing, failing_since
                 FROM rdev_webhooks.webhook_health WHERE webhook_id = ANY($1)",
                &wanted
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    let known: HashMap<Uuid, Health> = rows
        .into_iter()
        .map(|row| {
            let health = Health {
                consecutive_failures: to_u32(row.consecutive_failures),
                openings: to_u32(row.openings),
                open_until: row.open_until.map(from_sql_time),
                probing: row.probing,
                failing_since: Some(from_sql_time(row.failing_since)),
            };
            (row.webhook_id, health)
        })
        .collect();
    Ok(wanted.iter().map(|id| known.get(id).copied().unwrap_or_default()).collect())
}

/// Enabled webhooks that have failed since a moment, those that have longest first.
pub(crate) async fn failing(
    store: &Inner,
    before: Timestamp,
    limit: u32,
) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
    let rows = store
        .browse()
        .run(async |conn| {
            sqlx::query!(
                "SELECT h.webhook_id, h.failing_since
                 FROM rdev_webhooks.webhook_health h
                 JOIN rdev_webhooks.webhooks w ON w.id = h.webhook_id
                 WHERE h.failing_since <= $1 AND w.deleted_at IS NULL AND w.disabled_reason IS NULL
                 ORDER BY h.failing_since, h.webhook_id LIMIT $2",
                to_sql_time(before),
                i64::from(limit)
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    let failing = rows.into_iter();
    Ok(failing.map(|row| (WebhookId::from_uuid(row.webhook_id), from_sql_time(row.failing_since))).collect())
}

/// Webhooks that were disabled for these reasons since a moment, the longest disabled first.
pub(crate) async fn disabled(
    store: &Inner,
    reasons: &[DisabledReason],
    since: Timestamp,
    after: Option<(WebhookId, Timestamp)>,
    limit: u32,
) -> Result<Vec<DisabledWebhook>, StoreError> {
    let reasons: Vec<_> = reasons.iter().map(|reason| reason.as_str().to_owned()).collect();
    // The smallest id is no webhook's.
    let (after_id, after_at) = after.unwrap_or((WebhookId::from_uuid(Uuid::nil()), since));
    let rows = store
        .browse()
        .run(async |conn| {
            sqlx::query!(
                r#"SELECT w.id, w.projects, w.disabled_reason AS "reason!", w.disabled_since AS "since!",
                     (SELECT h.failing_since FROM rdev_webhooks.webhook_health h
                     WHERE h.webhook_id = w.id) AS failing_since
                 FROM rdev_webhooks.webhooks w
                 WHERE w.disabled_since IS NOT NULL AND w.deleted_at IS NULL
                     AND (w.disabled_since, w.id) > ($1, $2) AND w.disabled_reason = ANY($4)
                 ORDER BY w.disabled_since, w.id LIMIT $3"#,
                to_sql_time(after_at),
                after_id.as_uuid(),
                i64::from(limit),
                &reasons,
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    rows.into_iter()
        .map(|row| {
            let id = WebhookId::from_uuid(row.id);
            let projects: Result<_, _> = row.projects.iter().map(|name| name.parse()).collect();
            Ok(DisabledWebhook {
                id,
                projects: projects.unwrap_or_default(),
                reason: DisabledReason::parse(&row.reason)
                    .ok_or_else(|| corrupt("webhooks", "disabled_reason", id, "an unknown reason"))?,
                since: from_sql_time(row.since),
                failing_since: row.failing_since.map(from_sql_time),
            })
        })
        .collect()
}
