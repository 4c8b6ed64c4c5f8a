//! Deletion of single events with their deliveries and attempts.

use rdev_webhooks_domain::ports::{Pruned, StoreError};
use sqlx::{Connection, PgConnection};
use uuid::Uuid;

use super::BATCH_SIZE;
use crate::pool::Pool;

/// The maximum number of steps over events in one pass.
const MAX_BATCHES: u32 = 50;

/// Deletes events below a limit, except those with unfinished deliveries. Each pass continues where the last
/// one ended, so that kept events do not hide those behind them; after a pass that reaches the limit, the
/// next one begins at the oldest event again.
///
/// Events below `soon`, the beginning of the limit's day, should be deleted soon: no dropped partition will
/// remove them.
pub(super) async fn delete_events(
    pool: &Pool,
    limit: Uuid,
    soon: Uuid,
    pruned: &mut Pruned,
) -> Result<(), StoreError> {
    let mut after = pool
        .run(async |conn| {
            sqlx::query_scalar!("SELECT scan_cursor FROM rdev_webhooks.retention")
                .fetch_one(&mut **conn)
                .await
        })
        .await?;
    for _ in 0..MAX_BATCHES {
        let page = pool
            .run(async |conn| {
                sqlx::query_scalar!(
                    "SELECT id FROM rdev_webhooks.events WHERE id > $1 AND id < $2
                     ORDER BY id LIMIT $3",
                    after,
                    limit,
                    BATCH_SIZE
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        let (Some(first), Some(last)) = (page.first(), page.last()) else {
            return record_scan_cursor(pool, Uuid::nil()).await;
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
    record_scan_cursor(pool, after).await
}

async fn record_scan_cursor(pool: &Pool, scan_cursor: Uuid) -> Result<(), StoreError> {
    pool.run(async |conn| {
        sqlx::query!(
            "UPDATE rdev_webhooks.retention SET scan_cursor = $1 WHERE scan_cursor <> $1",
            scan_cursor
        )
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
                 AND w.deleted_at IS NULL AND w.disabled_at IS NULL)
         FOR UPDATE OF e SKIP LOCKED",
        page,
        first,
        last
    )
    .fetch_all(&mut *tx)
    .await?;
    let row = sqlx::query_file!("src/history/prune/delete_events.sql", &locked, first, last)
        .fetch_one(&mut *tx)
        .await?;
    tx.commit().await?;
    Ok(Pruned {
        events: u64::try_from(row.events).unwrap_or(0),
        deliveries: u64::try_from(row.deliveries).unwrap_or(0),
        has_more: false,
    })
}
