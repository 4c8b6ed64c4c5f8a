//! Conversion of rows of `replays`.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    CancelReason, Matched, Replay, ReplayId, ReplaySelection, ReplayState, ReplayStatus, WebhookId,
};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::convert::{from_sql_time, to_i32, to_micros_up, to_sql_time, to_u32};
use crate::error::corrupt;

const TABLE: &str = "replays";

/// A replay as it is stored, and the time of the statement.
pub(super) struct ReplayRow {
    pub(super) id: Uuid,
    pub(super) webhook_id: Uuid,
    pub(super) since: DateTime<Utc>,
    pub(super) until: DateTime<Utc>,
    pub(super) status: String,
    pub(super) projects: Option<Vec<String>>,
    pub(super) matched: i64,
    pub(super) matched_exactly: bool,
    pub(super) matched_at: DateTime<Utc>,
    pub(super) scan_cursor: Option<Uuid>,
    pub(super) queued: i64,
    pub(super) pending_count: i32,
    pub(super) succeeded: i64,
    pub(super) failed: i64,
    pub(super) cancelled: i64,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) ended_at: Option<DateTime<Utc>>,
    pub(super) now: DateTime<Utc>,
}

/// A query for [`ReplayRow`]s of `replays r` under the given conditions.
macro_rules! replay_rows {
    ($conditions:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::replays::rows::ReplayRow,
            "SELECT r.id, r.webhook_id, r.since, r.until, r.status, r.projects, r.matched, r.matched_exactly, "
                + "r.matched_at, r.scan_cursor, r.queued, r.pending_count, r.succeeded, r.failed, r.cancelled, r.state, "
                + "r.reason, r.ended_at, rdev_webhooks.now() AS \"now!\" FROM rdev_webhooks.replays r "
                + $conditions
            $(, $argument)*
        )
    };
}
pub(super) use replay_rows;

/// Converts a replay.
pub(super) fn to_replay(row: ReplayRow) -> Result<Replay, StoreError> {
    let id = ReplayId::from_uuid(row.id);
    let unknown = |column| corrupt(TABLE, column, id, "an unknown name");
    let projects = row.projects.map(|names| names.iter().map(|name| name.parse()).collect());
    let at = row.ended_at.map(from_sql_time).ok_or_else(|| corrupt(TABLE, "ended_at", id, "is not set"));
    let state = match row.state.as_str() {
        "running" => ReplayState::Running,
        "completed" => ReplayState::Completed { at: at? },
        "cancelled" => {
            let reason = CancelReason::parse(row.reason.as_deref().unwrap_or_default());
            ReplayState::Cancelled { at: at?, reason: reason.ok_or_else(|| unknown("reason"))? }
        }
        _ => return Err(unknown("state")),
    };
    let count = |n: i64| u64::try_from(n).unwrap_or(0);
    Ok(Replay {
        id,
        selection: ReplaySelection {
            webhook_id: WebhookId::from_uuid(row.webhook_id),
            since: from_sql_time(row.since),
            until: from_sql_time(row.until),
            status: ReplayStatus::parse(&row.status).ok_or_else(|| unknown("status"))?,
            projects: projects.transpose().map_err(|error| corrupt(TABLE, "projects", id, error))?,
        },
        matched: Matched {
            deliveries: count(row.matched),
            is_exact: row.matched_exactly,
            at: from_sql_time(row.matched_at),
        },
        scan_cursor: row.scan_cursor,
        queued: count(row.queued),
        waiting: to_u32(row.pending_count),
        succeeded: count(row.succeeded),
        failed: count(row.failed),
        cancelled: count(row.cancelled),
        state,
    })
}

/// Stores a replay's progress.
pub(super) async fn save(conn: &mut PgConnection, replay: &Replay) -> Result<(), sqlx::Error> {
    let reason = match replay.state {
        ReplayState::Cancelled { reason, .. } => Some(reason.as_str()),
        ReplayState::Running | ReplayState::Completed { .. } => None,
    };
    sqlx::query!(
        "UPDATE rdev_webhooks.replays SET scan_cursor = $2, queued = $3, pending_count = $4, succeeded = $5,
             failed = $6, cancelled = $7, state = $8, reason = $9, ended_at = $10, is_open = $11,
             next_step_at = CASE WHEN $11 THEN least(next_step_at, rdev_webhooks.now()) END,
             progressed_at = rdev_webhooks.now()
         WHERE id = $1",
        replay.id.as_uuid(),
        replay.scan_cursor,
        to_i64(replay.queued),
        to_i32(replay.waiting),
        to_i64(replay.succeeded),
        to_i64(replay.failed),
        to_i64(replay.cancelled),
        replay.state.as_str(),
        reason,
        replay.state.ended_at().map(to_sql_time),
        replay.is_open(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Postpones a replay that made no progress, as [`Replay::due_in`] says.
pub(super) async fn postpone(
    conn: &mut PgConnection,
    id: ReplayId,
    webhook_is_enabled: bool,
) -> Result<(), sqlx::Error> {
    let (min, max) = (Duration::ZERO, Duration::MAX);
    let (min, max) = (Replay::due_in(min, webhook_is_enabled), Replay::due_in(max, webhook_is_enabled));
    sqlx::query!(
        "UPDATE rdev_webhooks.replays SET next_step_at = rdev_webhooks.now() + least(
             greatest(rdev_webhooks.now() - progressed_at, $2::int8 * interval '1 microsecond'),
             $3::int8 * interval '1 microsecond')
         WHERE id = $1",
        id.as_uuid(),
        to_micros_up(min),
        to_micros_up(max),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Makes the open replays of a changed or deleted webhook due.
pub(crate) async fn make_due(conn: &mut PgConnection, webhook: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE rdev_webhooks.replays SET next_step_at = rdev_webhooks.now(), progressed_at = rdev_webhooks.now()
         WHERE webhook_id = $1 AND next_step_at IS NOT NULL",
        webhook
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Converts a count for Postgres, which has no unsigned numbers.
pub(super) fn to_i64(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
