//! Rows of `replays`.

use std::collections::BTreeSet;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{
    CancelReason, Matched, ProjectName, Replay, ReplayId, ReplaySelection, ReplayState, ReplayStatus,
    Timestamp, WebhookId,
};
use sqlx::SqliteConnection;

use crate::error::{self, DbError, Row};
use crate::json;
use crate::rows::micros;

const TABLE: &str = "replays";

/// The row of a replay.
pub(crate) struct ReplayRow {
    pub(crate) id: Vec<u8>,
    pub(crate) webhook_id: Vec<u8>,
    pub(crate) since: i64,
    pub(crate) until: i64,
    pub(crate) status: String,
    pub(crate) projects: Option<String>,
    pub(crate) matched: i64,
    pub(crate) matched_exactly: bool,
    pub(crate) matched_at: i64,
    pub(crate) scan_cursor: Option<Vec<u8>>,
    pub(crate) queued: i64,
    pub(crate) pending_count: i64,
    pub(crate) succeeded: i64,
    pub(crate) failed: i64,
    pub(crate) cancelled: i64,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) ended_at: Option<i64>,
}

/// A query for [`ReplayRow`]s of `replays AS r` under the given conditions.
macro_rules! replay_rows {
    ($conditions:literal $(+ $more:literal)* $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            $crate::replays::rows::ReplayRow,
            "SELECT r.id, r.webhook_id, r.since, r.until, r.status, r.projects, r.matched, "
                + "r.matched_exactly AS \"matched_exactly!: bool\", r.matched_at, r.scan_cursor, r.queued, "
                + "r.pending_count, "
                + "r.succeeded, r.failed, r.cancelled, r.state, r.reason, r.ended_at FROM webhooks_replays AS r "
                + $conditions $(+ $more)*
            $(, $argument)*
        )
    };
}
pub(crate) use replay_rows;

/// Parses a replay's id.
pub(crate) fn id(bytes: &[u8]) -> Result<ReplayId, StoreError> {
    error::uuid(TABLE, "id", bytes).map(ReplayId::from_uuid)
}

/// Converts projects as they are stored: a JSON array of names.
pub(crate) fn projects(projects: Option<&BTreeSet<ProjectName>>) -> Result<Option<String>, StoreError> {
    let names = projects.map(|projects| projects.iter().map(ProjectName::as_str).collect::<Vec<_>>());
    names.map(|names| json::rows(&names)).transpose()
}

impl ReplayRow {
    /// Converts the row to a replay.
    pub(crate) fn replay(&self) -> Result<Replay, StoreError> {
        let id = id(&self.id)?;
        let row = Row { table: TABLE, id: &id };
        let scan_cursor = self.scan_cursor.as_deref().map(|bytes| error::uuid(TABLE, "scan_cursor", bytes));
        Ok(Replay {
            id,
            selection: ReplaySelection {
                webhook_id: error::uuid(TABLE, "webhook_id", &self.webhook_id).map(WebhookId::from_uuid)?,
                since: Timestamp::from_micros(self.since),
                until: Timestamp::from_micros(self.until),
                status: row.name("status", &self.status, ReplayStatus::parse)?,
                projects: self.read_projects(&row)?,
            },
            matched: Matched {
                deliveries: row.number("matched", self.matched)?,
                is_exact: self.matched_exactly,
                at: Timestamp::from_micros(self.matched_at),
            },
            scan_cursor: scan_cursor.transpose()?,
            queued: row.number("queued", self.queued)?,
            waiting: row.number("pending_count", self.pending_count)?,
            succeeded: row.number("succeeded", self.succeeded)?,
            failed: row.number("failed", self.failed)?,
            cancelled: row.number("cancelled", self.cancelled)?,
            state: self.state(&row)?,
        })
    }

    fn read_projects(&self, row: &Row<'_>) -> Result<Option<BTreeSet<ProjectName>>, StoreError> {
        let Some(text) = &self.projects else {
            return Ok(None);
        };
        let names: Vec<String> =
            serde_json::from_str(text).map_err(|error| row.corrupt("projects", error))?;
        names.iter().map(|name| row.parse("projects", name)).collect::<Result<_, _>>().map(Some)
    }

    fn state(&self, row: &Row<'_>) -> Result<ReplayState, StoreError> {
        let at = || row.some("ended_at", self.ended_at).map(Timestamp::from_micros);
        Ok(match self.state.as_str() {
            "running" => ReplayState::Running,
            "completed" => ReplayState::Completed { at: at()? },
            "cancelled" => {
                let reason = row.some("reason", self.reason.as_deref())?;
                ReplayState::Cancelled { at: at()?, reason: row.name("reason", reason, CancelReason::parse)? }
            }
            other => return Err(row.corrupt("state", format!("unknown state {other:?}"))),
        })
    }
}

/// Stores a replay's progress.
pub(crate) async fn save(
    conn: &mut SqliteConnection,
    replay: &Replay,
    now: Timestamp,
) -> Result<(), DbError> {
    let id = replay.id.as_uuid().as_bytes().to_vec();
    let scan_cursor = replay.scan_cursor.map(|id| id.as_bytes().to_vec());
    let queued = count(replay.queued)?;
    let (succeeded, failed) = (count(replay.succeeded)?, count(replay.failed)?);
    let cancelled = count(replay.cancelled)?;
    let state = replay.state.as_str();
    let reason = match replay.state {
        ReplayState::Cancelled { reason, .. } => Some(reason.as_str()),
        ReplayState::Running | ReplayState::Completed { .. } => None,
    };
    let (ended_at, is_open) = (replay.state.ended_at().map(micros), replay.is_open());
    let now = micros(now);
    sqlx::query!(
        "UPDATE webhooks_replays SET scan_cursor = ?2, queued = ?3, pending_count = ?4, succeeded = ?5,
           failed = ?6, cancelled = ?7, state = ?8, reason = ?9, ended_at = ?10, is_open = ?11,
           next_step_at = iif(?11, min(coalesce(next_step_at, ?12), ?12), NULL), progressed_at = ?12
         WHERE id = ?1",
        id,
        scan_cursor,
        queued,
        replay.waiting,
        succeeded,
        failed,
        cancelled,
        state,
        reason,
        ended_at,
        is_open,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Postpones a replay that made no progress.
pub(crate) async fn postpone(
    conn: &mut SqliteConnection,
    id: ReplayId,
    webhook_is_enabled: bool,
    now: Timestamp,
) -> Result<(), DbError> {
    let id = id.as_uuid().as_bytes().to_vec();
    let progressed_at = sqlx::query_scalar!("SELECT progressed_at FROM webhooks_replays WHERE id = ?1", id)
        .fetch_one(&mut *conn)
        .await?;
    let idle_for = now.since(Timestamp::from_micros(progressed_at));
    let next_step_at = micros(now + Replay::due_in(idle_for, webhook_is_enabled));
    sqlx::query!("UPDATE webhooks_replays SET next_step_at = ?2 WHERE id = ?1", id, next_step_at)
        .execute(conn)
        .await?;
    Ok(())
}

/// Makes the open replays of a changed or deleted webhook due.
pub(crate) async fn make_due(
    conn: &mut SqliteConnection,
    webhook: &[u8],
    now: Timestamp,
) -> Result<(), DbError> {
    let now = micros(now);
    sqlx::query!(
        "UPDATE webhooks_replays SET next_step_at = ?2, progressed_at = ?2
         WHERE webhook_id = ?1 AND next_step_at IS NOT NULL",
        webhook,
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Converts a count as it is stored.
pub(crate) fn count(count: u64) -> Result<i64, StoreError> {
    i64::try_from(count).map_err(error::internal)
}
