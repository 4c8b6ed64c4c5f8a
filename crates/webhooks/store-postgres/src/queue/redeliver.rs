//! Redelivery on request.

use rdev_webhooks_domain::ports::{DeliveryHistory, Redelivery, StoreError};
use rdev_webhooks_domain::{Access, DeliveryId, RedeliveryRequest, Trigger, WakeUp};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use crate::idempotency;
use crate::rows::{DeliveryRow, to_delivery};
use crate::store::PostgresStore;
use crate::visible;

/// The maximum number of searches: a delivery may end, be reopened by another transaction, or be pruned
/// during one.
const MAX_TRIES: u32 = 3;

enum Found {
    Nothing,
    InFlight,
    Disabled,
    Deleted,
    Queued(DeliveryRow),
    Hidden,
    Done,
}

/// Makes an attempt at one delivery due now.
pub(crate) async fn redeliver(
    store: &PostgresStore,
    access: &Access,
    id: DeliveryId,
    request: &RedeliveryRequest,
) -> Result<Option<Redelivery>, StoreError> {
    for _ in 0..MAX_TRIES {
        let found = store
            .inner
            .write()
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                let found = attempt(&mut tx, access, id, request).await?;
                // The rollback does not wait for the connection's return to its pool: until then claims would
                // skip the row.
                match found {
                    Found::Queued(_) => tx.commit().await?,
                    _ => tx.rollback().await?,
                }
                Ok(found)
            })
            .await?;
        return Ok(Some(match found {
            Found::Nothing => continue,
            Found::Hidden => return Ok(None),
            Found::Done => {
                let record = store.get(access, id).await?;
                return Ok(record.map(|record| Redelivery::Queued(record.delivery)));
            }
            Found::InFlight => Redelivery::InFlight,
            Found::Disabled => Redelivery::WebhookDisabled,
            Found::Deleted => Redelivery::WebhookDeleted,
            Found::Queued(row) => {
                store.inner.wakeups.wake(1, WakeUp::Any);
                Redelivery::Queued(to_delivery(row)?)
            }
        }));
    }
    Ok(None)
}

async fn attempt(
    tx: &mut PgConnection,
    access: &Access,
    id: DeliveryId,
    request: &RedeliveryRequest,
) -> Result<Found, sqlx::Error> {
    let trigger = request.trigger;
    let is_done = match &request.key {
        Some(key) => idempotency::is_done(tx, key).await?,
        None => false,
    };
    let waiting = sqlx::query!(
        r#"SELECT webhook_id, event_id, coalesce(lease_expires_at > rdev_webhooks.now(), false) AS "in_flight!"
         FROM rdev_webhooks.delivery_queue WHERE id = $1 FOR UPDATE"#,
        id.as_uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    if let Some(waiting) = waiting {
        if !visible::is_shown(tx, access, waiting.webhook_id, waiting.event_id).await? {
            return Ok(Found::Hidden);
        }
        if is_done {
            return Ok(Found::Done);
        }
        if let Some(refused) = refusal(tx, waiting.webhook_id).await? {
            return Ok(refused);
        }
        if waiting.in_flight {
            return Ok(Found::InFlight);
        }
        if !hold_event(tx, waiting.event_id).await? {
            return Ok(Found::Nothing);
        }
        bring_forward(tx, id, trigger).await?;
        return queued(tx, id, request).await;
    }
    let ended = sqlx::query!(
        "SELECT webhook_id, event_id FROM rdev_webhooks.deliveries WHERE id = $1 FOR UPDATE",
        id.as_uuid()
    )
    .fetch_optional(&mut *tx)
    .await?;
    let Some(ended) = ended else {
        return Ok(Found::Nothing);
    };
    if !visible::is_shown(tx, access, ended.webhook_id, ended.event_id).await? {
        return Ok(Found::Hidden);
    }
    if is_done {
        return Ok(Found::Done);
    }
    if let Some(refused) = refusal(tx, ended.webhook_id).await? {
        return Ok(refused);
    }
    if !hold_event(tx, ended.event_id).await? {
        return Ok(Found::Nothing);
    }
    reopen(tx, id, trigger).await?;
    queued(tx, id, request).await
}

/// Returns the reason why a webhook receives no deliveries. Locks the webhook's row, so that the webhook is
/// not deleted before the transaction ends.
async fn refusal(tx: &mut PgConnection, webhook: Uuid) -> Result<Option<Found>, sqlx::Error> {
    let enabled = sqlx::query_scalar!(
        r#"SELECT disabled_at IS NULL AS "enabled!" FROM rdev_webhooks.webhooks
         WHERE id = $1 AND deleted_at IS NULL FOR SHARE"#,
        webhook
    )
    .fetch_optional(tx)
    .await?;
    Ok(match enabled {
        None => Some(Found::Deleted),
        Some(false) => Some(Found::Disabled),
        Some(true) => None,
    })
}

/// Protects an event from pruning until the transaction ends. An event that is being pruned counts as gone: a
/// wait for the pruning could deadlock with it.
async fn hold_event(tx: &mut PgConnection, event: Uuid) -> Result<bool, sqlx::Error> {
    let held = sqlx::query_scalar!(
        "SELECT id FROM rdev_webhooks.events WHERE id = $1 FOR KEY SHARE SKIP LOCKED",
        event
    )
    .fetch_optional(tx)
    .await?;
    Ok(held.is_some())
}

/// Applies `Progress::redeliver`: a waiting automatic retry keeps its time and is resumed; a first attempt
/// that is due, or a manual one, is only brought forward.
async fn bring_forward(tx: &mut PgConnection, id: DeliveryId, trigger: Trigger) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE rdev_webhooks.delivery_queue SET
             deferred_until = CASE WHEN attempts > 0 AND trigger = 'automatic' AND lease_token IS NULL
                 THEN due_at ELSE deferred_until END,
             trigger = CASE WHEN attempts > 0 AND trigger = 'automatic' AND lease_token IS NULL
                 THEN ($2::text)::rdev_webhooks.attempt_trigger ELSE trigger END,
             due_at = least(due_at, rdev_webhooks.now()), wake_at = NULL
         WHERE id = $1",
        id.as_uuid(),
        trigger.as_str(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

/// Applies `Progress::reopened`.
async fn reopen(tx: &mut PgConnection, id: DeliveryId, trigger: Trigger) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "WITH ended AS (DELETE FROM rdev_webhooks.deliveries WHERE id = $1 RETURNING *),
         logged AS (
             INSERT INTO rdev_webhooks.attempts (delivery_id, number, trigger, started_at, duration_ns,
                 dns_ns, connect_ns, tls_ns, first_byte_ns, signature, response_status, response_headers,
                 response_body, response_truncated)
             SELECT id, attempts, success_trigger, success_started_at, success_duration_ns,
                 success_dns_ns, success_connect_ns, success_tls_ns, success_first_byte_ns,
                 success_signature, success_response_status, success_response_headers, success_response_body,
                 success_response_truncated
             FROM ended WHERE success_started_at IS NOT NULL
             ON CONFLICT (delivery_id, number) DO NOTHING
         ),
         announced AS (INSERT INTO rdev_webhooks.reopened_deliveries (reopened_at, delivery_id)
             SELECT rdev_webhooks.now(), id FROM ended)
         INSERT INTO rdev_webhooks.delivery_queue
             (id, event_id, webhook_id, due_at, attempts, automatic_attempts, trigger, last_attempt)
         SELECT id, event_id, webhook_id, rdev_webhooks.now(), attempts, automatic_attempts,
             ($2::text)::rdev_webhooks.attempt_trigger,
             coalesce(last_attempt, CASE WHEN status = 'succeeded' THEN 'automatic//200' END)
         FROM ended",
        id.as_uuid(),
        trigger.as_str(),
    )
    .execute(tx)
    .await?;
    Ok(())
}

async fn queued(
    tx: &mut PgConnection,
    id: DeliveryId,
    request: &RedeliveryRequest,
) -> Result<Found, sqlx::Error> {
    if let Some(key) = &request.key {
        idempotency::note_done(tx, key).await?;
    }
    let row = sqlx::query_as!(
        DeliveryRow,
        r#"SELECT q.id AS "id!", q.event_id AS "event_id!", e.event_type, e.project,
             q.webhook_id AS "webhook_id!", q.attempts AS "attempts!", q.status AS "status!", q.at AS "at!",
             q.reason
         FROM rdev_webhooks.queued_deliveries q JOIN rdev_webhooks.events e ON e.id = q.event_id
         WHERE q.id = $1"#,
        id.as_uuid()
    )
    .fetch_one(tx)
    .await?;
    Ok(Found::Queued(row))
}
