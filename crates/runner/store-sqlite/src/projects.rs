//! [`ProjectRepository`].

use async_trait::async_trait;
use rdev_runner_domain::ports::{ProjectChange, ProjectRepository, Signal, StoreError};
use rdev_runner_domain::{
    Access, CommandId, Page, Project, ProjectFilter, ProjectName, ProjectStatistics, StatisticsWindow,
};
use rdev_runner_json::settings_to_json;
use rdev_runner_store::internal;
use rdev_runner_store::rows::{self, number, signed};

use crate::SqliteCommands;
use crate::error::DbError;
use crate::rows::{ProjectRow, command_id, projects};

#[async_trait]
impl ProjectRepository for SqliteCommands {
    async fn create(&self, project: &Project) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let name = project.name.as_str();
        let (version, max_running) = (signed(project.version), project.settings().max_running);
        let settings = settings_to_json(project.settings()).map_err(internal)?;
        let (created_at, updated_at) = (project.created_at.as_micros(), project.updated_at.as_micros());
        let inserted = sqlx::query!(
            "INSERT INTO runner_projects (name, version, max_running, settings, created_at, updated_at, is_archived)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (name) DO NOTHING",
            name,
            version,
            max_running,
            settings,
            created_at,
            updated_at,
            project.settings().is_archived
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(inserted.rows_affected() > 0)
    }

    async fn get(&self, access: &Access, name: &ProjectName) -> Result<Option<Project>, StoreError> {
        if !access.sees_project(Some(name)) {
            return Ok(None);
        }
        let name = name.as_str();
        let row = sqlx::query_as!(
            ProjectRow,
            r#"SELECT name, version, settings, created_at, updated_at, is_deleting AS "is_deleting: bool"
             FROM runner_projects WHERE name = ?1"#,
            name
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        row.map(ProjectRow::read).transpose()
    }

    async fn list(
        &self,
        access: &Access,
        filter: ProjectFilter,
        after: Option<&ProjectName>,
        limit: u32,
    ) -> Result<Page<Project>, StoreError> {
        let visible = projects(access)?;
        let after = after.map(ProjectName::as_str);
        let most = i64::from(limit) + 1;
        let rows = sqlx::query_as!(
            ProjectRow,
            r#"SELECT name, version, settings, created_at, updated_at, is_deleting AS "is_deleting: bool"
             FROM runner_projects
             WHERE (?1 IS NULL OR name IN (SELECT value FROM json_each(?1))) AND (?2 IS NULL OR name > ?2)
               AND (?4 IS NULL OR is_archived = ?4)
             ORDER BY name LIMIT +?3"#,
            visible,
            after,
            most,
            filter.is_archived
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        Page::read(rows, limit, |row| row.name.clone(), ProjectRow::read)
    }

    async fn statistics(
        &self,
        access: &Access,
        name: &ProjectName,
        window: StatisticsWindow,
    ) -> Result<Option<ProjectStatistics>, StoreError> {
        match ProjectRepository::get(self, access, name).await? {
            Some(_) => Ok(Some(self.add_up(name.as_str(), window).await?)),
            None => Ok(None),
        }
    }

    async fn update(&self, project: &Project) -> Result<ProjectChange, StoreError> {
        let mut writing = self.write().await?;
        let name = project.name.as_str();
        let (version, max_running) = (signed(project.version), project.settings().max_running);
        let settings = settings_to_json(project.settings()).map_err(internal)?;
        let updated_at = project.updated_at.as_micros();
        let updated = sqlx::query!(
            "UPDATE runner_projects SET version = ?2, max_running = ?3, settings = ?4, updated_at = ?5,
               is_archived = ?6
             WHERE name = ?1 AND version = ?2 - 1",
            name,
            version,
            max_running,
            settings,
            updated_at,
            project.settings().is_archived
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        if updated.rows_affected() > 0 {
            // The project may have more room.
            writing.signal(Signal::Queue);
            writing.commit().await?;
            return Ok(ProjectChange::Applied);
        }
        let stored = version_of(&mut writing.tx, name).await?;
        Ok(stored.map_or(ProjectChange::NotFound, |_| ProjectChange::VersionMismatch))
    }

    async fn delete(
        &self,
        access: &Access,
        name: &ProjectName,
        versions: Option<&[u64]>,
    ) -> Result<ProjectChange, StoreError> {
        let mut writing = self.write().await?;
        if let Some(refusal) = refusal(&mut writing.tx, access, name, versions).await? {
            return Ok(refusal);
        }
        let name = name.as_str();
        let unfinished = unfinished(&mut writing.tx, name).await?;
        if unfinished > 0 {
            return Ok(ProjectChange::InUse { unfinished });
        }
        sqlx::query!("DELETE FROM runner_projects WHERE name = ?1", name)
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(ProjectChange::Applied)
    }

    async fn begin_deletion(
        &self,
        access: &Access,
        name: &ProjectName,
        versions: Option<&[u64]>,
    ) -> Result<ProjectChange, StoreError> {
        let mut writing = self.write().await?;
        if let Some(refusal) = refusal(&mut writing.tx, access, name, versions).await? {
            return Ok(refusal);
        }
        let name = name.as_str();
        let now = writing.now.as_micros();
        // Without room for any, no claim starts a command.
        sqlx::query!(
            "UPDATE runner_projects SET is_deleting = true, max_running = 0, version = version + 1, updated_at = ?2
             WHERE name = ?1 AND NOT is_deleting",
            name,
            now
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(ProjectChange::Applied)
    }

    async fn commands_to_cancel(&self, limit: u32) -> Result<Vec<CommandId>, StoreError> {
        let limit = i64::from(limit);
        let ids = sqlx::query_scalar!(
            "SELECT command.id FROM runner_projects AS project JOIN runner_commands AS command ON command.project = project.name
             WHERE project.is_deleting AND command.status IN ('queued', 'starting', 'running')
             ORDER BY command.id LIMIT +?1",
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        ids.iter().map(|id| command_id(id)).collect()
    }

    async fn finish_deletions(&self) -> Result<Vec<ProjectName>, StoreError> {
        // Without one neither a transaction nor a lock is needed.
        let has_any = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM runner_projects WHERE is_deleting) AS "has_any: bool""#
        )
        .fetch_one(&self.pool)
        .await
        .map_err(DbError::from)?;
        if !has_any {
            return Ok(Vec::new());
        }
        let mut writing = self.write().await?;
        // They take no commands, so that none comes in between.
        let names = sqlx::query_scalar!(
            "DELETE FROM runner_projects AS project WHERE is_deleting AND NOT EXISTS (
               SELECT 1 FROM runner_commands AS command WHERE command.project = project.name AND command.ended_at IS NULL)
             RETURNING name"
        )
        .fetch_all(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let names = names.iter().map(|name| rows::text(name, "name", name));
        let names = names.collect::<Result<_, _>>()?;
        writing.commit().await?;
        Ok(names)
    }
}

/// Returns why a caller cannot delete a project with one of these versions, if it cannot.
async fn refusal(
    conn: &mut sqlx::SqliteConnection,
    access: &Access,
    name: &ProjectName,
    versions: Option<&[u64]>,
) -> Result<Option<ProjectChange>, DbError> {
    let stored = if access.sees_project(Some(name)) { version_of(conn, name.as_str()).await? } else { None };
    let Some(stored) = stored else { return Ok(Some(ProjectChange::NotFound)) };
    let is_other = versions.is_some_and(|versions| !versions.iter().any(|one| signed(*one) == stored));
    Ok(is_other.then_some(ProjectChange::VersionMismatch))
}

async fn version_of(conn: &mut sqlx::SqliteConnection, name: &str) -> Result<Option<i64>, DbError> {
    let version = sqlx::query_scalar!("SELECT version FROM runner_projects WHERE name = ?1", name);
    Ok(version.fetch_optional(conn).await?)
}

/// Returns the number of a project's commands that have not ended.
async fn unfinished(conn: &mut sqlx::SqliteConnection, name: &str) -> Result<u64, DbError> {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM runner_commands WHERE project = ?1 AND ended_at IS NULL"#,
        name
    );
    Ok(number(name, "project", count.fetch_one(conn).await?)?)
}
