//! [`ProjectRepository`].

use async_trait::async_trait;
use rdev_runner_domain::ports::{ProjectChange, ProjectRepository, Signal, StoreError};
use rdev_runner_domain::{Access, Page, Project, ProjectName};
use rdev_runner_json::settings_to_json;
use rdev_runner_store::internal;
use rdev_runner_store::rows::signed;

use crate::SqliteCommands;
use crate::error::DbError;
use crate::rows::{ProjectRow, projects};

#[async_trait]
impl ProjectRepository for SqliteCommands {
    async fn create(&self, project: &Project) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let name = project.name.as_str();
        let (version, max_running) = (signed(project.version), project.settings().max_running);
        let settings = settings_to_json(project.settings()).map_err(internal)?;
        let (created_at, updated_at) = (project.created_at.as_micros(), project.updated_at.as_micros());
        let inserted = sqlx::query!(
            "INSERT INTO runner_projects (name, version, max_running, settings, created_at, updated_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO NOTHING",
            name,
            version,
            max_running,
            settings,
            created_at,
            updated_at
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
            "SELECT name, version, settings, created_at, updated_at FROM runner_projects WHERE name = ?1",
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
        after: Option<&ProjectName>,
        limit: u32,
    ) -> Result<Page<Project>, StoreError> {
        let visible = projects(access)?;
        let after = after.map(ProjectName::as_str);
        let most = i64::from(limit) + 1;
        let rows = sqlx::query_as!(
            ProjectRow,
            "SELECT name, version, settings, created_at, updated_at FROM runner_projects
             WHERE (?1 IS NULL OR name IN (SELECT value FROM json_each(?1))) AND (?2 IS NULL OR name > ?2)
             ORDER BY name LIMIT ?3",
            visible,
            after,
            most
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        Page::read(rows, limit, |row| row.name.clone(), ProjectRow::read)
    }

    async fn update(&self, project: &Project) -> Result<ProjectChange, StoreError> {
        let mut writing = self.write().await?;
        let name = project.name.as_str();
        let (version, max_running) = (signed(project.version), project.settings().max_running);
        let settings = settings_to_json(project.settings()).map_err(internal)?;
        let updated_at = project.updated_at.as_micros();
        let updated = sqlx::query!(
            "UPDATE runner_projects SET version = ?2, max_running = ?3, settings = ?4, updated_at = ?5
             WHERE name = ?1 AND version = ?2 - 1",
            name,
            version,
            max_running,
            settings,
            updated_at
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
        if !access.sees_project(Some(name)) {
            return Ok(ProjectChange::NotFound);
        }
        let mut writing = self.write().await?;
        let name = name.as_str();
        let Some(version) = version_of(&mut writing.tx, name).await? else {
            return Ok(ProjectChange::NotFound);
        };
        if versions.is_some_and(|versions| !versions.iter().any(|one| signed(*one) == version)) {
            return Ok(ProjectChange::VersionMismatch);
        }
        let unfinished = sqlx::query_scalar!(
            r#"SELECT EXISTS (SELECT 1 FROM runner_commands WHERE project = ?1 AND ended_at IS NULL) AS "found: bool""#,
            name
        )
        .fetch_one(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        if unfinished {
            return Ok(ProjectChange::InUse);
        }
        sqlx::query!("DELETE FROM runner_projects WHERE name = ?1", name)
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(ProjectChange::Applied)
    }
}

async fn version_of(conn: &mut sqlx::SqliteConnection, name: &str) -> Result<Option<i64>, DbError> {
    let version = sqlx::query_scalar!("SELECT version FROM runner_projects WHERE name = ?1", name);
    Ok(version.fetch_optional(conn).await?)
}
