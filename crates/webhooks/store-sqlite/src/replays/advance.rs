//! One step of a replay.

use std::num::NonZeroU32;

use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::replay::{
    Advance, FinishedCounts, FinishedStep, ReplayStep, SCAN_LIMIT, Scan, WebhookStatus,
};
use rdev_webhooks_domain::{
    Access, DeliveryOutcome, RateLimit, Replay, ReplayId, ReplayState, ReplayStatus, Timestamp, Trigger,
    WebhookId, completed_replay,
};
use sqlx::SqliteConnection;
use uuid::Uuid;

use super::{bytes, bytes_of_webhook, find, floor, missing, rows};
use crate::error::{self, DbError};
use crate::events::publish::publish_in;
use crate::json;
use crate::operational::affected;
use crate::rows::delivery::{self, DeliveryRow, StoredState, UNFINISHED, delivery_rows};
use crate::rows::micros;

/// Makes one step. Also returns the number of deliveries of the event that the replay is complete. There is no concurrent step, because there is only one writer.
pub(super) async fn advance(
    conn: &mut SqliteConnection,
    id: ReplayId,
    now: Timestamp,
) -> Result<Option<(Advance, u64)>, DbError> {
    let Some(replay) = find(&mut *conn, Access::everything(), id).await?.filter(Replay::is_open) else {
        return Ok(None);
    };
    let ended = collect_ended(&mut *conn, id, replay.selection.status).await?;
    let webhook = webhook_status(&mut *conn, replay.selection.webhook_id).await?;
    let mut step = ReplayStep::begin(replay, ended, webhook, now);
    if step.room() > 0 {
        let scan = match step.replay().selection.status {
            ReplayStatus::Missing => missing::take(&mut *conn, step.replay(), step.room(), now).await?,
            ReplayStatus::Finished(_) => take(&mut *conn, step.replay(), step.room(), now).await?,
        };
        step.scanned(scan);
    }
    let FinishedStep { replay, advance, postponed } = step.finish(now);
    match postponed {
        Some(is_enabled) => rows::postpone(&mut *conn, id, is_enabled, now).await?,
        None => rows::save(&mut *conn, &replay, now).await?,
    }
    Ok(Some((advance, report_completed(conn, &replay, now).await?)))
}

/// Publishes the event of a replay that the transaction has completed. Returns the number of deliveries.
pub(super) async fn report_completed(
    conn: &mut SqliteConnection,
    replay: &Replay,
    now: Timestamp,
) -> Result<u64, DbError> {
    if !matches!(replay.state, ReplayState::Completed { .. }) {
        return Ok(0);
    }
    let webhooks = affected(conn, [replay.selection.webhook_id]).await?;
    let webhook = webhooks.get(&replay.selection.webhook_id);
    match webhook.and_then(|webhook| completed_replay(replay, webhook)) {
        Some(event) => publish_in(conn, event, now).await,
        None => Ok(0),
    }
}

async fn webhook_status(conn: &mut SqliteConnection, webhook: WebhookId) -> Result<WebhookStatus, DbError> {
    let webhook = bytes_of_webhook(webhook);
    let row = sqlx::query!(
        r#"SELECT disabled_at IS NULL AS "enabled!: bool", rate_limit, max_in_flight FROM webhooks_webhooks
           WHERE id = ?1 AND deleted_at IS NULL"#,
        webhook
    )
    .fetch_optional(conn)
    .await?;
    Ok(match row {
        None => WebhookStatus::Deleted,
        Some(row) if !row.enabled => WebhookStatus::Disabled,
        Some(row) => {
            let cap = row.max_in_flight.and_then(|cap| u32::try_from(cap).ok());
            let rate_limit = row.rate_limit.and_then(RateLimit::per_second);
            WebhookStatus::Enabled { rate_limit, max_in_flight: cap.and_then(NonZeroU32::new) }
        }
    })
}

/// Removes the finished and the deleted deliveries from the replay, and counts their outcomes. The delivery of a missing
/// event is also removed, as failed, when its first attempt has failed.
async fn collect_ended(
    conn: &mut SqliteConnection,
    id: ReplayId,
    status: ReplayStatus,
) -> Result<FinishedCounts, DbError> {
    let id = bytes(id);
    let is_missing = status == ReplayStatus::Missing;
    let rows = sqlx::query!(
        r#"SELECT r.delivery_id, d.status AS "status?"
           FROM webhooks_replay_deliveries AS r LEFT JOIN webhooks_deliveries AS d ON d.id = r.delivery_id
           WHERE r.replay_id = ?1 AND (d.status IS NULL OR d.status <> ?2
             OR (?3 AND d.automatic_attempts > 0 AND d.lease_token IS NULL))"#,
        id,
        UNFINISHED,
        is_missing
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut ended = FinishedCounts::default();
    if rows.is_empty() {
        return Ok(ended);
    }
    let mut ids = Vec::with_capacity(rows.len());
    for row in rows {
        ended.add(match row.status.as_deref() {
            Some(UNFINISHED) => Some(DeliveryOutcome::Failed),
            status => status.and_then(DeliveryOutcome::parse),
        });
        ids.push(error::uuid("replay_deliveries", "delivery_id", &row.delivery_id)?);
    }
    let ids = json::ids(ids)?;
    sqlx::query!(
        "DELETE FROM webhooks_replay_deliveries
         WHERE replay_id = ?1 AND delivery_id IN (SELECT unhex(value) FROM json_each(?2))",
        id,
        ids
    )
    .execute(conn)
    .await?;
    Ok(ended)
}

/// Queues the next deliveries, up to `room` of them.
async fn take(
    conn: &mut SqliteConnection,
    replay: &Replay,
    room: u32,
    now: Timestamp,
) -> Result<Scan, DbError> {
    let selection = &replay.selection;
    let webhook = bytes_of_webhook(selection.webhook_id);
    let status = selection.status.as_str();
    let until = floor(selection.until);
    let after = replay.scan_cursor.map_or_else(|| until.clone(), |id| id.as_bytes().to_vec());
    let ended_by = micros(replay.matched.at);
    let projects = rows::projects(selection.projects.as_ref())?;
    let found = delivery_rows!(
        "FROM webhooks_deliveries AS d WHERE d.id IN (
           SELECT l.id FROM (
             SELECT x.id, x.finished_at, x.project FROM webhooks_deliveries AS x
               INDEXED BY webhooks_deliveries_by_webhook_id_listed_status_id
             WHERE x.webhook_id = ?1 AND x.listed_status = ?2 AND x.id > ?3 AND x.id < ?4
             ORDER BY x.id LIMIT +?5) AS l
           WHERE l.finished_at <= ?6 AND (?7 IS NULL OR l.project IN (SELECT value FROM json_each(?7)))
           ORDER BY l.id LIMIT +?8)
         ORDER BY d.id",
        webhook,
        status,
        after,
        until,
        SCAN_LIMIT,
        ended_by,
        projects,
        room
    )
    .fetch_all(&mut *conn)
    .await?;
    // The query takes no more than `room` of them.
    let queued = u32::try_from(found.len()).unwrap_or(room);
    let scan_cursor = match found.last().filter(|_| queued == room) {
        Some(last) => Some(last.id()?.as_uuid()),
        None => last_looked_at(&mut *conn, &webhook, status, &after, &until).await?,
    };
    queue(conn, replay.id, &found, now).await?;
    Ok(Scan { queued, scan_cursor })
}

/// Returns the last delivery that a step scans if it takes fewer than it may; `None` if there are no more.
async fn last_looked_at(
    conn: &mut SqliteConnection,
    webhook: &[u8],
    status: &str,
    after: &[u8],
    until: &[u8],
) -> Result<Option<Uuid>, DbError> {
    let row = sqlx::query!(
        r#"SELECT count(*) AS "count!: u32", max(id) AS "last: Vec<u8>" FROM (
             SELECT id FROM webhooks_deliveries INDEXED BY webhooks_deliveries_by_webhook_id_listed_status_id
             WHERE webhook_id = ?1 AND listed_status = ?2 AND id > ?3 AND id < ?4
             ORDER BY id LIMIT +?5)"#,
        webhook,
        status,
        after,
        until,
        SCAN_LIMIT
    )
    .fetch_one(conn)
    .await?;
    let last = row.last.filter(|_| row.count >= SCAN_LIMIT);
    Ok(last.map(|id| error::uuid("deliveries", "id", &id)).transpose()?)
}

/// Makes finished deliveries due now, and adds them to the replay.
async fn queue(
    conn: &mut SqliteConnection,
    replay: ReplayId,
    rows: &[DeliveryRow],
    now: Timestamp,
) -> Result<(), DbError> {
    let mut states = Vec::with_capacity(rows.len());
    for row in rows {
        if let StoredState::Finished { attempts, automatic_attempts, .. } = row.state()? {
            let progress = Progress::reopened(attempts, automatic_attempts, Trigger::Replay, now);
            states.push((row.id()?, StoredState::Unfinished(progress)));
        }
    }
    if states.is_empty() {
        return Ok(());
    }
    let ids = json::ids(states.iter().map(|(id, _)| id.as_uuid()))?;
    track(&mut *conn, replay, &ids, now).await?;
    delivery::save(conn, states).await
}

/// Adds queued deliveries to the replay, and to the delivery feed.
pub(super) async fn track(
    conn: &mut SqliteConnection,
    replay: ReplayId,
    ids: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    delivery::record_reopened(&mut *conn, ids, now).await?;
    let replay = bytes(replay);
    sqlx::query!(
        "INSERT INTO webhooks_replay_deliveries (replay_id, delivery_id) SELECT ?1, unhex(value) FROM json_each(?2)",
        replay,
        ids
    )
    .execute(conn)
    .await?;
    Ok(())
}
