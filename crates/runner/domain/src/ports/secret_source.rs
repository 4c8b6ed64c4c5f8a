use std::collections::BTreeSet;

use async_trait::async_trait;

use crate::{CommandId, Project, RunSecrets, SecretName};

/// Where the values of secrets come from.
#[async_trait]
pub trait SecretSource: Send + Sync + 'static {
    /// Returns a sentence for each of these secrets that a run on the project would not get, as far as this process
    /// knows.
    ///
    /// # Errors
    ///
    /// Fails if the source does not respond.
    async fn missing(
        &self,
        project: &Project,
        names: &BTreeSet<SecretName>,
    ) -> Result<Vec<String>, SecretError>;

    /// Returns the secrets of a run.
    ///
    /// # Errors
    ///
    /// Fails if one of them has no value, or one that the project may not use.
    async fn resolve(&self, request: &SecretRequest<'_>) -> Result<RunSecrets, SecretError>;
}

/// A run that needs its secrets.
#[derive(Debug, Clone, Copy)]
pub struct SecretRequest<'a> {
    /// The command.
    pub command: CommandId,
    /// The project of the command.
    pub project: &'a Project,
    /// The names of the secrets.
    pub names: &'a BTreeSet<SecretName>,
    /// Whether an earlier runner began the run, which has its secrets already.
    pub is_takeover: bool,
}

/// The reason why a secret has no value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The secret is unknown, or the project may not use it: a sentence that says what to change.
    #[error("{0}")]
    Missing(String),
    /// The source does not respond. The caller can try again.
    #[error("the secrets are unavailable")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}
