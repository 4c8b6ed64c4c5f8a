//! Deletion of whole days, by dropping their partitions.

use rdev_webhooks_domain::ports::{Pruned, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use super::BATCH_SIZE;
use crate::error::{describe, is_lock_timeout};
use crate::pool::Pool;
use crate::upkeep;

/// The longest wait for the lock to drop a table: the waiting lock blocks all other statements.
const LOCK_TIMEOUT: &str = "1s";

/// The number up to which the rows of a day are counted; beyond it the server's estimate is used.
const COUNTED: i64 = 10_000;

/// The day's tables in the order of their removal: deliveries before the events that they refer to.
const TABLES: [&str; 3] = ["deliveries", "events", "attempts"];

/// A day that has partitions, with the ids from its first to the first of the next day.
pub(super) struct Day {
    suffix: String,
    low: Uuid,
    high: Uuid,
}

/// Returns the days before a limit that have partitions.
pub(super) async fn whole_days(pool: &Pool, limit: Uuid) -> Result<Vec<Day>, StoreError> {
    pool.run(async |conn| {
        sqlx::query_as!(
            Day,
            r#"
            SELECT days.suffix AS "suffix!", rdev_webhooks.id_floor(days.day) AS "low!",
                rdev_webhooks.id_floor(days.day + interval '24 hours') AS "high!"
            FROM (
                SELECT DISTINCT t.suffix,
                    to_date(t.suffix, 'YYYYMMDD')::timestamp AT TIME ZONE 'UTC' AS day
                FROM pg_catalog.pg_inherits i
                JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid
                CROSS JOIN LATERAL (
                    SELECT substring(c.relname FROM '^(?:events|deliveries|attempts)_(\d{8})$') AS suffix
                ) t
                WHERE i.inhparent IN (to_regclass('rdev_webhooks.events'),
                        to_regclass('rdev_webhooks.deliveries'), to_regclass('rdev_webhooks.attempts'))
                    AND t.suffix IS NOT NULL
            ) days
            WHERE rdev_webhooks.id_floor(days.day + interval '24 hours') <= $1
            ORDER BY days.suffix
            "#,
            limit
        )
        .fetch_all(&mut **conn)
        .await
    })
    .await
}

/// Drops a day's tables, each in a transaction of its own, so that no caller waits for two of them. Keeps a
/// day with deliveries in the queue or with busy tables: the next pass tries again.
pub(super) async fn drop_day(pool: &Pool, day: &Day, pruned: &mut Pruned) -> Result<(), StoreError> {
    if pool.run(async |conn| has_awaited(conn, day).await).await? {
        return Ok(());
    }
    // Deliveries of disabled webhooks are removed too, before the tables, in steps.
    loop {
        let deleted = pool.run(async |conn| delete_unawaited(conn, day).await).await?;
        pruned.deliveries += deleted;
        if deleted == 0 {
            break;
        }
    }
    for parent in TABLES {
        let dropped = pool.run(async |conn| drop_table(conn, parent, day).await).await;
        match (parent, dropped) {
            ("events", Ok(rows)) => pruned.events += rows,
            ("deliveries", Ok(rows)) => pruned.deliveries += rows,
            (_, Ok(_)) => {}
            (_, Err(error)) if is_lock_timeout(&error) => {
                tracing::info!(table = %format!("{parent}_{}", day.suffix), "partition in use and not dropped; will retry");
                return Ok(());
            }
            (_, Err(error @ StoreError::Unavailable(_))) => {
                tracing::warn!(table = %format!("{parent}_{}", day.suffix), error = %describe(&error), "cannot drop partition; will retry");
                return Ok(());
            }
            (_, Err(error)) => return Err(error),
        }
    }
    Ok(())
}

/// Deletes some of a day's queued deliveries to disabled or deleted webhooks, and returns their number.
///
/// The condition is checked again once the rows are locked: a webhook may have been enabled meanwhile, and a
/// delivery redelivered. Rows that another transaction has locked are skipped.
async fn delete_unawaited(conn: &mut PgConnection, day: &Day) -> Result<u64, sqlx::Error> {
    let mut tx = conn.begin().await?;
    let held = sqlx::query_scalar!(
        "SELECT q.id FROM rdev_webhooks.delivery_queue q
         WHERE q.id >= $1 AND q.id < $2 AND NOT EXISTS (
             SELECT FROM rdev_webhooks.webhooks w
             WHERE w.id = q.webhook_id AND w.deleted_at IS NULL AND w.disabled_at IS NULL)
         LIMIT $3 FOR UPDATE SKIP LOCKED",
        day.low,
        day.high,
        10 * BATCH_SIZE
    )
    .fetch_all(&mut *tx)
    .await?;
    let deleted = sqlx::query!(
        "DELETE FROM rdev_webhooks.delivery_queue q
         WHERE q.id = ANY($1) AND NOT EXISTS (
             SELECT FROM rdev_webhooks.webhooks w
             WHERE w.id = q.webhook_id AND w.deleted_at IS NULL AND w.disabled_at IS NULL)",
        &held
    )
    .execute(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(deleted.rows_affected())
}

/// Drops one table and returns its approximate number of rows.
async fn drop_table(conn: &mut PgConnection, parent: &'static str, day: &Day) -> Result<u64, sqlx::Error> {
    // The suffix is eight digits.
    let table = format!("rdev_webhooks.{parent}_{}", day.suffix);
    let mut tx = conn.begin().await?;
    sqlx::query!("SELECT set_config('lock_timeout', $1, true)", LOCK_TIMEOUT).fetch_one(&mut *tx).await?;
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", upkeep::LOCK).execute(&mut *tx).await?;
    let exists: bool =
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(&table).fetch_one(&mut *tx).await?;
    if !exists {
        return Ok(0);
    }
    // Before the lock: no rows are added to a past day, and counting takes time.
    let rows: i64 = sqlx::query_scalar("SELECT rdev_webhooks.partition_rows($1, $2, $3)")
        .bind(parent)
        .bind(&day.suffix)
        .bind(COUNTED)
        .fetch_one(&mut *tx)
        .await?;
    // The parent is locked first, in the order of every statement that reads or writes the table through it.
    sqlx::query(AssertSqlSafe(format!("LOCK TABLE rdev_webhooks.{parent} IN ACCESS EXCLUSIVE MODE")))
        .execute(&mut *tx)
        .await?;
    // Until now a delivery could be redelivered; from now on it cannot.
    if has_unfinished(&mut tx, day).await? {
        return Ok(0);
    }
    sqlx::query("SELECT rdev_webhooks.drop_partition($1, $2)")
        .bind(parent)
        .bind(&day.suffix)
        .execute(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(u64::try_from(rows).unwrap_or(0))
}

/// Returns whether a day has deliveries that are still to be sent.
async fn has_awaited(conn: &mut PgConnection, day: &Day) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT FROM rdev_webhooks.delivery_queue q
             JOIN rdev_webhooks.webhooks w ON w.id = q.webhook_id
             WHERE q.id >= $1 AND q.id < $2 AND w.deleted_at IS NULL AND w.disabled_at IS NULL
         ) AS "awaited!""#,
        day.low,
        day.high
    )
    .fetch_one(conn)
    .await
}

/// Returns whether a day has deliveries in the queue.
async fn has_unfinished(conn: &mut PgConnection, day: &Day) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT EXISTS (
             SELECT FROM rdev_webhooks.delivery_queue WHERE id >= $1 AND id < $2) AS "unfinished!""#,
        day.low,
        day.high
    )
    .fetch_one(conn)
    .await
}
