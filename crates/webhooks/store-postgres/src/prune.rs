//! Deletion of data older than the retention.
//!
//! A day that lies wholly before the limit is removed by dropping its partitions, whatever they hold. Single
//! rows are deleted only from the day of the limit, from the default partitions, which are nearly empty, and
//! from a day that still has unfinished deliveries; and only a bounded number at a time. Under a load that
//! adds more than that, the rest is removed a few hours later with its partition: deleting all rows singly
//! would cost more than their delivery did.

use std::time::Duration;

use rdev_webhooks_domain::EventId;
use rdev_webhooks_domain::ports::{Pruned, StoreError};
use sqlx::{AssertSqlSafe, Connection, PgConnection};
use uuid::Uuid;

use crate::clock::Time;
use crate::connect::Pool;
use crate::convert::{from_sql_time, to_micros_up};
use crate::error::{describe, is_lock_timeout};
use crate::queue::cancel::sweep_deleted;
use crate::upkeep;

/// The maximum number of events, or keys, that one statement deletes.
const STEP: i64 = 1_000;

/// The maximum number of steps over events in one pass.
const STEPS: u32 = 50;

/// The longest wait for the lock to drop a table: the waiting lock blocks all other statements.
const LOCK_TIMEOUT: &str = "1s";

/// The number up to which the rows of a day are counted; beyond it the server's estimate is used.
const COUNTED: i64 = 10_000;

/// The day's tables in the order of their removal: deliveries before the events that they refer to.
const TABLES: [&str; 3] = ["deliveries", "events", "attempts"];

/// Removes data older than the retention, as `DeliveryHistory::prune` requires. Ages are measured by the
/// database's recorded time alone: otherwise a process with a clock ahead, or a step of the database's clock,
/// would remove data of all processes too early.
pub(crate) async fn prune(
    pool: &Pool,
    time: &Time,
    key_lifetime: Duration,
    retention: Duration,
) -> Result<Pruned, StoreError> {
    upkeep::ensure_partitions(pool).await?;
    sweep_deleted(pool).await?;
    time.note(pool).await?;
    let limits = pool
        .run(async |conn| {
            sqlx::query!(
                r#"SELECT t.before AS "before!", rdev_webhooks.id_floor(
                     date_trunc('day', t.before AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') AS "day!"
                 FROM (SELECT seen_at - $1::int8 * interval '1 microsecond' AS before
                     FROM rdev_webhooks.retention) t"#,
                to_micros_up(retention)
            )
            .fetch_one(&mut **conn)
            .await
        })
        .await?;
    let before = limits.before;
    let limit = EventId::floor(from_sql_time(before)).as_uuid();
    let mut pruned = Pruned::default();
    for day in whole_days(pool, limit).await? {
        drop_day(pool, &day, &mut pruned).await?;
    }
    delete_rows(pool, limit, limits.day, &mut pruned).await?;
    forget_keys(pool, limit, key_lifetime).await?;
    forget_reopened(pool).await?;
    pool.run(async |conn| {
        sqlx::query!(
            "UPDATE rdev_webhooks.webhooks
             SET previous_secret = NULL, previous_secret_until = NULL, previous_public_key = NULL
             WHERE previous_secret_until <= (SELECT seen_at FROM rdev_webhooks.retention)"
        )
        .execute(&mut **conn)
        .await
    })
    .await?;
    pool.run(async |conn| {
        sqlx::query!("DELETE FROM rdev_webhooks.webhooks WHERE deleted_at < $1", before)
            .execute(&mut **conn)
            .await
    })
    .await?;
    pool.run(async |conn| {
        sqlx::query!("DELETE FROM rdev_webhooks.replays WHERE ended_at < $1 AND NOT open", before)
            .execute(&mut **conn)
            .await
    })
    .await?;
    Ok(pruned)
}

/// A day that has partitions, with the ids from its first to the first of the next day.
struct Day {
    suffix: String,
    low: Uuid,
    high: Uuid,
}

/// Returns the days before a limit that have partitions.
async fn whole_days(pool: &Pool, limit: Uuid) -> Result<Vec<Day>, StoreError> {
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
async fn drop_day(pool: &Pool, day: &Day, pruned: &mut Pruned) -> Result<(), StoreError> {
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
             WHERE w.id = q.webhook_id AND w.deleted_at IS NULL AND w.disabled_reason IS NULL)
         LIMIT $3 FOR UPDATE SKIP LOCKED",
        day.low,
        day.high,
        10 * STEP
    )
    .fetch_all(&mut *tx)
    .await?;
    let deleted = sqlx::query!(
        "DELETE FROM rdev_webhooks.delivery_queue q
         WHERE q.id = ANY($1) AND NOT EXISTS (
             SELECT FROM rdev_webhooks.webhooks w
             WHERE w.id = q.webhook_id AND w.deleted_at IS NULL AND w.disabled_reason IS NULL)",
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
             WHERE q.id >= $1 AND q.id < $2 AND w.deleted_at IS NULL AND w.disabled_reason IS NULL
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

/// Deletes events below a limit, except those with unfinished deliveries. Each pass continues where the last
/// one ended, so that kept events do not hide those behind them; after a pass that reaches the limit, the
/// next one begins at the oldest event again.
///
/// Events below `soon`, the beginning of the limit's day, should be deleted soon: no dropped partition will
/// remove them.
async fn delete_rows(pool: &Pool, limit: Uuid, soon: Uuid, pruned: &mut Pruned) -> Result<(), StoreError> {
    let mut after = pool
        .run(async |conn| {
            sqlx::query_scalar!("SELECT looked_to FROM rdev_webhooks.retention").fetch_one(&mut **conn).await
        })
        .await?;
    for _ in 0..STEPS {
        let page = pool
            .run(async |conn| {
                sqlx::query_scalar!(
                    "SELECT id FROM rdev_webhooks.events WHERE id > $1 AND id < $2
                     ORDER BY id LIMIT $3",
                    after,
                    limit,
                    STEP
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else {
            return note_looked_to(pool, Uuid::nil()).await;
        };
        after = *last;
        let deleted = pool.run(async |conn| delete_page(conn, &page, *first, *last).await).await?;
        pruned.events += deleted.events;
        pruned.deliveries += deleted.deliveries;
    }
    pruned.has_more = after < soon;
    tracing::info!(
        soon = pruned.has_more,
        "more history has expired than one pass deletes; the rest is deleted later"
    );
    note_looked_to(pool, after).await
}

async fn note_looked_to(pool: &Pool, looked_to: Uuid) -> Result<(), StoreError> {
    pool.run(async |conn| {
        sqlx::query!("UPDATE rdev_webhooks.retention SET looked_to = $1 WHERE looked_to <> $1", looked_to)
            .execute(&mut **conn)
            .await
    })
    .await?;
    Ok(())
}

/// Deletes the events of a page without an unfinished delivery.
///
/// Locks them first and then checks again: a redelivery locks its event, and one made before this lock is
/// visible after it. Skips events that are locked at this moment.
async fn delete_page(
    conn: &mut PgConnection,
    page: &[Uuid],
    first: Uuid,
    last: Uuid,
) -> Result<Pruned, sqlx::Error> {
    let mut tx = conn.begin().await?;
    let locked = sqlx::query_scalar!(
        "SELECT e.id FROM rdev_webhooks.events e
         WHERE e.id BETWEEN $2 AND $3 AND e.id = ANY($1) AND NOT EXISTS (
             SELECT FROM rdev_webhooks.delivery_queue q
             JOIN rdev_webhooks.webhooks w ON w.id = q.webhook_id
             WHERE q.id BETWEEN rdev_webhooks.id_first_of_ms(e.id) AND rdev_webhooks.id_last_of_ms(e.id)
                 AND q.event_id = e.id
                 AND w.deleted_at IS NULL AND w.disabled_reason IS NULL)
         FOR UPDATE OF e SKIP LOCKED",
        page,
        first,
        last
    )
    .fetch_all(&mut *tx)
    .await?;
    let row = sqlx::query!(
        r#"
        WITH doomed AS MATERIALIZED (
            SELECT e.id FROM unnest($1::uuid[]) AS e(id)
            WHERE NOT EXISTS (
                SELECT FROM rdev_webhooks.delivery_queue q
                JOIN rdev_webhooks.webhooks w ON w.id = q.webhook_id
                WHERE q.id BETWEEN rdev_webhooks.id_first_of_ms(e.id)
                        AND rdev_webhooks.id_last_of_ms(e.id)
                    AND q.event_id = e.id
                    AND w.deleted_at IS NULL AND w.disabled_reason IS NULL)
        ),
        unfinished AS (
            DELETE FROM rdev_webhooks.delivery_queue q
            WHERE q.id BETWEEN rdev_webhooks.id_first_of_ms($2) AND rdev_webhooks.id_last_of_ms($3)
                AND q.event_id IN (SELECT id FROM doomed)
            RETURNING q.id
        ),
        finished AS (
            DELETE FROM rdev_webhooks.deliveries d
            WHERE d.id BETWEEN rdev_webhooks.id_first_of_ms($2) AND rdev_webhooks.id_last_of_ms($3)
                AND d.event_id IN (SELECT id FROM doomed)
            RETURNING d.id
        ),
        tried AS (
            DELETE FROM rdev_webhooks.attempts a
            WHERE a.delivery_id BETWEEN rdev_webhooks.id_first_of_ms($2)
                    AND rdev_webhooks.id_last_of_ms($3)
                AND a.delivery_id IN (SELECT id FROM unfinished UNION ALL SELECT id FROM finished)
        ),
        gone AS (
            DELETE FROM rdev_webhooks.events e
            WHERE e.id BETWEEN $2 AND $3 AND e.id IN (SELECT id FROM doomed)
            RETURNING 1
        )
        SELECT (SELECT count(*) FROM gone) AS "events!",
            (SELECT count(*) FROM unfinished) + (SELECT count(*) FROM finished) AS "deliveries!"
        "#,
        &locked,
        first,
        last
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(Pruned {
        events: u64::try_from(row.events).unwrap_or(0),
        deliveries: u64::try_from(row.deliveries).unwrap_or(0),
        has_more: false,
    })
}

/// Deletes the event keys of deleted events, and expired event keys.
async fn forget_keys(pool: &Pool, limit: Uuid, key_lifetime: Duration) -> Result<(), StoreError> {
    let mut after = Uuid::nil();
    loop {
        let page = pool
            .run(async |conn| {
                sqlx::query_scalar!(
                    "SELECT event_id FROM rdev_webhooks.event_keys
                     WHERE event_id > $1 AND event_id < greatest($2, rdev_webhooks.id_floor(
                         (SELECT seen_at FROM rdev_webhooks.retention) - $3::int8 * interval '1 microsecond'))
                     ORDER BY event_id LIMIT $4",
                    after,
                    limit,
                    to_micros_up(key_lifetime),
                    STEP
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        let Some(last) = page.last() else {
            return Ok(());
        };
        after = *last;
        pool.run(async |conn| {
            sqlx::query!(
                "DELETE FROM rdev_webhooks.event_keys k USING unnest($1::uuid[]) AS old(event_id)
                 WHERE k.event_id = old.event_id AND (k.expires_at <= (SELECT seen_at FROM rdev_webhooks.retention)
                     OR NOT EXISTS (SELECT FROM rdev_webhooks.events e WHERE e.id = k.event_id))",
                &page
            )
            .execute(&mut **conn)
            .await
        })
        .await?;
    }
}

/// Deletes the marks of reopened deliveries that have ended again.
async fn forget_reopened(pool: &Pool) -> Result<(), StoreError> {
    loop {
        let forgotten = pool
            .run(async |conn| {
                sqlx::query!(
                    "DELETE FROM rdev_webhooks.reopened WHERE ctid = ANY(ARRAY(
                         SELECT r.ctid FROM rdev_webhooks.reopened r
                         WHERE NOT EXISTS (
                             SELECT FROM rdev_webhooks.delivery_queue q WHERE q.id = r.delivery_id)
                         LIMIT $1 FOR UPDATE SKIP LOCKED))",
                    STEP
                )
                .execute(&mut **conn)
                .await
            })
            .await?;
        if forgotten.rows_affected() < STEP.unsigned_abs() {
            return Ok(());
        }
    }
}
