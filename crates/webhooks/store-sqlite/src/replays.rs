//! [`ReplayRepository`].

mod advance;
mod missing;
pub(crate) mod rows;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{ReplayBegun, ReplayCancelled, ReplayRepository, StoreError};
use rdev_webhooks_domain::replay::{Advance, COUNT_LIMIT};
use rdev_webhooks_domain::{
    Access, CancelReason, DeliveryId, Matched, Page, PageRequest, Replay, ReplayId, ReplaySelection,
    ReplayStatus, Timestamp, WebhookId,
};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;

use self::rows::{projects, replay_rows};
use crate::error::{self, DbError};
use crate::rows::micros;
use crate::{SqliteStore, visible};

#[async_trait]
impl ReplayRepository for SqliteStore {
    async fn count(&self, selection: &ReplaySelection) -> Result<Matched, StoreError> {
        let now = self.clock.now();
        Ok(count(&mut *self.listings.begin().await?, selection, now).await?)
    }

    async fn begin(&self, access: &Access, replay: &Replay) -> Result<ReplayBegun, StoreError> {
        let (access, replay) = (access.clone(), replay.clone());
        let begun = self
            .write_and_wake(
                move |conn, now| Box::pin(async move { begin(conn, &access, &replay, now).await }),
                |(_, deliveries)| *deliveries > 0,
            )
            .await?;
        Ok(begun.0)
    }

    async fn get(&self, access: &Access, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        Ok(find(&mut *self.reader().await?, access, id).await?)
    }

    async fn list(
        &self,
        access: &Access,
        webhook: Option<WebhookId>,
        page: PageRequest<ReplayId>,
    ) -> Result<Page<Replay>, StoreError> {
        Ok(list(&mut *self.listings.begin().await?, access, webhook, page).await?)
    }

    async fn cancel(&self, access: &Access, id: ReplayId) -> Result<Option<ReplayCancelled>, StoreError> {
        let access = access.clone();
        self.write(move |conn, now| Box::pin(async move { cancel(conn, &access, id, now).await })).await
    }

    async fn due(&self, after: Option<ReplayId>, limit: u32) -> Result<Vec<ReplayId>, StoreError> {
        let now = self.clock.now();
        Ok(due(&mut *self.reader().await?, after, limit, now).await?)
    }

    async fn advance(&self, id: ReplayId) -> Result<Option<Advance>, StoreError> {
        let stepped = self
            .write_and_wake(
                move |conn, now| Box::pin(async move { advance::advance(conn, id, now).await }),
                |stepped| stepped.is_some_and(|(step, reported)| step.queued > 0 || reported > 0),
            )
            .await?;
        Ok(stepped.map(|(step, _)| step))
    }
}

async fn count(
    conn: &mut SqliteConnection,
    selection: &ReplaySelection,
    now: Timestamp,
) -> Result<Matched, DbError> {
    if selection.status == ReplayStatus::Missing {
        return missing::count(conn, selection, now).await;
    }
    let webhook = bytes_of_webhook(selection.webhook_id);
    let (after, until) = (floor(selection.since), floor(selection.until));
    let (status, at) = (selection.status.as_str(), micros(now));
    let projects = projects(selection.projects.as_ref())?;
    // One more shows whether there are more; it is not counted.
    let limit = i64::from(COUNT_LIMIT) + 1;
    let row = sqlx::query!(
        r#"SELECT count(*) AS "scanned!: i64", count(*) FILTER (WHERE l.place < ?7 AND l.finished_at <= ?5
             AND (?6 IS NULL OR l.project IN (SELECT value FROM json_each(?6)))) AS "matched!: i64"
           FROM (
             SELECT d.finished_at, d.project, row_number() OVER (ORDER BY d.id) AS place FROM (
               SELECT x.id, x.finished_at, x.project
               FROM webhooks_deliveries AS x INDEXED BY webhooks_deliveries_by_webhook_id_listed_status_id
               WHERE x.webhook_id = ?1 AND x.listed_status = ?2 AND x.id > ?3 AND x.id < ?4
               ORDER BY x.id LIMIT +?7) AS d) AS l"#,
        webhook,
        status,
        after,
        until,
        at,
        projects,
        limit
    )
    .fetch_one(conn)
    .await?;
    Ok(Matched {
        deliveries: u64::try_from(row.matched).unwrap_or(0),
        is_exact: row.scanned < limit,
        at: now,
    })
}

/// A query for a page of the visible replays under a condition.
macro_rules! page {
    ($condition:literal, $before:expr, $projects:expr, $limit:expr $(, $argument:expr)?) => {
        replay_rows!(
            "WHERE r.id < ?1 AND (?2 IS NULL OR (r.projects IS NOT NULL AND NOT EXISTS (
               SELECT 1 FROM json_each(r.projects) AS replayed
               WHERE replayed.value NOT IN (SELECT value FROM json_each(?2)))))
             AND " + $condition + " ORDER BY r.id DESC LIMIT +?3",
            $before,
            $projects,
            $limit
            $(, $argument)?
        )
    };
}

async fn list(
    conn: &mut SqliteConnection,
    access: &Access,
    webhook: Option<WebhookId>,
    page: PageRequest<ReplayId>,
) -> Result<Page<Replay>, DbError> {
    // One byte more than an id has sorts after every id.
    let before = page.before.map_or_else(|| vec![0xff; 17], bytes);
    let projects = visible::projects(access)?;
    let limit = i64::from(page.limit) + 1;
    let rows = match webhook.map(bytes_of_webhook) {
        Some(webhook) => page!("r.webhook_id = ?4", before, projects, limit, webhook).fetch_all(conn).await?,
        None => page!("true", before, projects, limit).fetch_all(conn).await?,
    };
    let id = |row: &rows::ReplayRow| error::id_text(&row.id, ReplayId::from_uuid);
    Ok(Page::read(rows, page.limit, id, |row| row.replay())?)
}

async fn due(
    conn: &mut SqliteConnection,
    after: Option<ReplayId>,
    limit: u32,
    now: Timestamp,
) -> Result<Vec<ReplayId>, DbError> {
    let (after, now) = (after.map_or_else(Vec::new, bytes), micros(now));
    let ids = sqlx::query_scalar!(
        "SELECT id FROM webhooks_replays INDEXED BY webhooks_replays_by_next_step_at
         WHERE next_step_at IS NOT NULL AND next_step_at <= ?3 AND id > ?1 ORDER BY id LIMIT +?2",
        after,
        limit,
        now
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.iter().map(|id| rows::id(id)).filter_map(damage::leave_out).collect())
}

fn bytes(id: ReplayId) -> Vec<u8> {
    id.as_uuid().as_bytes().to_vec()
}

fn bytes_of_webhook(id: WebhookId) -> Vec<u8> {
    id.as_uuid().as_bytes().to_vec()
}

fn floor(at: Timestamp) -> Vec<u8> {
    DeliveryId::floor(at).as_uuid().as_bytes().to_vec()
}

async fn find(conn: &mut SqliteConnection, access: &Access, id: ReplayId) -> Result<Option<Replay>, DbError> {
    let id = bytes(id);
    let row = replay_rows!("WHERE r.id = ?1", id).fetch_optional(conn).await?;
    let replay = row.map(|row| row.replay()).transpose()?;
    Ok(replay.filter(|replay| replay.is_visible_to(access)))
}

/// Also returns the number of deliveries of the event that the replay is complete.
async fn begin(
    conn: &mut SqliteConnection,
    access: &Access,
    replay: &Replay,
    now: Timestamp,
) -> Result<(ReplayBegun, u64), DbError> {
    let selection = &replay.selection;
    let webhook = bytes_of_webhook(selection.webhook_id);
    if !visible::webhook(conn, access, &webhook).await? {
        return Ok((ReplayBegun::WebhookDeleted, 0));
    }
    let enabled = sqlx::query_scalar!(
        r#"SELECT disabled_at IS NULL AS "enabled!: bool" FROM webhooks_webhooks
           WHERE id = ?1 AND deleted_at IS NULL"#,
        webhook
    )
    .fetch_optional(&mut *conn)
    .await?;
    match enabled {
        None => return Ok((ReplayBegun::WebhookDeleted, 0)),
        Some(false) => return Ok((ReplayBegun::WebhookDisabled, 0)),
        Some(true) => {}
    }
    let id = bytes(replay.id);
    let (since, until) = (micros(selection.since), micros(selection.until));
    let status = selection.status.as_str();
    let projects = projects(selection.projects.as_ref())?;
    let matched = rows::count(replay.matched.deliveries)?;
    let matched_at = micros(replay.matched.at);
    let scan_cursor = replay.scan_cursor.map(|id| id.as_bytes().to_vec());
    let (state, ended_at) = (replay.state.as_str(), replay.state.ended_at().map(micros));
    let is_open = replay.is_open();
    let (now_us, next_step_at) = (micros(now), is_open.then_some(micros(now)));
    let inserted = sqlx::query!(
        "INSERT INTO webhooks_replays (id, webhook_id, since, until, status, projects, matched, matched_exactly,
           matched_at, scan_cursor, queued, pending_count, succeeded, failed, cancelled, state, ended_at, is_open,
           next_step_at, progressed_at)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, 0, 0, 0, 0, 0, ?11, ?12, ?13, ?14, ?15)
         ON CONFLICT (webhook_id) WHERE state = 'running' DO NOTHING",
        id,
        webhook,
        since,
        until,
        status,
        projects,
        matched,
        replay.matched.is_exact,
        matched_at,
        scan_cursor,
        state,
        ended_at,
        is_open,
        next_step_at,
        now_us
    )
    .execute(&mut *conn)
    .await?;
    if inserted.rows_affected() == 0 {
        return Ok((ReplayBegun::AlreadyRunning, 0));
    }
    Ok((ReplayBegun::Started, advance::report_completed(conn, replay, now).await?))
}

async fn cancel(
    conn: &mut SqliteConnection,
    access: &Access,
    id: ReplayId,
    now: Timestamp,
) -> Result<Option<ReplayCancelled>, DbError> {
    let Some(mut replay) = find(conn, access, id).await? else {
        return Ok(None);
    };
    if !replay.cancel(CancelReason::Requested, now) {
        return Ok(Some(ReplayCancelled::Ended(replay)));
    }
    rows::save(conn, &replay, now).await?;
    Ok(Some(ReplayCancelled::Cancelled(replay)))
}
