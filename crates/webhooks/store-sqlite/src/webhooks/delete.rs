//! Deletion of webhooks.

use rdev_webhooks_domain::ports::Updated;
use rdev_webhooks_domain::{Access, Timestamp, WebhookId};
use sqlx::SqliteConnection;

use super::{bytes, health};
use crate::error::DbError;
use crate::rows::micros;
use crate::{replays, visible};

/// The maximum number of a deleted webhook's waiting deliveries that one step cancels.
const CANCEL_STEP: i64 = 5_000;

/// Marks a webhook as deleted, and deletes its secrets permanently.
pub(super) async fn mark_deleted(
    conn: &mut SqliteConnection,
    access: &Access,
    id: WebhookId,
    versions: Option<Vec<u64>>,
    now: Timestamp,
) -> Result<Updated, DbError> {
    let (webhook, at) = (bytes(id), micros(now));
    if !visible::webhook(conn, access, &webhook).await? {
        return Ok(Updated::NotFound);
    }
    let version = sqlx::query_scalar!(
        r#"SELECT version AS "version: u64" FROM webhooks_webhooks WHERE id = ?1 AND deleted_at IS NULL"#,
        webhook
    )
    .fetch_optional(&mut *conn)
    .await?;
    let Some(version) = version else {
        return Ok(Updated::NotFound);
    };
    if versions.is_some_and(|versions| !versions.contains(&version)) {
        return Ok(Updated::VersionMismatch);
    }
    sqlx::query!(
        "UPDATE webhooks_webhooks
         SET deleted_at = ?2, headers = x'', secret = x'', previous_secret = NULL, previous_secret_until = NULL
         WHERE id = ?1",
        webhook,
        at
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!("DELETE FROM webhooks_subscriptions WHERE webhook_id = ?1", webhook)
        .execute(&mut *conn)
        .await?;
    health::forget(&mut *conn, &webhook).await?;
    replays::rows::make_due(&mut *conn, &webhook, now).await?;
    cancel_waiting(conn, id, now).await?;
    Ok(Updated::Applied)
}

/// Cancels some of a webhook's waiting deliveries; an attempt in flight is still recorded. Returns whether
/// there may be more.
pub(super) async fn cancel_waiting(
    conn: &mut SqliteConnection,
    id: WebhookId,
    now: Timestamp,
) -> Result<bool, DbError> {
    let (webhook, at) = (bytes(id), micros(now));
    let cancelled = sqlx::query!(
        "UPDATE webhooks_deliveries
         SET status = 'cancelled', reason = 'webhook_deleted', finished_at = ?2, claimable_at = NULL,
           deferred_until = NULL
         WHERE id IN (SELECT id FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_due_at
           WHERE webhook_id = ?1 AND claimable_at IS NOT NULL AND lease_token IS NULL LIMIT +?3)",
        webhook,
        at,
        CANCEL_STEP
    )
    .execute(conn)
    .await?;
    Ok(cancelled.rows_affected() == CANCEL_STEP.unsigned_abs())
}
