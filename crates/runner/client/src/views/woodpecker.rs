//! Repositories and pipelines.

use serde::Deserialize;

/// A repository for which Woodpecker runs pipelines.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct ActivatedRepository {
    /// Its owner and name.
    pub repository: String,
    /// Its number in Woodpecker.
    pub id: u64,
    /// The branch on which pipelines run if none is named.
    pub default_branch: String,
}

/// A secret of a repository, without its value.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct PipelineSecret {
    /// The name in pipelines.
    pub name: String,
    /// The credential with the value.
    pub credential: String,
    /// The version of the credential.
    pub version: u64,
    /// The events whose pipelines get it.
    pub events: Vec<String>,
    /// Whether the repository had no such secret before.
    pub is_new: bool,
}

/// A pipeline that was triggered for a project.
#[derive(Debug, Clone, Deserialize)]
#[non_exhaustive]
pub struct Pipeline {
    /// The id.
    pub id: String,
    /// The project.
    pub project: String,
    /// The repository.
    pub repository: String,
    /// Its number in the repository.
    pub number: u64,
    /// `pending`, `running`; or ended: `success`, `failure`, `killed`, `error`, `declined`, `skipped`, `lost`.
    pub status: String,
    /// The branch.
    pub branch: String,
    /// The commit.
    pub commit: String,
    /// Its page in Woodpecker.
    pub url: String,
    /// When it was triggered.
    pub created_at: String,
    /// When it was found to have ended.
    pub ended_at: Option<String>,
}
