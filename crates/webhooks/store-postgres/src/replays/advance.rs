//! One step of a replay.

use std::num::NonZeroU32;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::replay::{
    Advance, FinishedCounts, FinishedStep, ReplayStep, SCAN_LIMIT, Scan, WebhookStatus,
};
use rdev_webhooks_domain::{
    DeliveryId, DeliveryOutcome, RateLimit, Replay, ReplayId, ReplayState, ReplayStatus, Trigger, WakeUp,
    WebhookId, completed_replay,
};
use sqlx::{Connection, PgConnection};

use super::missing;
use super::rows::{postpone, replay_rows, save, to_replay};
use crate::convert::{from_sql_time, to_sql_time, to_u32};
use crate::events::publish::publish_in;
use crate::operational::affected;
use crate::store::Inner;

/// Makes one step, in one transaction. If the replay's row is locked, leaves the step to the lock's holder.
pub(super) async fn advance(store: &Inner, id: ReplayId) -> Result<Option<Advance>, StoreError> {
    let stepped = store
        .write()
        .run_checked(async |conn| {
            let mut tx = conn.begin().await?;
            let row = replay_rows!("WHERE r.id = $1 AND r.is_open FOR UPDATE SKIP LOCKED", id.as_uuid());
            let Some(row) = row.fetch_optional(&mut *tx).await? else {
                return Ok(None);
            };
            let now = from_sql_time(row.now);
            let replay = to_replay(row)?;
            let ended = collect_ended(&mut tx, id, replay.selection.status).await?;
            let webhook = webhook_status(&mut tx, replay.selection.webhook_id).await?;
            let mut step = ReplayStep::begin(replay, ended, webhook, now);
            if step.room() > 0 {
                let scan = match step.replay().selection.status {
                    ReplayStatus::Missing => missing::scan(&mut tx, step.replay(), step.room()).await?,
                    ReplayStatus::Finished(_) => scan(&mut tx, step.replay(), step.room()).await?,
                };
                step.scanned(scan);
            }
            let FinishedStep { replay, advance, postponed } = step.finish(now);
            match postponed {
                Some(is_enabled) => postpone(&mut tx, id, is_enabled).await?,
                None => save(&mut tx, &replay).await?,
            }
            let reported = report_completed(&mut tx, store, &replay).await?;
            tx.commit().await?;
            Ok(Some((advance, reported)))
        })
        .await?;
    let deliveries = stepped.map_or(0, |(step, reported)| u64::from(step.queued) + reported);
    if deliveries > 0 {
        store.wakeups.wake(deliveries, WakeUp::Any);
    }
    Ok(stepped.map(|(step, _)| step))
}

/// Publishes the event of a replay that the transaction has completed. Returns the number of deliveries.
pub(super) async fn report_completed(
    tx: &mut PgConnection,
    store: &Inner,
    replay: &Replay,
) -> Result<u64, sqlx::Error> {
    if !matches!(replay.state, ReplayState::Completed { .. }) {
        return Ok(0);
    }
    let id = replay.selection.webhook_id.as_uuid();
    let (webhooks, _) = affected(tx, vec![id]).await?;
    let event = webhooks.get(&id).and_then(|webhook| completed_replay(replay, webhook));
    publish_in(tx, store, event.into_iter().collect()).await
}

/// Returns the state of the webhook. Locks the webhook's row, so that the webhook is not deleted before its
/// new deliveries are queued and can be cancelled.
async fn webhook_status(tx: &mut PgConnection, webhook: WebhookId) -> Result<WebhookStatus, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT disabled_at IS NULL AS "enabled!", rate_limit, max_in_flight
         FROM rdev_webhooks.webhooks WHERE id = $1 AND deleted_at IS NULL FOR SHARE"#,
        webhook.as_uuid()
    )
    .fetch_optional(tx)
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

/// Removes the deliveries that have left the queue from the replay, and counts their outcomes. The delivery of a
/// missing event is also removed, as failed, when its first attempt has failed.
async fn collect_ended(
    tx: &mut PgConnection,
    id: ReplayId,
    status: ReplayStatus,
) -> Result<FinishedCounts, sqlx::Error> {
    let statuses = sqlx::query_scalar!(
        r#"
        WITH ended AS MATERIALIZED (
            SELECT r.delivery_id, coalesce(
                (SELECT d.status FROM rdev_webhooks.deliveries d WHERE d.id = r.delivery_id),
                (SELECT $3 FROM rdev_webhooks.delivery_queue q WHERE q.id = r.delivery_id)) AS status
            FROM rdev_webhooks.replay_deliveries r
            WHERE r.replay_id = $1 AND NOT EXISTS (
                SELECT FROM rdev_webhooks.delivery_queue q WHERE q.id = r.delivery_id
                    AND NOT ($2 AND q.automatic_attempts > 0 AND q.lease_token IS NULL))
        ),
        forgotten AS (
            DELETE FROM rdev_webhooks.replay_deliveries
            WHERE replay_id = $1 AND delivery_id = ANY(ARRAY(SELECT delivery_id FROM ended))
        )
        SELECT status FROM ended
        "#,
        id.as_uuid(),
        status == ReplayStatus::Missing,
        DeliveryOutcome::Failed.as_str(),
    )
    .fetch_all(tx)
    .await?;
    let mut ended = FinishedCounts::default();
    for status in statuses {
        ended.add(status.as_deref().and_then(DeliveryOutcome::parse));
    }
    Ok(ended)
}

/// Queues the next deliveries, up to `room` of them.
///
/// Only one of the two halves of `scanned` is executed: an index covers only the deliveries that did not
/// succeed. The taken deliveries are found by their primary key, only in the partitions from the first to the
/// last of them; with a join the planner could walk over the whole range. The events are locked, so that they
/// are not pruned before the transaction ends; events that are being pruned are skipped.
async fn scan(tx: &mut PgConnection, replay: &Replay, room: u32) -> Result<Scan, sqlx::Error> {
    let selection = &replay.selection;
    let projects = super::projects(selection);
    let row = sqlx::query_file!(
        "src/replays/scan.sql",
        selection.webhook_id.as_uuid(),
        selection.status.as_str(),
        replay.scan_cursor.unwrap_or(DeliveryId::floor(selection.until).as_uuid()),
        DeliveryId::floor(selection.until).as_uuid(),
        i64::from(SCAN_LIMIT),
        to_sql_time(replay.matched.at),
        projects.as_deref(),
        i64::from(room),
        Trigger::Replay.as_str(),
        replay.id.as_uuid(),
    )
    .fetch_one(tx)
    .await?;
    let scan_cursor = if to_u32(row.selected) >= room {
        row.last_selected
    } else if to_u32(row.scanned) >= SCAN_LIMIT {
        row.last_scanned
    } else {
        None
    };
    Ok(Scan { queued: to_u32(row.taken), scan_cursor })
}
