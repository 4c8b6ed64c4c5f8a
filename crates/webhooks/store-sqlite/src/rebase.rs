//! Adjustment of the times in the database when the clock is set.
//!
//! Remaining waits keep their length: due times, leases and circuits move by as much as the clock did, in one
//! transaction. A step back also leaves recorded times in the future. These are set to the present a few at a
//! time, so that a watcher finds everything that it has not seen after the moment at which the clock was set
//! back, which is stored for that purpose.

use rdev_webhooks_domain::Timestamp;
use sqlx::{Connection, SqliteConnection};

use crate::clock::STEP;
use crate::rows::micros;

/// The maximum number of rows whose recorded times one step corrects.
const CORRECTION_STEP: i64 = 2_000;

/// Moves waiting times by as much as the clock was set at `before`, in microseconds.
pub(crate) async fn rebase(
    conn: &mut SqliteConnection,
    before: Timestamp,
    by: i64,
) -> Result<(), sqlx::Error> {
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let (before, after) = (micros(before), micros(before).saturating_add(by));
    let from = before.min(after);
    sqlx::query!(
        "UPDATE webhooks_deliveries SET
           due_at = iif(due_at > ?1, due_at + ?3, min(due_at, ?2)),
           deferred_until = iif(deferred_until > ?1, deferred_until + ?3, min(deferred_until, ?2)),
           lease_taken_at = lease_taken_at + ?3,
           lease_expires_at = lease_expires_at + ?3,
           claimable_at = max(iif(due_at > ?1, due_at + ?3, min(due_at, ?2)),
             coalesce(lease_expires_at + ?3, iif(due_at > ?1, due_at + ?3, min(due_at, ?2))))
         WHERE claimable_at IS NOT NULL
           AND (claimable_at > ?4 OR deferred_until IS NOT NULL OR lease_token IS NOT NULL)",
        before,
        after,
        by,
        from
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE webhooks_endpoint_health SET failing_since = failing_since + ?2,
           open_until = iif(open_until > ?1, open_until + ?2, open_until)",
        before,
        by
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE webhooks_idempotency_keys SET expires_at = expires_at + ?2,
           lease_expires_at = iif(lease_expires_at > ?1, lease_expires_at + ?2, lease_expires_at)",
        before,
        by
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE webhooks_webhooks SET previous_secret_until = previous_secret_until + ?2
         WHERE previous_secret_until > ?1",
        before,
        by
    )
    .execute(&mut *tx)
    .await?;
    sqlx::query!(
        "UPDATE webhooks_replays SET next_step_at = ?1, progressed_at = ?1 WHERE next_step_at IS NOT NULL",
        after
    )
    .execute(&mut *tx)
    .await?;
    if by < 0 {
        sqlx::query!("UPDATE webhooks_clock SET set_back_at = ?1", after).execute(&mut *tx).await?;
    }
    tx.commit().await
}

/// Sets some of the recorded times that lie in the future to the present; returns whether there may be more.
pub(crate) async fn correct_some(conn: &mut SqliteConnection, now: Timestamp) -> Result<bool, sqlx::Error> {
    let now = micros(now);
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let ended = sqlx::query!(
        "UPDATE webhooks_deliveries SET finished_at = ?1 WHERE id IN (
           SELECT id FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_finished_at_id
           WHERE finished_at IS NOT NULL AND finished_at > ?1 LIMIT +?2)",
        now,
        CORRECTION_STEP
    )
    .execute(&mut *tx)
    .await?;
    let failed = sqlx::query!(
        "UPDATE webhooks_attempts SET recorded_at = ?1 WHERE rowid IN (
           SELECT rowid FROM webhooks_attempts INDEXED BY webhooks_attempts_by_recorded_at_delivery_id
           WHERE failure_class IS NOT NULL AND recorded_at > ?1 LIMIT +?2)",
        now,
        CORRECTION_STEP
    )
    .execute(&mut *tx)
    .await?;
    let reopened = sqlx::query!(
        "UPDATE webhooks_reopened_deliveries SET reopened_at = ?1 WHERE rowid IN (
           SELECT rowid FROM webhooks_reopened_deliveries
             INDEXED BY webhooks_reopened_deliveries_by_reopened_at_delivery_id
           WHERE reopened_at > ?1 LIMIT +?2)",
        now,
        CORRECTION_STEP
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    let most = ended.rows_affected().max(failed.rows_affected()).max(reopened.rows_affected());
    Ok(most == CORRECTION_STEP.unsigned_abs())
}

/// Detects, when a database is opened, whether the clock was set back since its last use: every planned time
/// was set when an attempt was recorded. If so, moves the waiting times.
pub(crate) async fn rebase_at_open(conn: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT (SELECT max(finished_at) FROM webhooks_deliveries
          INDEXED BY webhooks_deliveries_by_finished_at_id
             WHERE finished_at IS NOT NULL) AS "ended: i64",
           (SELECT max(recorded_at) FROM webhooks_attempts
             INDEXED BY webhooks_attempts_by_recorded_at_delivery_id
             WHERE failure_class IS NOT NULL) AS "failed: i64",
           (SELECT max(lease_taken_at) FROM webhooks_deliveries
             INDEXED BY webhooks_deliveries_by_webhook_id_due_at
             WHERE claimable_at IS NOT NULL) AS "claimed: i64""#
    )
    .fetch_one(&mut *conn)
    .await?;
    let Some(used_at) = [row.ended, row.failed, row.claimed].into_iter().flatten().max() else {
        return Ok(());
    };
    let used_at = Timestamp::from_micros(used_at);
    if used_at <= now + STEP {
        return Ok(());
    }
    let by = now.as_micros().saturating_sub(used_at.as_micros());
    rebase(&mut *conn, used_at, by).await?;
    tracing::warn!(
        step_ms = by / 1_000,
        "clock was set back since the last use of the database; due times moved with it"
    );
    while correct_some(&mut *conn, now).await? {}
    Ok(())
}
