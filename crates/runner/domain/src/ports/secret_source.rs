use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use secrecy::SecretString;

use crate::{ProjectName, SecretName};

/// Where the values of secrets come from.
#[async_trait]
pub trait SecretSource: Send + Sync + 'static {
    /// Returns the values of these secrets, for a run on a project.
    ///
    /// # Errors
    ///
    /// Fails if one of them has no value, or one that the project may not use.
    async fn resolve(
        &self,
        project: &ProjectName,
        names: &BTreeSet<SecretName>,
    ) -> Result<BTreeMap<SecretName, SecretString>, SecretError>;
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
