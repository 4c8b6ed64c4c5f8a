//! The health of endpoints, stored in `endpoint_health`. A webhook without a row is healthy. The rules are
//! [`Health`]'s, in the statements that settle and claim.

use std::collections::HashMap;
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    DisabledReason, DisabledWebhook, Health, OperationalEvent, Timestamp, WakeUp, WebhookId,
};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::convert::{from_sql_time, to_micros_up, to_u32};
use crate::events::publish::publish_in;
use crate::store::Inner;

/// Returns the health of webhooks, in the same order.
pub(crate) async fn of(store: &Inner, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError> {
    let wanted: Vec<Uuid> = ids.iter().map(WebhookId::as_uuid).collect();
    let rows = store
        .browse()
        .run(async |conn| {
            sqlx::query!(
                "SELECT webhook_id, consecutive_failures, open_count, open_until, is_probing, failing_since,
                     last_failed_at, last_failure_silent, failing_reported
                 FROM rdev_webhooks.endpoint_health WHERE webhook_id = ANY($1)",
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
                open_count: to_u32(row.open_count),
                open_until: row.open_until.map(from_sql_time),
                is_probing: row.is_probing,
                failing_since: Some(from_sql_time(row.failing_since)),
                last_failed_at: Some(from_sql_time(row.last_failed_at)),
                is_silent: row.last_failure_silent,
                is_reported: row.failing_reported,
            };
            (row.webhook_id, health)
        })
        .collect();
    Ok(wanted.iter().map(|id| known.get(id).copied().unwrap_or_default()).collect())
}

/// Disables webhooks that have failed for `after`, by the rule of [`Health::has_failed_for`], publishes the
/// events of that, and returns since when they had failed.
///
/// The webhooks are locked before the health is read, in the order of all transactions that lock both. The
/// statement reads a locked row as its last writer left it: it waits for a success that is being recorded,
/// and then does not disable that webhook.
pub(crate) async fn disable_failing(
    store: &Inner,
    after: Duration,
    limit: u32,
) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
    let after_us = to_micros_up(after);
    let (rows, deliveries) = store
        .write()
        .run(async |conn| {
            let mut tx = conn.begin().await?;
            let held = sqlx::query_scalar!(
                "WITH failing AS MATERIALIZED (
                     SELECT h.webhook_id
                     FROM rdev_webhooks.endpoint_health h
                     JOIN rdev_webhooks.webhooks w ON w.id = h.webhook_id
                         AND w.deleted_at IS NULL AND w.disabled_at IS NULL
                     WHERE h.failing_since <= rdev_webhooks.now() - $1::int8 * interval '1 microsecond'
                         AND h.failing_since + $1 / 2 * interval '1 microsecond' <= h.last_failed_at
                     ORDER BY h.failing_since, h.webhook_id LIMIT $2
                 )
                 SELECT id FROM rdev_webhooks.webhooks
                 WHERE id = ANY(ARRAY(SELECT webhook_id FROM failing))
                     AND deleted_at IS NULL AND disabled_at IS NULL
                 ORDER BY id FOR UPDATE",
                after_us,
                i64::from(limit)
            )
            .fetch_all(&mut *tx)
            .await?;
            if held.is_empty() {
                return Ok((Vec::new(), 0));
            }
            let disabled = sqlx::query!(
                "WITH failing AS MATERIALIZED (
                     SELECT h.webhook_id, h.failing_since
                     FROM rdev_webhooks.endpoint_health h
                     WHERE h.webhook_id = ANY($1)
                         AND h.failing_since <= rdev_webhooks.now() - $2::int8 * interval '1 microsecond'
                         AND h.failing_since + $2 / 2 * interval '1 microsecond' <= h.last_failed_at
                     ORDER BY h.webhook_id FOR UPDATE
                 ),
                 unsubscribed AS (
                     DELETE FROM rdev_webhooks.subscriptions s USING failing f
                     WHERE s.webhook_id = f.webhook_id
                 )
                 UPDATE rdev_webhooks.webhooks w SET disabled_reason = $3,
                     disabled_at = rdev_webhooks.now(), updated_at = rdev_webhooks.now(),
                     version = w.version + 1
                 FROM failing f WHERE w.id = f.webhook_id
                 RETURNING w.id, f.failing_since",
                &held,
                after_us,
                DisabledReason::Failing.as_str()
            )
            .fetch_all(&mut *tx)
            .await?;
            let ids: Vec<_> = disabled.iter().map(|row| row.id).collect();
            let deliveries = publish_disabled(&mut tx, store, &ids, DisabledReason::Failing).await?;
            tx.commit().await?;
            Ok((disabled, deliveries))
        })
        .await?;
    if deliveries > 0 {
        store.wakeups.wake(deliveries, WakeUp::Any);
    }
    let disabled = rows.into_iter();
    let mut disabled: Vec<_> =
        disabled.map(|row| (WebhookId::from_uuid(row.id), from_sql_time(row.failing_since))).collect();
    disabled.sort_unstable_by_key(|(id, since)| (*since, *id));
    Ok(disabled)
}

/// Stores the events of webhooks that the transaction has disabled. Returns the number of deliveries.
pub(crate) async fn publish_disabled(
    tx: &mut PgConnection,
    store: &Inner,
    ids: &[Uuid],
    reason: DisabledReason,
) -> Result<u64, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT w.id, w.version, w.projects, w.disabled_at AS "disabled_at!",
             h.failing_since AS "failing_since?"
         FROM rdev_webhooks.webhooks w LEFT JOIN rdev_webhooks.endpoint_health h ON h.webhook_id = w.id
         WHERE w.id = ANY($1) AND w.disabled_at IS NOT NULL ORDER BY w.id"#,
        ids
    )
    .fetch_all(&mut *tx)
    .await?;
    let events = rows.into_iter().map(|row| {
        let projects: Result<_, _> = row.projects.iter().map(|name| name.parse()).collect();
        let disabled = DisabledWebhook {
            id: WebhookId::from_uuid(row.id),
            version: row.version.unsigned_abs(),
            // An unreadable webhook is disabled too.
            projects: projects.unwrap_or_default(),
            reason,
            since: from_sql_time(row.disabled_at),
            failing_since: row.failing_since.map(from_sql_time),
        };
        OperationalEvent { event: disabled.event(), except: None }
    });
    publish_in(tx, store, events.collect()).await
}
