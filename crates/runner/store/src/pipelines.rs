//! Pipelines and triggers as they are stored.

use rdev_runner_domain::ports::StoreError;
use rdev_runner_domain::{
    CiPipeline, Pipeline, PipelineId, PipelineStatus, PipelineTrigger, ProjectName, ProjectNameError,
    RepositoryName, RepositoryNameError, Timestamp,
};

use crate::error::corrupt;
use crate::rows::number;

const PIPELINES: &str = "pipelines";
const TRIGGERS: &str = "pipeline_triggers";

/// A pipeline.
#[derive(Debug)]
pub struct StoredPipeline {
    /// The id.
    pub id: PipelineId,
    /// The name of the project.
    pub project: String,
    /// The name of the repository.
    pub repository: String,
    /// The number of the repository.
    pub repository_id: i64,
    /// The id of the repository in the forge.
    pub forge_id: String,
    /// The number.
    pub number: i64,
    /// The name of the status.
    pub status: String,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit_hash: String,
    /// The page.
    pub url: String,
    /// When it was triggered.
    pub created_at: Timestamp,
    /// When it was found to have ended.
    pub ended_at: Option<Timestamp>,
}

impl StoredPipeline {
    /// Returns the pipeline.
    ///
    /// # Errors
    ///
    /// Fails if a value cannot be read.
    pub fn read(self) -> Result<Pipeline, StoreError> {
        let id = &self.id;
        let status = PipelineStatus::parse(&self.status);
        let status = status.ok_or_else(|| corrupt(PIPELINES, "status", id, "unknown status"))?;
        Ok(Pipeline {
            id: self.id,
            project: project(PIPELINES, id, &self.project)?,
            repository: repository(PIPELINES, id, &self.repository)?,
            repository_id: number(id, "repository_id", self.repository_id)?,
            forge_id: self.forge_id,
            found: CiPipeline {
                number: number(id, "number", self.number)?,
                status,
                branch: self.branch,
                commit: self.commit_hash,
                url: self.url,
            },
            created_at: self.created_at,
            ended_at: self.ended_at,
        })
    }
}

/// A trigger.
#[derive(Debug)]
pub struct StoredTrigger {
    /// The id.
    pub id: PipelineId,
    /// The name of the project.
    pub project: String,
    /// The name of the repository.
    pub repository: String,
    /// The number of the repository.
    pub repository_id: i64,
    /// The id of the repository in the forge.
    pub forge_id: String,
    /// When the trigger was sent.
    pub created_at: Timestamp,
}

impl StoredTrigger {
    /// Returns the trigger.
    ///
    /// # Errors
    ///
    /// Fails if a value cannot be read.
    pub fn read(self) -> Result<PipelineTrigger, StoreError> {
        let id = &self.id;
        Ok(PipelineTrigger {
            id: self.id,
            project: project(TRIGGERS, id, &self.project)?,
            repository: repository(TRIGGERS, id, &self.repository)?,
            repository_id: number(id, "repository_id", self.repository_id)?,
            forge_id: self.forge_id,
            created_at: self.created_at,
        })
    }
}

fn project(table: &'static str, id: &PipelineId, text: &str) -> Result<ProjectName, StoreError> {
    text.parse().map_err(|error: ProjectNameError| corrupt(table, "project", id, error))
}

fn repository(table: &'static str, id: &PipelineId, text: &str) -> Result<RepositoryName, StoreError> {
    text.parse().map_err(|error: RepositoryNameError| corrupt(table, "repository", id, error))
}
