//! [`CommandRepository`].

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{
    Cancellation, CommandRefusal, CommandRepository, Deletion, Signal, StoreError,
};
use rdev_runner_domain::{
    Access, AgentProvider, AgentRequest, Command, CommandFilter, CommandId, CommandStatus, EventPage,
    MAX_EVENT_PAGE_BYTES, Page, PageRequest, ProjectName, SessionRef, Timestamp,
};
use rdev_runner_json::request_to_json;
use rdev_runner_store::internal;
use rdev_runner_store::report::resumes;
use rdev_runner_store::rows::{self, reason, signed};
use sqlx::SqliteConnection;

use crate::SqliteCommands;
use crate::error::DbError;
use crate::rows::{CommandRow, command_id, projects, times};

#[async_trait]
impl CommandRepository for SqliteCommands {
    async fn create(&self, request: &AgentRequest) -> Result<Result<Command, CommandRefusal>, StoreError> {
        let draft = request.draft();
        let json = request_to_json(request).map_err(internal)?;
        let mut writing = self.write().await?;
        if let Some(stored) = find(&mut writing.tx, Access::everything(), draft.command_id).await? {
            return Ok(Ok(stored));
        }
        let id = draft.command_id.as_uuid();
        let (project, provider) = (draft.project.as_str(), draft.provider.as_str());
        let resumes = resumes(draft);
        let created_at = writing.now.as_micros();
        sqlx::query!(
            "INSERT INTO runner_commands (id, project, provider, status, created_at, resumes, session, request)
             SELECT ?1, name, ?3, 'queued', ?4, ?5, ?5, ?6 FROM runner_projects
             WHERE name = ?2 AND NOT is_archived AND NOT is_deleting",
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
        let (visible, uuid) = (projects(access)?, id.as_uuid());
        let json = sqlx::query_scalar!(
            "SELECT request FROM runner_commands
             WHERE id = ?1 AND (?2 IS NULL OR project IN (SELECT value FROM json_each(?2)))",
            uuid,
            visible
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
        let visible = projects(access)?;
        let project = filter.project.as_ref().map(|project| project.as_str());
        let provider = filter.provider.as_ref().map(|provider| provider.as_str());
        let status = filter.status.map(CommandStatus::as_str);
        let before = page.before.map(|before| before.as_uuid());
        let most = i64::from(page.limit) + 1;
        let rows = sqlx::query_as!(
            CommandRow,
            r#"SELECT id, project, provider, status, reason, created_at, started_at, ended_at, session, result,
               CAST(NULL AS TEXT) AS "diff?: String", last_seq
             FROM runner_commands
             WHERE (?1 IS NULL OR project IN (SELECT value FROM json_each(?1)))
               AND (?2 IS NULL OR project = ?2) AND (?3 IS NULL OR provider = ?3)
               AND (?4 IS NULL OR status = ?4) AND (?5 IS NULL OR id < ?5)
             ORDER BY id DESC LIMIT +?6"#,
            visible,
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
        let (project, provider, session) = (project.as_str(), provider.as_str(), session.as_str());
        let first = sqlx::query_scalar!(
            "SELECT id FROM runner_commands WHERE project = ?1 AND provider = ?2 AND session = ?3
             ORDER BY id LIMIT 1",
            project,
            provider,
            session
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        first.map(|id| command_id(&id)).transpose()
    }

    async fn cancel(&self, access: &Access, id: CommandId) -> Result<Option<Cancellation>, StoreError> {
        let mut writing = self.write().await?;
        let Some(mut command) = find(&mut writing.tx, access, id).await? else { return Ok(None) };
        let Ok(change) = command.state.cancel(writing.now) else { return Ok(Some(Cancellation::Ended)) };
        let uuid = id.as_uuid();
        let (status, reason) = (change.state.status().as_str(), reason(&change.state));
        let (_, ended_at) = times(&change.state);
        sqlx::query!(
            "UPDATE runner_commands SET status = ?2, reason = ?3, ended_at = ?4 WHERE id = ?1",
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
        let Some(command) = find(&mut writing.tx, access, id).await? else { return Ok(None) };
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
        // One view of the command and its events.
        let mut tx = self.pool.begin().await.map_err(DbError::from)?;
        let (visible, uuid) = (projects(access)?, id.as_uuid());
        let has_ended = sqlx::query_scalar!(
            r#"SELECT ended_at IS NOT NULL AS "has_ended!: bool" FROM runner_commands
             WHERE id = ?1 AND (?2 IS NULL OR project IN (SELECT value FROM json_each(?2)))"#,
            uuid,
            visible
        )
        .fetch_optional(&mut *tx)
        .await
        .map_err(DbError::from)?;
        let Some(has_ended) = has_ended else { return Ok(None) };
        let (after, most) = (signed(after), i64::from(limit) + 1);
        let max_bytes = MAX_EVENT_PAGE_BYTES as i64;
        let rows = sqlx::query!(
            r#"SELECT page.count AS "count!: i64", event.seq AS "seq!: i64", event.at AS "at!: i64",
               event.data AS "data!: String"
             FROM (
               SELECT seq, count(*) OVER () AS count,
                 sum(bytes) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) - bytes AS bytes_before
               FROM (
                 SELECT seq, length(CAST(data AS BLOB)) AS bytes FROM runner_events
                 WHERE command_id = ?1 AND seq > ?2 ORDER BY seq LIMIT +?3)) AS page
             JOIN runner_events AS event ON event.command_id = ?1 AND event.seq = page.seq
             WHERE page.bytes_before <= ?4
             ORDER BY page.seq"#,
            uuid,
            after,
            most,
            max_bytes
        )
        .fetch_all(&mut *tx)
        .await
        .map_err(DbError::from)?;
        let found = rows.first().map_or(0, |row| row.count);
        let has_more = found > i64::from(limit) || found > rows.len() as i64;
        let events = rows.into_iter().take(limit as usize);
        let events = events.map(|row| rows::event(id, row.seq, Timestamp::from_micros(row.at), &row.data));
        Ok(Some(EventPage { events: events.collect::<Result<_, _>>()?, has_more, has_ended }))
    }

    async fn prune(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let before = (writing.now - age).as_micros();
        let ids = sqlx::query_scalar!(
            "SELECT id FROM runner_commands WHERE ended_at < ?1 ORDER BY ended_at LIMIT +?2",
            before,
            limit
        )
        .fetch_all(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        for id in &ids {
            remove(&mut writing.tx, command_id(id)?).await?;
        }
        writing.commit().await?;
        Ok(ids.len() as u64)
    }

    async fn database_id(&self) -> Result<String, StoreError> {
        let id = sqlx::query_scalar!("SELECT id FROM runner_database").fetch_one(&self.pool).await;
        Ok(id.map_err(DbError::from)?)
    }

    async fn check(&self) -> Result<(), StoreError> {
        sqlx::query("SELECT 1").execute(&self.pool).await.map_err(DbError::from)?;
        Ok(())
    }
}

/// Returns a visible command.
pub(crate) async fn find(
    conn: &mut SqliteConnection,
    access: &Access,
    id: CommandId,
) -> Result<Option<Command>, DbError> {
    let (visible, uuid) = (projects(access)?, id.as_uuid());
    let row = sqlx::query_as!(
        CommandRow,
        "SELECT id, project, provider, status, reason, created_at, started_at, ended_at, session, result,
           diff, last_seq
         FROM runner_commands
         WHERE id = ?1 AND (?2 IS NULL OR project IN (SELECT value FROM json_each(?2)))",
        uuid,
        visible
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(CommandRow::read).transpose()?)
}

async fn remove(conn: &mut SqliteConnection, id: CommandId) -> Result<(), DbError> {
    let uuid = id.as_uuid();
    sqlx::query!("DELETE FROM runner_events WHERE command_id = ?1", uuid).execute(&mut *conn).await?;
    sqlx::query!("DELETE FROM runner_commands WHERE id = ?1", uuid).execute(conn).await?;
    Ok(())
}

/// Returns why a project takes no command.
async fn refusal(conn: &mut SqliteConnection, project: &str) -> Result<CommandRefusal, DbError> {
    let row = sqlx::query!(
        r#"SELECT is_archived AS "is_archived: bool", is_deleting AS "is_deleting: bool" FROM runner_projects
         WHERE name = ?1"#,
        project
    );
    let row = row.fetch_optional(conn).await?;
    Ok(rows::refusal(row.map(|row| (row.is_archived, row.is_deleting))))
}
