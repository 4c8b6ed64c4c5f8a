//! Repositories and pipelines as the API shows them.

use rdev_http::Text;
use rdev_runner_app::NewPipelineSecret;
use rdev_runner_domain::{
    CiRepository, Pipeline, PipelineId, ProjectName, RepositoryName, SecretName, Timestamp,
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::schema_types as types;

/// A repository for which Woodpecker runs pipelines.
#[derive(Serialize, ToSchema)]
#[schema(as = ActivatedRepository)]
pub(crate) struct ActivatedRepositoryView<'a> {
    #[schema(value_type = types::RepositoryName)]
    repository: Text<&'a RepositoryName>,
    /// Its number in Woodpecker.
    id: u64,
    /// The branch on which pipelines run if none is named.
    default_branch: &'a str,
}

/// A secret of a repository, without its value.
#[derive(Serialize, ToSchema)]
#[schema(as = PipelineSecret)]
pub(crate) struct PipelineSecretView<'a> {
    #[schema(value_type = types::PipelineSecretName)]
    name: &'a str,
    #[schema(value_type = types::SecretName)]
    credential: Text<&'a SecretName>,
    /// The version of the credential.
    #[schema(minimum = 1)]
    version: u64,
    /// The events whose pipelines get it.
    #[schema(value_type = Vec<types::PipelineEvent>)]
    events: Vec<&'static str>,
    /// Whether the repository had no such secret before.
    is_new: bool,
}

/// A pipeline that was triggered for a project.
#[derive(Serialize, ToSchema)]
#[schema(as = Pipeline)]
pub(crate) struct PipelineView<'a> {
    #[schema(value_type = types::PipelineId)]
    id: Text<PipelineId>,
    #[schema(value_type = types::ProjectName)]
    project: Text<&'a ProjectName>,
    #[schema(value_type = types::RepositoryName)]
    repository: Text<&'a RepositoryName>,
    /// Its number in the repository.
    number: u64,
    #[schema(value_type = types::PipelineStatus)]
    status: &'static str,
    branch: &'a str,
    commit: &'a str,
    /// Its page in Woodpecker.
    url: &'a str,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
    /// When it was found to have ended.
    #[schema(value_type = Option<types::Timestamp>, required)]
    ended_at: Option<Text<Timestamp>>,
}

impl<'a> ActivatedRepositoryView<'a> {
    pub(crate) fn new(name: &'a RepositoryName, active: &'a CiRepository) -> Self {
        Self { repository: Text(name), id: active.id, default_branch: &active.default_branch }
    }
}

impl<'a> PipelineSecretView<'a> {
    pub(crate) fn new(new: &'a NewPipelineSecret, version: u64, is_new: bool) -> Self {
        let events = new.events.iter().map(|event| event.as_str()).collect();
        Self { name: &new.name, credential: Text(&new.credential), version, events, is_new }
    }
}

impl<'a> From<&'a Pipeline> for PipelineView<'a> {
    fn from(pipeline: &'a Pipeline) -> Self {
        let found = &pipeline.found;
        Self {
            id: Text(pipeline.id),
            project: Text(&pipeline.project),
            repository: Text(&pipeline.repository),
            number: found.number,
            status: found.status.as_str(),
            branch: &found.branch,
            commit: &found.commit,
            url: &found.url,
            created_at: Text(pipeline.created_at),
            ended_at: pipeline.ended_at.map(Text),
        }
    }
}
