//! Release of claims.

use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{CancelReason, DeliveryStatus, LeaseRef, WakeUp};

use crate::error::{describe, timed_out};
use crate::store::Inner;

/// The longest wait to release leases that cannot be used; after it they expire by themselves.
const GIVE_BACK_WITHIN: Duration = Duration::from_secs(5);

/// Releases unused claims in one statement; a released delivery of a deleted webhook is cancelled.
pub(crate) async fn release(store: &Inner, leases: &[LeaseRef]) -> Result<(), StoreError> {
    if leases.is_empty() {
        return Ok(());
    }
    let mut leases = leases.to_vec();
    // All transactions lock rows in one order, so that none deadlock.
    leases.sort_unstable_by_key(|lease| lease.delivery);
    let ids: Vec<_> = leases.iter().map(|lease| lease.delivery.as_uuid()).collect();
    let tokens: Vec<_> = leases.iter().map(|lease| lease.token.as_i64()).collect();
    store
        .write()
        .run(async |conn| {
            sqlx::query!(
                "WITH input AS (
                     SELECT * FROM unnest($1::uuid[], $2::int8[]) AS g(id, token)
                 ),
                 cancelled AS (
                     DELETE FROM rdev_webhooks.delivery_queue q USING input g
                     WHERE q.id = g.id AND q.lease_token = g.token
                         AND NOT EXISTS (SELECT FROM rdev_webhooks.webhooks w
                             WHERE w.id = q.webhook_id AND w.deleted_at IS NULL)
                     RETURNING q.*
                 ),
                 recorded AS (
                     INSERT INTO rdev_webhooks.deliveries (id, event_id, webhook_id, finished_at,
                         attempts, automatic_attempts, status, reason, last_attempt)
                     SELECT c.id, c.event_id, c.webhook_id, rdev_webhooks.now(), c.attempts - 1,
                         c.automatic_attempts - (c.trigger = 'automatic')::int4, $3, $4, c.last_attempt
                     FROM cancelled c
                 )
                 UPDATE rdev_webhooks.delivery_queue q SET
                     lease_token = NULL, lease_taken_at = NULL, lease_expires_at = NULL,
                     attempts = q.attempts - 1,
                     automatic_attempts = q.automatic_attempts - (q.trigger = 'automatic')::int4
                 FROM input g
                 WHERE q.id = g.id AND q.lease_token = g.token
                     AND EXISTS (SELECT FROM rdev_webhooks.webhooks w
                         WHERE w.id = q.webhook_id AND w.deleted_at IS NULL)",
                &ids,
                &tokens,
                DeliveryStatus::Cancelled.as_str(),
                CancelReason::WebhookDeleted.as_str(),
            )
            .execute(&mut **conn)
            .await
        })
        .await?;
    store.wakeups.wake(1, WakeUp::Any);
    Ok(())
}

/// Removes claimed deliveries without an event, which cannot be sent: they should have been removed with it.
pub(super) async fn remove_eventless(store: &Inner, leases: &[LeaseRef]) -> Result<(), StoreError> {
    if leases.is_empty() {
        return Ok(());
    }
    let ids: Vec<_> = leases.iter().map(|lease| lease.delivery.as_uuid()).collect();
    let tokens: Vec<_> = leases.iter().map(|lease| lease.token.as_i64()).collect();
    let removed = store
        .write()
        .run(async |conn| {
            sqlx::query_scalar!(
                r#"
                WITH removed AS (
                    DELETE FROM rdev_webhooks.delivery_queue q
                    USING unnest($1::uuid[], $2::int8[]) AS g(id, token)
                    WHERE q.id = g.id AND q.lease_token = g.token
                        AND NOT EXISTS (SELECT FROM rdev_webhooks.events e WHERE e.id = q.event_id)
                    RETURNING q.id
                ),
                deleted_attempts AS (
                    DELETE FROM rdev_webhooks.attempts a USING removed r WHERE a.delivery_id = r.id
                )
                SELECT count(*) AS "removed!" FROM removed
                "#,
                &ids,
                &tokens
            )
            .fetch_one(&mut **conn)
            .await
        })
        .await?;
    tracing::error!(removed, "deliveries without events removed; they cannot be sent");
    Ok(())
}

/// Waits for a release, and logs its failure.
pub(crate) async fn give_back(giving: impl Future<Output = Result<(), StoreError>>) {
    let given = tokio::time::timeout(GIVE_BACK_WITHIN, giving).await;
    let given = given.unwrap_or_else(|_| Err(timed_out(GIVE_BACK_WITHIN)));
    if let Err(error) = given {
        tracing::warn!(error = %describe(&error), "cannot release claims; their leases will expire");
    }
}
