//! Deletion of data older than the retention.
//!
//! A day that lies wholly before the limit is removed by dropping its partitions, whatever they hold. Single
//! rows are deleted only from the day of the limit, from the default partitions, which are nearly empty, and
//! from a day that still has unfinished deliveries; and only a bounded number at a time. Under a load that
//! adds more than that, the rest is removed a few hours later with its partition: deleting all rows singly
//! would cost more than their delivery did.

mod days;
mod events;

use std::time::Duration;

use rdev_webhooks_domain::EventId;
use rdev_webhooks_domain::ports::{Pruned, StoreError};
use uuid::Uuid;

use crate::clock::Time;
use crate::convert::{from_sql_time, to_micros_up};
use crate::pool::Pool;
use crate::upkeep;
use crate::webhooks::sweep::sweep_deleted;

/// The maximum number of events, or keys, that one statement deletes.
const BATCH_SIZE: i64 = 1_000;

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
                r#"WITH noted AS (
                     UPDATE rdev_webhooks.retention SET period = $2::int8 * interval '1 microsecond'
                     WHERE period <> $2::int8 * interval '1 microsecond'
                 )
                 SELECT t.before AS "before!", rdev_webhooks.id_floor(
                     date_trunc('day', t.before AT TIME ZONE 'UTC') AT TIME ZONE 'UTC') AS "day!"
                 FROM (SELECT seen_at - $1::int8 * interval '1 microsecond' AS before
                     FROM rdev_webhooks.retention) t"#,
                to_micros_up(retention),
                to_micros_up(key_lifetime)
            )
            .fetch_one(&mut **conn)
            .await
        })
        .await?;
    let before = limits.before;
    let limit = EventId::floor(from_sql_time(before)).as_uuid();
    let mut pruned = Pruned::default();
    for day in days::whole_days(pool, limit).await? {
        days::drop_day(pool, &day, &mut pruned).await?;
    }
    events::delete_events(pool, limit, limits.day, &mut pruned).await?;
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
        sqlx::query!("DELETE FROM rdev_webhooks.replays WHERE ended_at < $1 AND NOT is_open", before)
            .execute(&mut **conn)
            .await
    })
    .await?;
    Ok(pruned)
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
                    BATCH_SIZE
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
                    "DELETE FROM rdev_webhooks.reopened_deliveries WHERE ctid = ANY(ARRAY(
                         SELECT r.ctid FROM rdev_webhooks.reopened_deliveries r
                         WHERE NOT EXISTS (
                             SELECT FROM rdev_webhooks.delivery_queue q WHERE q.id = r.delivery_id)
                         LIMIT $1 FOR UPDATE SKIP LOCKED))",
                    BATCH_SIZE
                )
                .execute(&mut **conn)
                .await
            })
            .await?;
        if forgotten.rows_affected() < BATCH_SIZE.unsigned_abs() {
            return Ok(());
        }
    }
}
