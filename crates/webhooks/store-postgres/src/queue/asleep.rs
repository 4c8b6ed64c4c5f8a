//! Deliveries that cannot be claimed yet, kept out of the way of discovery and claims.
//!
//! A retry is asleep until it is due. The discovery or claim that meets deliveries of a disabled webhook puts
//! them to sleep, a bounded number at a time. They are woken in the same way once the webhook is enabled:
//! disabling and enabling a webhook therefore cost the same for a queue of any length.

use std::time::Duration;

use rdev_webhooks_domain::WebhookId;
use rdev_webhooks_domain::ports::StoreError;
use uuid::Uuid;

use crate::convert::from_micros;
use crate::store::Inner;

/// The maximum number of deliveries that one statement wakes or puts to sleep.
const SLEEP_STEP: i64 = 1_000;

/// The maximum number of added events that one statement takes note of.
const ADDED_BATCH_SIZE: i64 = 1_000;

/// The number of the next deliveries to wake that are read to find their times.
const NEXT_TO_WAKE: i64 = 64;

/// Wakes the due deliveries, and returns the webhooks of the next ones with the time until then. A delivery
/// behind an open circuit counts as due when the circuit's wait ends.
pub(super) async fn wake(store: &Inner) -> Result<Vec<(Uuid, Duration)>, StoreError> {
    loop {
        let found = store
            .claim()
            .run(async |conn| {
                sqlx::query_file!("src/queue/wake.sql", SLEEP_STEP, NEXT_TO_WAKE).fetch_one(&mut **conn).await
            })
            .await?;
        forget_marks(store, found.late);
        if found.is_held {
            wake_held(store).await?;
        }
        if found.has_added {
            surface_added(store).await?;
        }
        if found.woken < SLEEP_STEP {
            let waits = found.next_in_us.into_iter().map(from_micros);
            return Ok(found.next_webhooks.into_iter().zip(waits).collect());
        }
    }
}

/// Takes note of events that were added inside transactions of callers and are committed. If such a transaction
/// was open for long, the deliveries are due before the marks, and the delivery feed has passed the time of
/// their ids: they become due now, and are reported to the feed.
async fn surface_added(store: &Inner) -> Result<(), StoreError> {
    store
        .claim()
        .run(async |conn| {
            sqlx::query!(
                "WITH added AS MATERIALIZED (
                     DELETE FROM rdev_webhooks.added_events a
                     WHERE a.event_id = ANY(ARRAY(
                         SELECT event_id FROM rdev_webhooks.added_events LIMIT $1 FOR UPDATE SKIP LOCKED))
                     RETURNING a.event_id, a.added_at < rdev_webhooks.now() - interval '1 second' AS is_late
                 ),
                 surfaced AS (
                     UPDATE rdev_webhooks.delivery_queue q SET due_at = rdev_webhooks.now()
                     FROM added a
                     WHERE a.is_late AND q.event_id = a.event_id AND q.lease_token IS NULL
                         AND q.id >= rdev_webhooks.id_first_of_ms(a.event_id)
                         AND q.id <= rdev_webhooks.id_last_of_ms(a.event_id)
                     RETURNING q.id
                 )
                 INSERT INTO rdev_webhooks.reopened_deliveries (reopened_at, delivery_id)
                 SELECT rdev_webhooks.now(), s.id FROM surfaced s",
                ADDED_BATCH_SIZE
            )
            .execute(&mut **conn)
            .await
        })
        .await?;
    Ok(())
}

/// Wakes the deliveries that waited for webhooks that are enabled again.
async fn wake_held(store: &Inner) -> Result<(), StoreError> {
    let woken = store
        .claim()
        .run(async |conn| {
            sqlx::query_scalar!(
                r#"
                WITH enabled AS MATERIALIZED (
                    SELECT w.id FROM rdev_webhooks.webhooks w
                    WHERE w.holds_deliveries AND w.disabled_at IS NULL AND w.deleted_at IS NULL
                    ORDER BY w.id LIMIT 100 FOR UPDATE SKIP LOCKED
                ),
                held AS MATERIALIZED (
                    SELECT q.id, e.id AS webhook_id FROM enabled e
                    CROSS JOIN LATERAL (
                        SELECT q.id FROM rdev_webhooks.delivery_queue q
                        WHERE q.webhook_id = e.id AND q.wake_at = 'infinity'
                        ORDER BY q.due_at LIMIT $1 FOR UPDATE SKIP LOCKED
                    ) q
                ),
                woken AS (
                    UPDATE rdev_webhooks.delivery_queue q
                    SET wake_at = CASE WHEN q.due_at > rdev_webhooks.now() THEN q.due_at END
                    FROM held h WHERE q.id = h.id
                ),
                emptied AS (
                    UPDATE rdev_webhooks.webhooks w SET holds_deliveries = false FROM enabled e
                    WHERE w.id = e.id AND NOT EXISTS (
                        SELECT FROM rdev_webhooks.delivery_queue q
                        WHERE q.webhook_id = e.id AND q.wake_at = 'infinity'
                            AND q.id <> ALL(ARRAY(SELECT h.id FROM held h WHERE h.webhook_id = e.id)))
                )
                SELECT id AS "id!" FROM enabled
                "#,
                SLEEP_STEP
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    forget_marks(store, woken);
    Ok(())
}

/// Puts to sleep some of these webhooks' deliveries, if the webhooks are disabled.
pub(super) async fn hold(store: &Inner, webhooks: &[Uuid]) -> Result<(), StoreError> {
    store
        .claim()
        .run(async |conn| {
            sqlx::query!(
                "WITH disabled AS MATERIALIZED (
                     SELECT w.id FROM rdev_webhooks.webhooks w
                     WHERE w.id = ANY($1) AND w.disabled_at IS NOT NULL AND w.deleted_at IS NULL
                     ORDER BY w.id LIMIT $2 FOR UPDATE SKIP LOCKED
                 ),
                 waiting AS MATERIALIZED (
                     SELECT q.id, d.id AS webhook_id FROM disabled d
                     CROSS JOIN LATERAL (
                         SELECT q.id FROM rdev_webhooks.delivery_queue q
                         WHERE q.webhook_id = d.id AND q.wake_at IS NULL
                             AND (q.lease_expires_at IS NULL OR q.lease_expires_at <= rdev_webhooks.now())
                         ORDER BY q.due_at LIMIT $2 FOR UPDATE SKIP LOCKED
                     ) q
                     LIMIT $2
                 ),
                 held AS (
                     UPDATE rdev_webhooks.delivery_queue q SET wake_at = 'infinity'
                     FROM waiting t WHERE q.id = t.id
                 )
                 UPDATE rdev_webhooks.webhooks w SET holds_deliveries = true
                 WHERE w.id = ANY(ARRAY(SELECT webhook_id FROM waiting)) AND NOT w.holds_deliveries",
                webhooks,
                SLEEP_STEP
            )
            .execute(&mut **conn)
            .await
        })
        .await?;
    Ok(())
}

/// Forgets the webhooks' marks: a woken delivery may be due before its mark.
fn forget_marks(store: &Inner, webhooks: Vec<Uuid>) {
    for webhook in webhooks {
        store.marks.forget(WebhookId::from_uuid(webhook));
    }
}
