//! The health of endpoints, stored in `webhooks_endpoint_health`. A webhook without a row is healthy.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use rdev_webhooks_domain::{DisabledReason, DisabledWebhook, Health, OperationalEvent, Timestamp, WebhookId};
use serde::Serialize;
use sqlx::{SqliteConnection, SqliteExecutor};

use crate::error::{DbError, Row};
use crate::events::publish::publish_in;
use crate::json;
use crate::rows::{micros, set};

/// Reads the health of those webhooks that have a row.
pub(crate) async fn load(
    conn: impl SqliteExecutor<'_>,
    ids: impl IntoIterator<Item = WebhookId>,
) -> Result<HashMap<WebhookId, Health>, DbError> {
    let ids = json::ids(ids.into_iter().map(|id| id.as_uuid()))?;
    let found = sqlx::query!(
        r#"SELECT webhook_id, consecutive_failures, open_count, open_until, is_probing AS "is_probing: bool",
             failing_since, last_failed_at, last_failure_silent AS "last_failure_silent: bool",
             failing_reported AS "failing_reported: bool"
           FROM webhooks_endpoint_health WHERE webhook_id IN (SELECT unhex(value) FROM json_each(?1))"#,
        ids
    )
    .fetch_all(conn)
    .await?;
    let mut healths = HashMap::with_capacity(found.len());
    for row in found {
        let id = super::rows::id(&row.webhook_id)?;
        let place = Row { table: "endpoint_health", id: &id };
        let health = Health {
            consecutive_failures: place.number("consecutive_failures", row.consecutive_failures)?,
            open_count: place.number("open_count", row.open_count)?,
            open_until: row.open_until.map(Timestamp::from_micros),
            is_probing: row.is_probing,
            failing_since: Some(Timestamp::from_micros(row.failing_since)),
            last_failed_at: Some(Timestamp::from_micros(row.last_failed_at)),
            is_silent: row.last_failure_silent,
            is_reported: row.failing_reported,
        };
        healths.insert(id, health);
    }
    Ok(healths)
}

/// The health of an unhealthy endpoint; the members have the names of the columns.
#[derive(Serialize)]
struct SavedHealth {
    webhook_id: String,
    consecutive_failures: u32,
    failing_since: i64,
    last_failed_at: i64,
    last_failure_silent: bool,
    open_count: u32,
    open_until: Option<i64>,
    is_probing: bool,
    failing_reported: bool,
}

/// Writes changed health; the row of a healthy webhook is deleted.
pub(crate) async fn save(
    conn: &mut SqliteConnection,
    changed: &BTreeMap<WebhookId, Health>,
) -> Result<(), DbError> {
    let (mut healthy, mut unhealthy) = (Vec::new(), Vec::new());
    for (id, health) in changed {
        let Some(failing_since) = health.failing_since else {
            healthy.push(id.as_uuid());
            continue;
        };
        unhealthy.push(SavedHealth {
            webhook_id: json::id(id.as_uuid()),
            consecutive_failures: health.consecutive_failures,
            failing_since: micros(failing_since),
            last_failed_at: micros(health.last_failed_at.unwrap_or(failing_since)),
            last_failure_silent: health.is_silent,
            open_count: health.open_count,
            open_until: health.open_until.map(micros),
            is_probing: health.is_probing,
            failing_reported: health.is_reported,
        });
    }
    if !healthy.is_empty() {
        let healthy = json::ids(healthy)?;
        sqlx::query!(
            "DELETE FROM webhooks_endpoint_health WHERE webhook_id IN (SELECT unhex(value) FROM json_each(?1))",
            healthy
        )
        .execute(&mut *conn)
        .await?;
    }
    if !unhealthy.is_empty() {
        let unhealthy = json::rows(&unhealthy)?;
        sqlx::query!(
            "INSERT OR REPLACE INTO webhooks_endpoint_health
               (webhook_id, consecutive_failures, failing_since, last_failed_at, last_failure_silent,
                open_count, open_until, is_probing, failing_reported)
             SELECT unhex(value ->> 'webhook_id'), value ->> 'consecutive_failures', value ->> 'failing_since',
               value ->> 'last_failed_at', value ->> 'last_failure_silent', value ->> 'open_count',
               value ->> 'open_until', value ->> 'is_probing', value ->> 'failing_reported'
             FROM json_each(?1)",
            unhealthy
        )
        .execute(conn)
        .await?;
    }
    Ok(())
}

/// Disables webhooks that have failed for `after`, by the rule of [`Health::has_failed_for`], and publishes the
/// events of that. Returns since when they had failed, and the number of deliveries.
pub(crate) async fn disable_failing(
    conn: &mut SqliteConnection,
    after: Duration,
    limit: u32,
    now: Timestamp,
) -> Result<(Vec<(WebhookId, Timestamp)>, u64), DbError> {
    let reason = DisabledReason::Failing.as_str();
    let (before, half) =
        (micros(now - after), i64::try_from((after / 2).as_micros()).unwrap_or(i64::MAX / 2));
    let now_us = micros(now);
    let disabled = sqlx::query!(
        r#"WITH failing AS MATERIALIZED (
             SELECT w.id, h.failing_since
             FROM webhooks_endpoint_health AS h CROSS JOIN webhooks_webhooks AS w ON w.id = h.webhook_id
             WHERE h.failing_since <= ?1 AND h.failing_since + ?2 <= h.last_failed_at
               AND w.disabled_at IS NULL AND w.deleted_at IS NULL
             ORDER BY h.failing_since, w.id LIMIT +?3)
           UPDATE webhooks_webhooks SET disabled_reason = ?4, disabled_at = ?5, updated_at = ?5, version = version + 1
           FROM failing WHERE webhooks_webhooks.id = failing.id
           RETURNING webhooks_webhooks.id, (SELECT h.failing_since FROM webhooks_endpoint_health AS h
             WHERE h.webhook_id = webhooks_webhooks.id) AS "failing_since!: i64""#,
        before,
        half,
        limit,
        reason,
        now_us
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut failing = Vec::with_capacity(disabled.len());
    for row in disabled {
        failing.push((super::rows::id(&row.id)?, Timestamp::from_micros(row.failing_since)));
    }
    failing.sort_unstable_by_key(|(id, since)| (*since, *id));
    let ids = failing.iter().map(|(id, _)| *id);
    let deliveries = publish_disabled(conn, ids, DisabledReason::Failing, now).await?;
    Ok((failing, deliveries))
}

/// Stores the events of webhooks that the transaction has disabled. Returns the number of deliveries.
pub(crate) async fn publish_disabled(
    conn: &mut SqliteConnection,
    ids: impl IntoIterator<Item = WebhookId>,
    reason: DisabledReason,
    now: Timestamp,
) -> Result<u64, DbError> {
    let ids = json::ids(ids.into_iter().map(|id| id.as_uuid()))?;
    let rows = sqlx::query!(
        r#"SELECT w.id, w.version, w.projects, h.failing_since AS "failing_since?"
           FROM webhooks_webhooks AS w LEFT JOIN webhooks_endpoint_health AS h ON h.webhook_id = w.id
           WHERE w.id IN (SELECT unhex(value) FROM json_each(?1)) ORDER BY w.id"#,
        ids
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut deliveries = 0;
    for row in rows {
        let id = super::rows::id(&row.id)?;
        let disabled = DisabledWebhook {
            id,
            version: row.version.unsigned_abs(),
            // An unreadable webhook is disabled too.
            projects: set(&super::rows::row(&id), "projects", &row.projects).unwrap_or_default(),
            reason,
            since: now,
            failing_since: row.failing_since.map(Timestamp::from_micros),
        };
        deliveries +=
            publish_in(conn, OperationalEvent { event: disabled.event(), except: None }, now).await?;
    }
    Ok(deliveries)
}

/// Deletes the health of one webhook.
pub(crate) async fn forget(conn: &mut SqliteConnection, id: &[u8]) -> Result<(), DbError> {
    sqlx::query!("DELETE FROM webhooks_endpoint_health WHERE webhook_id = ?1", id).execute(conn).await?;
    Ok(())
}
