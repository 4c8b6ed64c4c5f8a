//! [`ReplayRepository`] on Postgres.

mod advance;
mod missing;
mod rows;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{ReplayBegun, ReplayCancelled, ReplayRepository, StoreError};
use rdev_webhooks_domain::replay::{Advance, COUNT_LIMIT};
use rdev_webhooks_domain::{
    Access, CancelReason, DeliveryId, Matched, Page, PageRequest, Replay, ReplayId, ReplaySelection,
    ReplayStatus, WakeUp, WebhookId,
};
use sqlx::Connection;
use uuid::Uuid;

use crate::convert::{from_sql_time, texts, to_sql_time};
use crate::store::PostgresStore;
use crate::visible;
pub(crate) use rows::make_due;
use rows::{replay_rows, save, to_i64, to_replay};

#[async_trait]
impl ReplayRepository for PostgresStore {
    async fn count(&self, selection: &ReplaySelection) -> Result<Matched, StoreError> {
        if selection.status == ReplayStatus::Missing {
            return self
                .inner
                .listings()
                .run_checked(async |conn| missing::count(conn, selection).await)
                .await;
        }
        // One more shows whether there are more; it is not counted.
        let most = i64::from(COUNT_LIMIT) + 1;
        let projects = projects(selection);
        let row = self
            .inner
            .listings()
            .run(async |conn| {
                sqlx::query!(
                    r#"
                    SELECT rdev_webhooks.now() AS "at!", count(*) AS "scanned!",
                        count(*) FILTER (WHERE l.position < $6 AND l.status = $2
                            AND l.finished_at <= rdev_webhooks.now()
                            AND ($5::text[] IS NULL OR (SELECT e.project
                                FROM rdev_webhooks.events e WHERE e.id = l.event_id) = ANY($5))) AS "matched!"
                    FROM (
                        SELECT d.event_id, d.status, d.finished_at, row_number() OVER (ORDER BY d.id) AS position
                        FROM (
                            (SELECT d.id, d.event_id, d.status, d.finished_at
                            FROM rdev_webhooks.deliveries d
                            WHERE $2 <> 'succeeded' AND d.webhook_id = $1 AND d.status = $2
                                AND d.status <> 'succeeded' AND d.id > $3 AND d.id < $4
                            ORDER BY d.id LIMIT $6)
                            UNION ALL
                            (SELECT d.id, d.event_id, d.status, d.finished_at
                            FROM rdev_webhooks.deliveries d
                            WHERE $2 = 'succeeded' AND d.webhook_id = $1 AND d.id > $3 AND d.id < $4
                            ORDER BY d.id LIMIT $6)
                        ) d
                    ) l
                    "#,
                    selection.webhook_id.as_uuid(),
                    selection.status.as_str(),
                    DeliveryId::floor(selection.since).as_uuid(),
                    DeliveryId::floor(selection.until).as_uuid(),
                    projects.as_deref(),
                    most,
                )
                .fetch_one(&mut **conn)
                .await
            })
            .await?;
        Ok(Matched {
            deliveries: u64::try_from(row.matched).unwrap_or(0),
            is_exact: row.scanned < most,
            at: from_sql_time(row.at),
        })
    }

    async fn begin(&self, access: &Access, replay: &Replay) -> Result<ReplayBegun, StoreError> {
        let selection = &replay.selection;
        let visible_to = visible::projects(access);
        let projects = projects(selection);
        let (begun, deliveries) = self
            .inner
            .write()
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                // The row's lock prevents that the webhook is disabled, moved or deleted before the
                // transaction ends.
                let enabled = sqlx::query_scalar!(
                    r#"SELECT disabled_at IS NULL AS "enabled!" FROM rdev_webhooks.webhooks
                     WHERE id = $1 AND deleted_at IS NULL AND rdev_webhooks.is_visible(projects, $2)
                     FOR SHARE"#,
                    selection.webhook_id.as_uuid(),
                    visible_to.as_deref(),
                )
                .fetch_optional(&mut *tx)
                .await?;
                match enabled {
                    None => return Ok((ReplayBegun::WebhookDeleted, 0)),
                    Some(false) => return Ok((ReplayBegun::WebhookDisabled, 0)),
                    Some(true) => {}
                }
                let inserted = sqlx::query!(
                    "INSERT INTO rdev_webhooks.replays (id, webhook_id, since, until, status, projects,
                         matched, matched_exactly, matched_at, scan_cursor, queued, pending_count, succeeded,
                         failed, cancelled, state, ended_at, is_open, next_step_at)
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, 0, 0, 0, 0, 0, $11, $12, $13,
                         CASE WHEN $13 THEN rdev_webhooks.now() END)
                     ON CONFLICT (webhook_id) WHERE state = 'running' DO NOTHING",
                    replay.id.as_uuid(),
                    selection.webhook_id.as_uuid(),
                    to_sql_time(selection.since),
                    to_sql_time(selection.until),
                    selection.status.as_str(),
                    projects.as_deref(),
                    to_i64(replay.matched.deliveries),
                    replay.matched.is_exact,
                    to_sql_time(replay.matched.at),
                    replay.scan_cursor,
                    replay.state.as_str(),
                    replay.state.ended_at().map(to_sql_time),
                    replay.is_open(),
                )
                .execute(&mut *tx)
                .await?;
                if inserted.rows_affected() == 0 {
                    return Ok((ReplayBegun::AlreadyRunning, 0));
                }
                let deliveries = advance::report_completed(&mut tx, &self.inner, replay).await?;
                tx.commit().await?;
                Ok((ReplayBegun::Started, deliveries))
            })
            .await?;
        if deliveries > 0 {
            self.inner.wakeups.wake(deliveries, WakeUp::Any);
        }
        Ok(begun)
    }

    async fn get(&self, access: &Access, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let row = self
            .inner
            .browse()
            .run(async |conn| replay_rows!("WHERE r.id = $1", id.as_uuid()).fetch_optional(&mut **conn).await)
            .await?;
        let replay = row.map(to_replay).transpose()?;
        Ok(replay.filter(|replay| replay.is_visible_to(access)))
    }

    async fn list(
        &self,
        access: &Access,
        webhook: Option<WebhookId>,
        page: PageRequest<ReplayId>,
    ) -> Result<Page<Replay>, StoreError> {
        let projects = visible::projects(access);
        let before = page.before.map_or(Uuid::max(), |before| before.as_uuid());
        let limit = i64::from(page.limit) + 1;
        let rows = self
            .inner
            .listings()
            .run(async |conn| match webhook {
                Some(webhook) => {
                    replay_rows!(
                        "WHERE r.webhook_id = $4 AND r.id < $1 AND ($2::text[] IS NULL OR r.projects <@ $2)
                             ORDER BY r.id DESC LIMIT $3",
                        before,
                        projects.as_deref(),
                        limit,
                        webhook.as_uuid(),
                    )
                    .fetch_all(&mut **conn)
                    .await
                }
                None => {
                    replay_rows!(
                        "WHERE r.id < $1 AND ($2::text[] IS NULL OR r.projects <@ $2)
                             ORDER BY r.id DESC LIMIT $3",
                        before,
                        projects.as_deref(),
                        limit,
                    )
                    .fetch_all(&mut **conn)
                    .await
                }
            })
            .await?;
        let id = |row: &rows::ReplayRow| ReplayId::from_uuid(row.id).to_string();
        Page::read(rows, page.limit, id, to_replay)
    }

    async fn cancel(&self, access: &Access, id: ReplayId) -> Result<Option<ReplayCancelled>, StoreError> {
        self.inner
            .write()
            .run_checked(async |conn| {
                let mut tx = conn.begin().await?;
                let row = replay_rows!("WHERE r.id = $1 FOR UPDATE", id.as_uuid());
                let Some(row) = row.fetch_optional(&mut *tx).await? else {
                    return Ok(None);
                };
                let now = from_sql_time(row.now);
                let mut replay = to_replay(row)?;
                if !replay.is_visible_to(access) {
                    return Ok(None);
                }
                if !replay.cancel(CancelReason::Requested, now) {
                    return Ok(Some(ReplayCancelled::Ended(replay)));
                }
                save(&mut tx, &replay).await?;
                tx.commit().await?;
                Ok(Some(ReplayCancelled::Cancelled(replay)))
            })
            .await
    }

    async fn due(&self, after: Option<ReplayId>, limit: u32) -> Result<Vec<ReplayId>, StoreError> {
        let after = after.map_or(Uuid::nil(), |after| after.as_uuid());
        let ids = self
            .inner
            .browse()
            .run(async |conn| {
                sqlx::query_scalar!(
                    "SELECT id FROM rdev_webhooks.replays
                     WHERE next_step_at <= rdev_webhooks.now() AND id > $1 ORDER BY id LIMIT $2",
                    after,
                    i64::from(limit)
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        Ok(ids.into_iter().map(ReplayId::from_uuid).collect())
    }

    async fn advance(&self, id: ReplayId) -> Result<Option<Advance>, StoreError> {
        advance::advance(&self.inner, id).await
    }
}

fn projects(selection: &ReplaySelection) -> Option<Vec<String>> {
    selection.projects.as_ref().map(texts)
}
