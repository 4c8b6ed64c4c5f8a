//! Disabling of expired webhooks.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{DisabledReason, WakeUp, WebhookId};
use sqlx::Connection;

use super::health::publish_disabled;
use crate::store::Inner;

/// Disables webhooks that have expired, publishes the events of that, and returns their ids.
pub(super) async fn disable_expired(store: &Inner, limit: u32) -> Result<Vec<WebhookId>, StoreError> {
    let (ids, deliveries) = store
        .write()
        .run(async |conn| {
            // Nearly every pass ends here.
            let is_due = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM rdev_webhooks.webhooks
                   WHERE expires_at <= rdev_webhooks.now() AND disabled_at IS NULL AND deleted_at IS NULL)
                   AS "is_due!""#
            )
            .fetch_one(&mut **conn)
            .await?;
            if !is_due {
                return Ok((Vec::new(), 0));
            }
            let mut tx = conn.begin().await?;
            // Other transactions lock webhooks in the order of their ids. This one skips locked webhooks, so that it
            // waits for none of them.
            let ids = sqlx::query_scalar!(
                r#"WITH expired AS MATERIALIZED (
                     SELECT id, expires_at FROM rdev_webhooks.webhooks
                     WHERE expires_at <= rdev_webhooks.now() AND disabled_at IS NULL AND deleted_at IS NULL
                     ORDER BY expires_at, id LIMIT $1 FOR UPDATE SKIP LOCKED
                 ),
                 unsubscribed AS (
                     DELETE FROM rdev_webhooks.subscriptions s USING expired e WHERE s.webhook_id = e.id
                 ),
                 disabled AS (
                     UPDATE rdev_webhooks.webhooks w SET disabled_reason = $2, disabled_at = rdev_webhooks.now(),
                         updated_at = rdev_webhooks.now(), version = w.version + 1
                     FROM expired e WHERE w.id = e.id RETURNING w.id, e.expires_at
                 )
                 SELECT id AS "id!" FROM disabled ORDER BY expires_at, id"#,
                i64::from(limit),
                DisabledReason::Expired.as_str()
            )
            .fetch_all(&mut *tx)
            .await?;
            let deliveries = publish_disabled(&mut tx, store, &ids, DisabledReason::Expired).await?;
            tx.commit().await?;
            Ok((ids, deliveries))
        })
        .await?;
    if deliveries > 0 {
        store.wakeups.wake(deliveries, WakeUp::Any);
    }
    Ok(ids.into_iter().map(WebhookId::from_uuid).collect())
}
