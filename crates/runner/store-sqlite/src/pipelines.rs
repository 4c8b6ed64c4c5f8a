//! [`PipelineRepository`].

use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{PipelineRepository, StoreError};
use rdev_runner_domain::{
    Access, CiPipeline, Page, PageRequest, Pipeline, PipelineId, PipelineTrigger, ProjectName, Timestamp,
};
use rdev_runner_store::pipelines::{StoredPipeline, StoredTrigger};
use rdev_runner_store::rows::signed;

use crate::SqliteCommands;
use crate::error::DbError;
use crate::rows::{pipeline_id, projects};

/// A pipeline.
struct PipelineRow {
    id: Vec<u8>,
    project: String,
    repository: String,
    repository_id: i64,
    forge_id: String,
    number: i64,
    status: String,
    branch: String,
    commit_hash: String,
    url: String,
    created_at: i64,
    ended_at: Option<i64>,
}

impl PipelineRow {
    fn id_text(&self) -> String {
        format!("{:02x?}", self.id)
    }

    fn read(self) -> Result<Pipeline, StoreError> {
        let stored = StoredPipeline {
            id: pipeline_id(&self.id)?,
            project: self.project,
            repository: self.repository,
            repository_id: self.repository_id,
            forge_id: self.forge_id,
            number: self.number,
            status: self.status,
            branch: self.branch,
            commit_hash: self.commit_hash,
            url: self.url,
            created_at: Timestamp::from_micros(self.created_at),
            ended_at: self.ended_at.map(Timestamp::from_micros),
        };
        stored.read()
    }
}

/// A trigger.
struct TriggerRow {
    id: Vec<u8>,
    project: String,
    repository: String,
    repository_id: i64,
    forge_id: String,
    created_at: i64,
}

impl TriggerRow {
    fn read(self) -> Result<PipelineTrigger, StoreError> {
        let stored = StoredTrigger {
            id: pipeline_id(&self.id)?,
            project: self.project,
            repository: self.repository,
            repository_id: self.repository_id,
            forge_id: self.forge_id,
            created_at: Timestamp::from_micros(self.created_at),
        };
        stored.read()
    }
}

#[async_trait]
impl PipelineRepository for SqliteCommands {
    async fn begin_trigger(&self, trigger: &PipelineTrigger) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let (id, project, repository) =
            (trigger.id.as_uuid(), trigger.project.as_str(), trigger.repository.as_str());
        let repository_id = signed(trigger.repository_id);
        let (created_at, now) = (trigger.created_at.as_micros(), writing.now.as_micros());
        let stored = sqlx::query!(
            "INSERT INTO runner_pipeline_triggers (id, project, repository, repository_id, forge_id, created_at, stored_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT (id) DO NOTHING",
            id,
            project,
            repository,
            repository_id,
            trigger.forge_id,
            created_at,
            now
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(stored.rows_affected() > 0)
    }

    async fn trigger(&self, id: PipelineId) -> Result<Option<PipelineTrigger>, StoreError> {
        let uuid = id.as_uuid();
        let row = sqlx::query_as!(
            TriggerRow,
            "SELECT id, project, repository, repository_id, forge_id, created_at
             FROM runner_pipeline_triggers WHERE id = ?1",
            uuid
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        row.map(TriggerRow::read).transpose()
    }

    async fn unanswered_triggers(
        &self,
        age: Duration,
        limit: u32,
    ) -> Result<Vec<PipelineTrigger>, StoreError> {
        let (before, limit) = ((self.clock.now() - age).as_micros(), i64::from(limit));
        let rows = sqlx::query_as!(
            TriggerRow,
            "SELECT id, project, repository, repository_id, forge_id, created_at
             FROM runner_pipeline_triggers WHERE stored_at < ?1 ORDER BY stored_at, id LIMIT +?2",
            before,
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        rows.into_iter().map(TriggerRow::read).collect()
    }

    async fn drop_trigger(&self, id: PipelineId) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let uuid = id.as_uuid();
        sqlx::query!("DELETE FROM runner_pipeline_triggers WHERE id = ?1", uuid)
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(())
    }

    async fn create(&self, pipeline: &Pipeline) -> Result<(), StoreError> {
        let mut writing = self.write().await?;
        let found = &pipeline.found;
        let (id, project, repository) =
            (pipeline.id.as_uuid(), pipeline.project.as_str(), pipeline.repository.as_str());
        let (repository_id, number) = (signed(pipeline.repository_id), signed(found.number));
        let status = found.status.as_str();
        let created_at = pipeline.created_at.as_micros();
        let (now, ended_at) = (writing.now.as_micros(), pipeline.ended_at.map(Timestamp::as_micros));
        let inserted = sqlx::query!(
            "INSERT INTO runner_pipelines (id, project, repository, repository_id, forge_id, number, status, branch,
               commit_hash, url, created_at, checked_at, ended_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
             ON CONFLICT (id) DO NOTHING",
            id,
            project,
            repository,
            repository_id,
            pipeline.forge_id,
            number,
            status,
            found.branch,
            found.commit,
            found.url,
            created_at,
            now,
            ended_at
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        sqlx::query!("DELETE FROM runner_pipeline_triggers WHERE id = ?1", id)
            .execute(&mut *writing.tx)
            .await
            .map_err(DbError::from)?;
        if inserted.rows_affected() > 0 && pipeline.ended_at.is_some() {
            self.publish_pipeline(&mut writing, pipeline).await?;
        }
        writing.commit().await?;
        Ok(())
    }

    async fn get(&self, access: &Access, id: PipelineId) -> Result<Option<Pipeline>, StoreError> {
        let (visible, uuid) = (projects(access)?, id.as_uuid());
        let row = sqlx::query_as!(
            PipelineRow,
            "SELECT id, project, repository, repository_id, forge_id, number, status, branch, commit_hash, url, created_at, ended_at
             FROM runner_pipelines WHERE id = ?1 AND (?2 IS NULL OR project IN (SELECT value FROM json_each(?2)))",
            uuid,
            visible
        )
        .fetch_optional(&self.pool)
        .await
        .map_err(DbError::from)?;
        row.map(PipelineRow::read).transpose()
    }

    async fn list(
        &self,
        access: &Access,
        project: &ProjectName,
        page: PageRequest<PipelineId>,
    ) -> Result<Page<Pipeline>, StoreError> {
        if !access.sees_project(Some(project)) {
            return Ok(Page::of(Vec::new(), page.limit));
        }
        let project = project.as_str();
        let before = page.before.map(|before| before.as_uuid());
        let most = i64::from(page.limit) + 1;
        let rows = sqlx::query_as!(
            PipelineRow,
            "SELECT id, project, repository, repository_id, forge_id, number, status, branch, commit_hash, url, created_at, ended_at
             FROM runner_pipelines WHERE project = ?1 AND (?2 IS NULL OR id < ?2)
             ORDER BY id DESC LIMIT +?3",
            project,
            before,
            most
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        Page::read(rows, page.limit, PipelineRow::id_text, PipelineRow::read)
    }

    async fn unended(&self, limit: u32) -> Result<Vec<Pipeline>, StoreError> {
        let limit = i64::from(limit);
        let rows = sqlx::query_as!(
            PipelineRow,
            "SELECT id, project, repository, repository_id, forge_id, number, status, branch, commit_hash, url, created_at, ended_at
             FROM runner_pipelines WHERE ended_at IS NULL ORDER BY checked_at, id LIMIT +?1",
            limit
        )
        .fetch_all(&self.pool)
        .await
        .map_err(DbError::from)?;
        rows.into_iter().map(PipelineRow::read).collect()
    }

    async fn record_pipeline(&self, id: PipelineId, found: &CiPipeline) -> Result<bool, StoreError> {
        let mut writing = self.write().await?;
        let (uuid, status, now) = (id.as_uuid(), found.status.as_str(), writing.now.as_micros());
        let ended_at = found.status.has_ended().then_some(now);
        let row = sqlx::query_as!(
            PipelineRow,
            r#"UPDATE runner_pipelines
             SET status = ?2, branch = ?3, commit_hash = ?4, url = ?5, checked_at = ?6, ended_at = ?7
             WHERE id = ?1 AND ended_at IS NULL
             RETURNING id AS "id!", project AS "project!", repository AS "repository!", repository_id AS "repository_id!", forge_id AS "forge_id!", number AS "number!", status AS "status!", branch AS "branch!", commit_hash AS "commit_hash!", url AS "url!", created_at AS "created_at!", ended_at"#,
            uuid,
            status,
            found.branch,
            found.commit,
            found.url,
            now,
            ended_at
        )
        .fetch_optional(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        let Some(pipeline) = row.map(PipelineRow::read).transpose()? else { return Ok(false) };
        let has_ended = pipeline.ended_at.is_some();
        if has_ended {
            self.publish_pipeline(&mut writing, &pipeline).await?;
        }
        writing.commit().await?;
        Ok(has_ended)
    }

    async fn prune_pipelines(&self, age: Duration, limit: u32) -> Result<u64, StoreError> {
        let mut writing = self.write().await?;
        let (before, limit) = ((writing.now - age).as_micros(), i64::from(limit));
        let pruned = sqlx::query!(
            "DELETE FROM runner_pipelines WHERE id IN (
               SELECT id FROM runner_pipelines WHERE ended_at < ?1 ORDER BY ended_at LIMIT +?2)",
            before,
            limit
        )
        .execute(&mut *writing.tx)
        .await
        .map_err(DbError::from)?;
        writing.commit().await?;
        Ok(pruned.rows_affected())
    }
}
