use std::collections::BTreeMap;

use async_trait::async_trait;

#[cfg(doc)]
use crate::PipelineTrigger;
use crate::{BranchName, CiPipeline, CiRepository, CiSecret, PipelineId, RepositoryName, Timestamp};

/// A CI server, with the rights of one account.
#[async_trait]
pub trait CiServer: Send + Sync + 'static {
    /// Activates a repository, so that the server runs pipelines for it. An active one stays as it is.
    async fn activate(&self, repository: &RepositoryName) -> Result<CiRepository, CiError>;

    /// Returns a repository; `None` if it is not active.
    async fn repository(&self, repository: &RepositoryName) -> Result<Option<CiRepository>, CiError>;

    /// Sets a secret of a repository: creates it, or replaces its value and its events. Returns whether it is new.
    ///
    /// No error contains the value.
    async fn set_secret(&self, repository: &CiRepository, secret: &CiSecret) -> Result<bool, CiError>;

    /// Triggers a pipeline on a branch. Its steps find the variables in their environment. Returns `None` if no step has
    /// to run. A pipeline may run after an error other than a refusal.
    async fn trigger(
        &self,
        repository: &CiRepository,
        branch: &BranchName,
        variables: &BTreeMap<String, String>,
    ) -> Result<Option<CiPipeline>, CiError>;

    /// Returns the pipeline whose variable [`PipelineTrigger::ID_VARIABLE`] has this id; `None` if there is none. It was
    /// triggered after `since` by this host's clock, which may differ from the server's by some minutes.
    async fn triggered(
        &self,
        repository_id: u64,
        id: PipelineId,
        since: Timestamp,
    ) -> Result<Option<CiPipeline>, CiError>;

    /// Returns a pipeline; `None` if it does not exist.
    async fn pipeline(&self, repository_id: u64, number: u64) -> Result<Option<CiPipeline>, CiError>;
}

/// The reason why a CI server did not do what it was asked for.
#[derive(Debug, thiserror::Error)]
pub enum CiError {
    /// The server refused it.
    #[error("{0}")]
    Refused(String),
    /// The server did not answer as it should, and does nothing more for the request, which may succeed later.
    #[error("{0}")]
    Unavailable(String),
    /// The server did not answer, and may still do what it was asked for.
    #[error("{0}")]
    Unanswered(String),
}
