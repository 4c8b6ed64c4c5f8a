//! Cancellation of a deleted webhook's deliveries.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{CancelReason, DeliveryStatus, WebhookId};

use crate::pool::Pool;

/// The maximum number of deliveries that one statement cancels.
const CANCEL_STEP: i64 = 2_000;

/// Cancels the deliveries of the queue `q` that a query finds, step by step, and returns their number. The
/// query's parameters begin with $4.
macro_rules! cancel {
    ($pool:ident, $found:literal $(, $argument:expr)*) => {{
        let mut cancelled = 0;
        loop {
            let done = $pool
                .run(async |conn| {
                    sqlx::query_scalar!(
                        "WITH found AS MATERIALIZED ("
                            + $found
                            + " LIMIT $1 FOR UPDATE OF q SKIP LOCKED),
                         cancelled AS (
                             DELETE FROM rdev_webhooks.delivery_queue q USING found f WHERE q.id = f.id
                             RETURNING q.*
                         ),
                         recorded AS (
                             INSERT INTO rdev_webhooks.deliveries (id, event_id, webhook_id, finished_at,
                                 attempts, automatic_attempts, status, reason, last_attempt)
                             SELECT c.id, c.event_id, c.webhook_id, rdev_webhooks.now(), c.attempts,
                                 c.automatic_attempts, $2, $3, c.last_attempt
                             FROM cancelled c
                             RETURNING 1
                         )
                         SELECT count(*) AS \"count!\" FROM recorded",
                        CANCEL_STEP,
                        DeliveryStatus::Cancelled.as_str(),
                        CancelReason::WebhookDeleted.as_str()
                        $(, $argument)*
                    )
                    .fetch_one(&mut **conn)
                    .await
                })
                .await?;
            cancelled += u64::try_from(done).unwrap_or(0);
            if done < CANCEL_STEP {
                break Ok(cancelled);
            }
        }
    }};
}

/// Cancels a deleted webhook's deliveries, except those that are or were being sent.
pub(crate) async fn cancel_waiting(pool: &Pool, webhook: WebhookId) -> Result<u64, StoreError> {
    cancel!(
        pool,
        "SELECT q.id FROM rdev_webhooks.delivery_queue q
         WHERE q.webhook_id = $4 AND q.lease_token IS NULL ORDER BY q.id",
        webhook.as_uuid()
    )
}

/// Cancels all deliveries left for deleted webhooks: those whose worker died, and those that were published
/// or settled at the moment of the deletion.
pub(crate) async fn sweep_deleted(pool: &Pool) -> Result<u64, StoreError> {
    cancel!(
        pool,
        "SELECT q.id FROM rdev_webhooks.webhooks w
         JOIN rdev_webhooks.delivery_queue q ON q.webhook_id = w.id
         WHERE w.deleted_at IS NOT NULL
             AND (q.lease_expires_at IS NULL OR q.lease_expires_at <= rdev_webhooks.now())"
    )
}
