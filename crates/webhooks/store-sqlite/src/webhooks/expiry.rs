//! Disabling of expired webhooks.

use rdev_webhooks_domain::{DisabledReason, Timestamp, WebhookId};
use sqlx::SqliteConnection;

use super::health::publish_disabled;
use super::rows;
use crate::error::DbError;
use crate::rows::micros;

/// Returns whether a webhook has expired that is still enabled.
pub(super) async fn is_due(conn: &mut SqliteConnection, now: Timestamp) -> Result<bool, DbError> {
    let now = micros(now);
    let is_due = sqlx::query_scalar!(
        r#"SELECT EXISTS (SELECT 1 FROM webhooks_webhooks
           WHERE expires_at <= ?1 AND disabled_at IS NULL AND deleted_at IS NULL) AS "is_due!: bool""#,
        now
    )
    .fetch_one(conn)
    .await?;
    Ok(is_due)
}

/// Disables webhooks that have expired, and publishes the events of that. Returns their ids, and the number of
/// deliveries.
pub(super) async fn disable_expired(
    conn: &mut SqliteConnection,
    limit: u32,
    now: Timestamp,
) -> Result<(Vec<WebhookId>, u64), DbError> {
    let (reason, now_us) = (DisabledReason::Expired.as_str(), micros(now));
    let disabled = sqlx::query!(
        r#"WITH expired AS MATERIALIZED (
             SELECT id FROM webhooks_webhooks
             WHERE expires_at <= ?1 AND disabled_at IS NULL AND deleted_at IS NULL
             ORDER BY expires_at, id LIMIT +?2)
           UPDATE webhooks_webhooks SET disabled_reason = ?3, disabled_at = ?1, updated_at = ?1, version = version + 1
           FROM expired WHERE webhooks_webhooks.id = expired.id
           RETURNING webhooks_webhooks.id, expires_at AS "expires_at!: i64""#,
        now_us,
        limit,
        reason
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut ids = Vec::with_capacity(disabled.len());
    for row in disabled {
        ids.push((row.expires_at, rows::id(&row.id)?));
    }
    ids.sort_unstable();
    let ids: Vec<_> = ids.into_iter().map(|(_, id)| id).collect();
    let deliveries = publish_disabled(conn, ids.iter().copied(), DisabledReason::Expired, now).await?;
    Ok((ids, deliveries))
}
