//! Retention.

use rdev_webhooks_domain::ports::Pruned;
use rdev_webhooks_domain::{EventId, Timestamp};
use sqlx::SqliteConnection;

use crate::error::{self, DbError};
use crate::rows::micros;
use crate::{SqliteStore, json};

/// The maximum number of events that one step reads.
const EVENTS_STEP: i64 = 200;

/// The maximum number of marks of reopened deliveries that one step deletes.
const REOPENED_STEP: i64 = 1_000;

/// The maximum number of deliveries that one step cancels.
const CANCEL_STEP: i64 = 1_000;

impl SqliteStore {
    /// Prunes in steps, between which other writes run.
    pub(super) async fn prune_before(&self, before: Timestamp) -> Result<Pruned, DbError> {
        while self.write(|conn, now| Box::pin(cancel_left_behind(conn, now))).await? {}
        let mut pruned = Pruned::default();
        let mut after = Vec::new();
        loop {
            let from = after;
            let step = self
                .write(move |conn, _| Box::pin(async move { prune_step(conn, from, before).await }))
                .await?;
            pruned.events += step.pruned.events;
            pruned.deliveries += step.pruned.deliveries;
            match step.last {
                Some(last) => after = last,
                None => break,
            }
        }
        let seen_at = self.seen_at().await?;
        self.write(move |conn, _| Box::pin(forget_previous_secrets(conn, seen_at))).await?;
        while self.write(|conn, _| Box::pin(forget_reopened(conn))).await? {}
        self.write(move |conn, _| Box::pin(async move { prune_webhooks(conn, before).await })).await?;
        self.write(move |conn, _| Box::pin(async move { prune_replays(conn, before).await })).await?;
        Ok(pruned)
    }
}

/// Cancels some of the deleted webhooks' waiting deliveries that dead workers left behind, and returns
/// whether there may be more.
async fn cancel_left_behind(conn: &mut SqliteConnection, now: Timestamp) -> Result<bool, DbError> {
    let now = micros(now);
    let cancelled = sqlx::query!(
        "UPDATE webhooks_deliveries
         SET status = 'cancelled', reason = 'webhook_deleted', finished_at = ?1, claimable_at = NULL,
           deferred_until = NULL, lease_token = NULL, lease_taken_at = NULL, lease_expires_at = NULL
         WHERE id IN (SELECT d.id
           FROM webhooks_webhooks AS w CROSS JOIN webhooks_deliveries AS d
             INDEXED BY webhooks_deliveries_by_webhook_id_due_at
             ON d.webhook_id = w.id AND d.claimable_at <= ?1
           WHERE w.deleted_at IS NOT NULL LIMIT +?2)",
        now,
        CANCEL_STEP
    )
    .execute(conn)
    .await?;
    Ok(cancelled.rows_affected() == CANCEL_STEP.unsigned_abs())
}

/// The result of one step.
struct Step {
    pruned: Pruned,
    /// The last event that was read; `None` if there are no more.
    last: Option<Vec<u8>>,
}

/// Reads the next old events, and removes those without unfinished deliveries.
async fn prune_step(conn: &mut SqliteConnection, after: Vec<u8>, before: Timestamp) -> Result<Step, DbError> {
    let bound = EventId::floor(before).as_uuid().as_bytes().to_vec();
    let old = sqlx::query!(
        r#"SELECT e.id,
             EXISTS (SELECT 1 FROM webhooks_deliveries AS d JOIN webhooks_webhooks AS w ON w.id = d.webhook_id
               WHERE d.event_id = e.id AND d.claimable_at IS NOT NULL
                 AND w.disabled_at IS NULL AND w.deleted_at IS NULL) AS "awaited!: bool"
           FROM webhooks_events AS e WHERE e.id > ?1 AND e.id < ?2 ORDER BY e.id LIMIT +?3"#,
        after,
        bound,
        EVENTS_STEP
    )
    .fetch_all(&mut *conn)
    .await?;
    let last = old.last().map(|event| event.id.clone());
    let mut ids = Vec::with_capacity(old.len());
    for event in old.iter().filter(|event| !event.awaited) {
        ids.push(error::uuid("events", "id", &event.id)?);
    }
    let pruned = if ids.is_empty() { Pruned::default() } else { remove(conn, json::ids(ids)?).await? };
    Ok(Step { pruned, last })
}

/// Removes events with their keys, deliveries and attempts.
async fn remove(conn: &mut SqliteConnection, events: String) -> Result<Pruned, DbError> {
    sqlx::query!(
        "DELETE FROM webhooks_attempts WHERE delivery_id IN
           (SELECT id FROM webhooks_deliveries WHERE event_id IN (SELECT unhex(value) FROM json_each(?1)))",
        events
    )
    .execute(&mut *conn)
    .await?;
    let deliveries = sqlx::query!(
        "DELETE FROM webhooks_deliveries WHERE event_id IN (SELECT unhex(value) FROM json_each(?1))",
        events
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "DELETE FROM webhooks_event_keys WHERE (project, key) IN
           (SELECT coalesce(project, ''), key FROM webhooks_events
            WHERE id IN (SELECT unhex(value) FROM json_each(?1)) AND key IS NOT NULL)",
        events
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE webhooks_event_feed SET pruned_position = max(pruned_position, coalesce(
           (SELECT max(position) FROM webhooks_events WHERE id IN (SELECT unhex(value) FROM json_each(?1))), 0))",
        events
    )
    .execute(&mut *conn)
    .await?;
    let events = sqlx::query!(
        "DELETE FROM webhooks_events WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        events
    )
    .execute(conn)
    .await?;
    Ok(Pruned { events: events.rows_affected(), deliveries: deliveries.rows_affected(), has_more: false })
}

/// Deletes some marks of reopened deliveries that have ended again, and returns whether there may be more.
async fn forget_reopened(conn: &mut SqliteConnection) -> Result<bool, DbError> {
    let forgotten = sqlx::query!(
        "DELETE FROM webhooks_reopened_deliveries WHERE rowid IN (SELECT r.rowid FROM webhooks_reopened_deliveries AS r
           WHERE NOT EXISTS (SELECT 1 FROM webhooks_deliveries AS d
             WHERE d.id = r.delivery_id AND d.claimable_at IS NOT NULL)
           LIMIT +?1)",
        REOPENED_STEP
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected() == REOPENED_STEP.unsigned_abs())
}

/// Deletes the previous secrets that no longer sign.
async fn forget_previous_secrets(conn: &mut SqliteConnection, now: Timestamp) -> Result<(), DbError> {
    let now = micros(now);
    sqlx::query!(
        "UPDATE webhooks_webhooks SET previous_secret = NULL, previous_secret_until = NULL, previous_public_key = NULL
         WHERE previous_secret_until <= ?1",
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes webhooks that were deleted long ago, unless a delivery of theirs is still in flight.
async fn prune_webhooks(conn: &mut SqliteConnection, before: Timestamp) -> Result<(), DbError> {
    let before = micros(before);
    sqlx::query!(
        "DELETE FROM webhooks_webhooks WHERE deleted_at < ?1
           AND NOT EXISTS (SELECT 1 FROM webhooks_deliveries AS d
             INDEXED BY webhooks_deliveries_by_webhook_id_due_at
             WHERE d.webhook_id = webhooks_webhooks.id AND d.claimable_at IS NOT NULL)",
        before
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Removes replays that ended long ago, unless a delivery that they queued has not ended.
async fn prune_replays(conn: &mut SqliteConnection, before: Timestamp) -> Result<(), DbError> {
    let before = micros(before);
    sqlx::query!("DELETE FROM webhooks_replays WHERE ended_at < ?1 AND NOT is_open", before)
        .execute(conn)
        .await?;
    Ok(())
}
