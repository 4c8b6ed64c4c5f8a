//! [`CommandRepository`].

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{
    Cancellation, CommandRefusal, CommandRepository, Deletion, Signal, StoreError,
};
use rdev_runner_domain::{
    Access, AgentProvider, AgentRequest, Command, CommandFilter, CommandId, CommandStatus, EventPage,
    MAX_EVENT_PAGE_BYTES, Page, PageRequest, ProjectName, SessionRef,
};
use rdev_runner_json::request_to_json;
use rdev_runner_store::internal;
use rdev_runner_store::report::resumes;
use rdev_runner_store::rows::{self, reason, signed};
use sqlx::PgConnection;

use crate::PostgresCommands;
use crate::error::DbError;
use crate::rows::{CommandRow, ended_at, projects, time, timestamp};

#[async_trait]
impl CommandRepository for PostgresCommands {
    async fn create(&self, request: &AgentRequest) -> Result<Result<Command, CommandRefusal>, StoreError> {
        let draft = request.draft();
        let json = request_to_json(request).map_err(internal)?;
        let mut writing = self.write().await?;
        let id = draft.command_id.as_uuid();
        let (project, provider) = (draft.project.as_str(), draft.provider.as_str());
        let resumes = resumes(draft);
        let created_at = time(writing.now);
        sqlx::query!(
            "INSERT INTO rdev_runner.commands (id, project, provider, status, created_at, resumes, session, request)
             SELECT $1, name, $3, 'queued', $4, $5, $5, $6
             FROM (SELECT name FROM rdev_runner.projects
               WHERE name = $2 AND NOT is_archived AND NOT is_deleting FOR SHARE) AS project
             ON CONFLICT (id) DO NOTHING",
            id,
            project,
            provider,
            created_at,
            resumes,
            json
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let Some(created) = find(&mut writing.tx, Access::everything(), draft.command_id).await? else {
            return Ok(Err(refusal(&mut writing.tx, project).await?));
        };
        writing.signal(Signal::Queue);
        writing.commit().await?;
        Ok(Ok(created))
    }

    async fn get(&self, access: &Access, id: CommandId) -> Result<Option<Command>, StoreError> {
        let mut conn = self.pool.acquire().await.map_err(DbError::from)?;
        Ok(find(&mut conn, access, id).await?)
    }

    async fn request(&self, access: &Access, id: CommandId) -> Result<Option<AgentRequest>, StoreError> {
        let (visible, uuid) = (projects(access), id.as_uuid());
        let json = sqlx::query_scalar!(
            "SELECT request FROM rdev_runner.commands
             WHERE id = $1 AND ($2::text[] IS NULL OR project = ANY($2))",
            uuid,
            visible.as_deref()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        json.map(|json| rows::request(id, &json)).transpose()
    }

    async fn list(
        &self,
        access: &Access,
        filter: &CommandFilter,
        page: PageRequest<CommandId>,
    ) -> Result<Page<Command>, StoreError> {
        let visible = projects(access);
        let project = filter.project.as_ref().map(|project| project.as_str());
        let provider = filter.provider.as_ref().map(|provider| provider.as_str());
        let status = filter.status.map(CommandStatus::as_str);
        let before = page.before.map(|before| before.as_uuid());
        let most = i64::from(page.limit) + 1;
        let rows = sqlx::query_as!(
            CommandRow,
            "SELECT id, project, provider, status, reason, created_at, started_at, ended_at, session, result,
               NULL::text AS diff, last_seq
             FROM rdev_runner.commands
             WHERE ($1::text[] IS NULL OR project = ANY($1))
               AND ($2::text IS NULL OR project = $2) AND ($3::text IS NULL OR provider = $3)
               AND ($4::text IS NULL OR status = $4) AND ($5::uuid IS NULL OR id < $5)
             ORDER BY id DESC LIMIT $6",
            visible.as_deref(),
            project,
            provider,
            status,
            before,
            most
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        Page::read(rows, page.limit, CommandRow::id_text, CommandRow::read)
    }

    async fn first_of_session(
        &self,
        project: &ProjectName,
        provider: &AgentProvider,
        session: &SessionRef,
    ) -> Result<Option<CommandId>, StoreError> {
        let first = sqlx::query_scalar!(
            "SELECT id FROM rdev_runner.commands WHERE project = $1 AND provider = $2 AND session = $3
             ORDER BY id LIMIT 1",
            project.as_str(),
            provider.as_str(),
            session.as_str()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        Ok(first.map(CommandId::from_uuid))
    }

    async fn cancel(&self, access: &Access, id: CommandId) -> Result<Option<Cancellation>, StoreError> {
        let mut writing = self.write().await?;
        let Some(mut command) = lock(&mut writing.tx, access, id).await? else { return Ok(None) };
        let Ok(change) = command.state.cancel(writing.now) else { return Ok(Some(Cancellation::Ended)) };
        let uuid = id.as_uuid();
        let (status, reason) = (change.state.status().as_str(), reason(&change.state));
        let ended_at = ended_at(&change.state);
        sqlx::query!(
            "UPDATE rdev_runner.commands SET status = $2, reason = $3, ended_at = $4 WHERE id = $1",
            uuid,
            status,
            reason,
            ended_at
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        self.publish(&mut writing, id, &command.project, &command.provider, &change).await?;
        writing.signal(Signal::Cancelled(id));
        writing.commit().await?;
        command.state = change.state;
        Ok(Some(Cancellation::Accepted(Box::new(command))))
    }

    async fn delete(&self, access: &Access, id: CommandId) -> Result<Option<Deletion>, StoreError> {
        let mut writing = self.write().await?;
        let Some(command) = lock(&mut writing.tx, access, id).await? else { return Ok(None) };
        if command.state.outcome().is_none() {
            return Ok(Some(Deletion::NotEnded));
        }
        remove(&mut writing.tx, id).await?;
        writing.signal(Signal::Changed(id));
        writing.commit().await?;
        Ok(Some(Deletion::Deleted))
    }

    async fn events(
        &self,
        access: &Access,
        id: CommandId,
        after: u64,
        limit: u32,
    ) -> Result<Option<EventPage>, StoreError> {
        // The end is read before the events, which are stored with it.
        let (visible, uuid) = (projects(access), id.as_uuid());
        let has_ended = sqlx::query_scalar!(
            r#"SELECT ended_at IS NOT NULL AS "has_ended!" FROM rdev_runner.commands
             WHERE id = $1 AND ($2::text[] IS NULL OR project = ANY($2))"#,
            uuid,
            visible.as_deref()
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        let Some(has_ended) = has_ended else { return Ok(None) };
        let (after, most) = (signed(after), i64::from(limit) + 1);
        let rows = sqlx::query!(
            r#"SELECT page.count AS "count!", event.seq, event.at, event.data
             FROM (
               SELECT seq, count(*) OVER () AS count,
                 sum(bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before
               FROM (
                 SELECT seq, octet_length(data) AS bytes FROM rdev_runner.events
                 WHERE command_id = $1 AND seq > $2 ORDER BY seq LIMIT $3) AS sizes) AS page
             JOIN rdev_runner.events AS event ON event.command_id = $1 AND event.seq = page.seq
             WHERE page.bytes_before <= $4
             ORDER BY page.seq"#,
            uuid,
            after,
            most,
            MAX_EVENT_PAGE_BYTES as i64
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        let found = rows.first().map_or(0, |row| row.count);
        let has_more = found > i64::from(limit) || found > rows.len() as i64;
        let events = rows.into_iter().take(limit as usize);
        let events = events.map(|row| rows::event(id, row.seq, timestamp(row.at), &row.data));
        Ok(Some(EventPage { events: events.collect::<Result<_, _>>()?, has_more, has_ended }))
    }

    async fn prune(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let before = time(writing.now - age);
        let pruned = sqlx::query!(
            "WITH old AS MATERIALIZED (
               SELECT id FROM rdev_runner.commands WHERE ended_at < $1
               ORDER BY ended_at LIMIT $2 FOR UPDATE SKIP LOCKED),
             events AS (DELETE FROM rdev_runner.events USING old WHERE command_id = old.id)
             DELETE FROM rdev_runner.commands AS command USING old WHERE command.id = old.id",
            before,
            i64::from(limit)
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(pruned.rows_affected())
    }

    async fn database_id(&self) -> Result<String, StoreError> {
        let id = sqlx::query_scalar!("SELECT id FROM rdev_runner.database").fetch_one(&self.pool).await;
        Ok(id.map_err(DbError::from)?)
    }

    async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map_err(DbError::from)?;
        Ok(())
    }
}

/// Returns a visible command.
pub(crate) async fn find(
    conn: &mut PgConnection,
    access: &Access,
    id: CommandId,
) -> Result<Option<Command>, DbError> {
    let (visible, uuid) = (projects(access), id.as_uuid());
    let row = sqlx::query_as!(
        CommandRow,
        "SELECT id, project, provider, status, reason, created_at, started_at, ended_at, session, result,
           diff, last_seq
         FROM rdev_runner.commands
         WHERE id = $1 AND ($2::text[] IS NULL OR project = ANY($2))",
        uuid,
        visible.as_deref()
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(CommandRow::read).transpose()?)
}

/// Locks a visible command, and returns it.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    access: &Access,
    id: CommandId,
) -> Result<Option<Command>, DbError> {
    let (visible, uuid) = (projects(access), id.as_uuid());
    let row = sqlx::query_as!(
        CommandRow,
        "SELECT id, project, provider, status, reason, created_at, started_at, ended_at, session, result,
           diff, last_seq
         FROM rdev_runner.commands
         WHERE id = $1 AND ($2::text[] IS NULL OR project = ANY($2)) FOR UPDATE",
        uuid,
        visible.as_deref()
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(CommandRow::read).transpose()?)
}

/// Returns why a project takes no command.
async fn refusal(conn: &mut PgConnection, project: &str) -> Result<CommandRefusal, DbError> {
    let row =
        sqlx::query!("SELECT is_archived, is_deleting FROM rdev_runner.projects WHERE name = $1", project);
    let row = row.fetch_optional(conn).await?;
    Ok(rows::refusal(row.map(|row| (row.is_archived, row.is_deleting))))
}

async fn remove(conn: &mut PgConnection, id: CommandId) -> Result<(), DbError> {
    let uuid = id.as_uuid();
    sqlx::query!("DELETE FROM rdev_runner.events WHERE command_id = $1", uuid).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM rdev_runner.commands WHERE id = $1", uuid).execute(conn).await?;
    Ok(())
}
