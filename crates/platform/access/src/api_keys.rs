//! Creates, deletes and authenticates API keys.

mod cache;
mod last_used;

use std::sync::Arc;
use std::time::Duration;

use rdev_app::Ambient;
use rdev_core::{Access, ApiKeyId, Page, PageRequest, Scope, StoreError, Timestamp};
use tokio::sync::mpsc;

use crate::ports::ApiKeyRepository;
use crate::{ApiKey, ApiKeyHash, ApiKeySecret, Ids};
use cache::Cache;
pub use last_used::LastUsedRecorder;

/// The interval at which the last use of a key is recorded.
const USE_INTERVAL: Duration = Duration::from_secs(60);
/// The number of uses that may wait to be recorded; a further one is recorded at the key's next use.
const MAX_UNRECORDED_USES: usize = 1_024;

/// The settings of a new API key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// The name.
    pub name: Option<String>,
    /// The scopes and projects.
    pub access: Access,
    /// When it expires.
    pub expires_at: Option<Timestamp>,
}

/// A new key with its secret, which is shown only once.
#[derive(Debug)]
#[non_exhaustive]
pub struct ApiKeyCreated {
    /// The key.
    pub key: ApiKey,
    /// The secret.
    pub secret: ApiKeySecret,
}

/// A violation in the settings of a new key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyViolation {
    /// The key would have no right.
    #[error("must contain at least one scope")]
    NoScope,
    /// The key would see nothing.
    #[error("must contain at least one project; omit the list for a key without a restriction")]
    NoProject,
    /// An administrator cannot be project-scoped: the API keys and the registry of event types have no
    /// project.
    #[error("cannot be combined with the scope admin: an administrator cannot be restricted")]
    LimitedAdministrator,
    /// The key would never be valid.
    #[error("must be in the future")]
    Expired,
}

/// An error of an operation on an API key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// The key does not exist.
    #[error("the API key was not found")]
    NotFound,
    /// The settings are invalid; all violations at once.
    #[error("the API key is invalid")]
    Invalid(Vec<ApiKeyViolation>),
    /// The database failed.
    #[error("the API key could not be read or stored")]
    Store(#[from] StoreError),
}

/// The reason why a caller was not authenticated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// No key has this hash, or the key was deleted.
    #[error("the API key is unknown")]
    Unknown,
    /// The key has expired.
    #[error("the API key has expired")]
    Expired,
    /// The database failed.
    #[error("the API key could not be read")]
    Store(#[from] StoreError),
}

/// Manages and authenticates API keys. Cheap to clone.
///
/// A key that is in use is read from the database about once a second, however many requests use it. So a
/// deleted key is refused within a second in every process, and at once in the process that deleted it.
#[derive(Clone)]
pub struct ApiKeys {
    repository: Arc<dyn ApiKeyRepository>,
    ambient: Ambient,
    cache: Arc<Cache>,
    uses: mpsc::Sender<(ApiKeyId, Timestamp)>,
}

impl ApiKeys {
    /// Creates the use cases over this port, and the task that must run to record the uses of keys.
    #[must_use]
    pub fn new(repository: Arc<dyn ApiKeyRepository>, ambient: Ambient) -> (Self, LastUsedRecorder) {
        let (sender, uses) = mpsc::channel(MAX_UNRECORDED_USES);
        let recorder = LastUsedRecorder::new(uses, Arc::clone(&repository));
        (Self { repository, ambient, cache: Arc::default(), uses: sender }, recorder)
    }

    /// Returns all violations in the settings of a new key. [`Self::create`] makes the same check; this is
    /// for a caller who has found other violations and wants to report all at once.
    #[must_use]
    pub fn validate(&self, new: &NewApiKey, ids: Ids) -> Vec<ApiKeyViolation> {
        let Access { scopes, projects } = &new.access;
        let is_past = new.expires_at.is_some_and(|expires_at| expires_at <= ids.now(&self.ambient));
        let found = [
            (scopes.is_empty(), ApiKeyViolation::NoScope),
            (projects.as_ref().is_some_and(|projects| projects.is_empty()), ApiKeyViolation::NoProject),
            (scopes.contains(&Scope::ADMIN) && projects.is_some(), ApiKeyViolation::LimitedAdministrator),
            (is_past, ApiKeyViolation::Expired),
        ];
        found.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, violation)| violation).collect()
    }

    /// Creates a key. It is valid at once in every process.
    pub async fn create(&self, new: NewApiKey, ids: Ids) -> Result<ApiKeyCreated, ApiKeyError> {
        let violations = self.validate(&new, ids);
        if !violations.is_empty() {
            return Err(ApiKeyError::Invalid(violations));
        }
        let secret = ApiKeySecret::generate(ids.secret(&self.ambient));
        let key = ApiKey {
            id: ids.id(&self.ambient, "api key", 0, ApiKeyId::from_parts),
            name: new.name,
            hint: secret.hint(),
            access: Arc::new(new.access),
            created_at: ids.now(&self.ambient),
            expires_at: new.expires_at,
            last_used_at: None,
        };
        self.repository.create(&key, &secret.hash()).await?;
        tracing::info!(api_key = %key.id, "API key created");
        Ok(ApiKeyCreated { key, secret })
    }

    /// Returns a key.
    pub async fn get(&self, id: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
        self.repository.get(id).await?.ok_or(ApiKeyError::NotFound)
    }

    /// Returns a page of keys, newest first.
    pub async fn list(&self, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, ApiKeyError> {
        Ok(self.repository.list(page).await?)
    }

    /// Deletes a key, which is refused from then on.
    pub async fn delete(&self, id: ApiKeyId) -> Result<(), ApiKeyError> {
        let deleted = self.repository.delete(id).await;
        // Even if this failed: the database may have deleted the key all the same.
        self.cache.evict(id);
        if !deleted? {
            return Err(ApiKeyError::NotFound);
        }
        tracing::info!(api_key = %id, "API key deleted");
        Ok(())
    }

    /// Returns the valid key with this hash.
    pub async fn authenticate(&self, hash: &ApiKeyHash) -> Result<Arc<ApiKey>, AuthenticationError> {
        let found = self.cache.find(&*self.repository, hash).await?;
        let key = found.key.ok_or(AuthenticationError::Unknown)?;
        let now = self.ambient.now();
        if key.has_expired(now) {
            return Err(AuthenticationError::Expired);
        }
        if found.is_fresh && key.last_used_at.is_none_or(|last| last + USE_INTERVAL <= now) {
            // If the channel is full or closed, only a little precision is lost.
            let _ = self.uses.try_send((key.id, now));
        }
        Ok(key)
    }
}
