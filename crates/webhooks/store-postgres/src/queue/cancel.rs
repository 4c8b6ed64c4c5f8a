//! Cancellation of one delivery on request.

use rdev_webhooks_domain::ports::{Cancellation, StoreError};
use rdev_webhooks_domain::{Access, Attempt, CancelReason, DeliveryId, DeliveryStatus, FailureClass};
use sqlx::{Connection, PgConnection};

use crate::rows::{DeliveryRow, to_delivery};
use crate::store::Inner;
use crate::visible;

/// The maximum number of searches: another transaction may reopen a delivery during one.
const MAX_TRIES: u32 = 3;

enum Found {
    Nothing,
    InFlight,
    Ended,
    Cancelled(DeliveryRow),
    Pruned,
    Hidden,
}

/// Cancels a pending or retrying delivery, or returns the reason why it cannot.
pub(crate) async fn cancel(
    store: &Inner,
    access: &Access,
    id: DeliveryId,
) -> Result<Option<Cancellation>, StoreError> {
    for _ in 0..MAX_TRIES {
        let found = store
            .write()
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                let found = attempt(&mut tx, access, id).await?;
                // The rollback does not wait for the connection's return to its pool: until then claims would
                // skip the row.
                match found {
                    Found::Cancelled(_) => tx.commit().await?,
                    _ => tx.rollback().await?,
                }
                Ok(found)
            })
            .await?;
        return Ok(Some(match found {
            Found::Nothing => continue,
            Found::Pruned | Found::Hidden => return Ok(None),
            Found::InFlight => Cancellation::InFlight,
            Found::Ended => Cancellation::Ended,
            Found::Cancelled(row) => Cancellation::Cancelled(to_delivery(row)?),
        }));
    }
    Ok(None)
}

/// Tries once. The row's lock comes first: a claim skips a locked row, and a row that a claim has locked is
/// read as the claim leaves it.
async fn attempt(tx: &mut PgConnection, access: &Access, id: DeliveryId) -> Result<Found, sqlx::Error> {
    let waiting = sqlx::query!(
        r#"SELECT webhook_id, event_id, coalesce(lease_expires_at > rdev_webhooks.now(), false) AS "in_flight!"
         FROM rdev_webhooks.delivery_queue WHERE id = $1 FOR UPDATE"#,
        id.as_uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(waiting) = waiting else {
        let ended = sqlx::query!(
            "SELECT webhook_id, event_id FROM rdev_webhooks.deliveries WHERE id = $1",
            id.as_uuid()
        )
        .fetch_optional(&mut *tx)
        .await?;
        return Ok(match ended {
            None => Found::Nothing,
            Some(ended) if visible::is_shown(tx, access, ended.webhook_id, ended.event_id).await? => {
                Found::Ended
            }
            Some(_) => Found::Hidden,
        });
    };
    if !visible::is_shown(tx, access, waiting.webhook_id, waiting.event_id).await? {
        return Ok(Found::Hidden);
    }
    if waiting.in_flight {
        return Ok(Found::InFlight);
    }
    let row = sqlx::query_as!(
        DeliveryRow,
        r#"
        WITH cancelled AS (
            DELETE FROM rdev_webhooks.delivery_queue WHERE id = $1 RETURNING *
        ),
        recorded AS (
            INSERT INTO rdev_webhooks.deliveries (id, event_id, webhook_id, finished_at, attempts,
                automatic_attempts, status, reason, last_attempt)
            SELECT id, event_id, webhook_id, rdev_webhooks.now(), attempts, automatic_attempts, $2, $3,
                CASE WHEN lease_taken_at IS NULL THEN last_attempt
                    ELSE rdev_webhooks.attempt_summary(trigger, $4, NULL) END
            FROM cancelled
            RETURNING *
        ),
        abandoned AS (
            INSERT INTO rdev_webhooks.attempts (delivery_id, number, trigger, started_at, duration_ns,
                signature, failure_class, failure_detail)
            SELECT id, attempts, trigger, lease_taken_at,
                greatest(0, (extract(epoch FROM rdev_webhooks.now() - lease_taken_at) * 1000000)::int8)
                    * 1000,
                '', $4, $5
            FROM cancelled WHERE lease_taken_at IS NOT NULL
            ON CONFLICT (delivery_id, number) DO NOTHING
        )
        SELECT r.id, r.event_id, e.event_type, e.project, r.webhook_id, r.attempts, r.status,
            r.finished_at AS at, r.reason
        FROM recorded r JOIN rdev_webhooks.events e ON e.id = r.event_id
        "#,
        id.as_uuid(),
        DeliveryStatus::Cancelled.as_str(),
        CancelReason::Requested.as_str(),
        FailureClass::Abandoned.as_str(),
        Attempt::ABANDONED,
    )
    .fetch_optional(tx)
    .await?;
    // The event was pruned at this moment, and its delivery with it.
    Ok(row.map_or(Found::Pruned, Found::Cancelled))
}
