//! Making and deleting API keys, and knowing who brings one.

mod cache;
mod uses;

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{ApiKeyRepository, StoreError};
use rdev_webhooks_domain::{
    Access, ApiKey, ApiKeyHash, ApiKeyId, ApiKeySecret, Page, PageRequest, Scope, Timestamp,
};
use tokio::sync::mpsc;

use crate::Ambient;
use cache::Cache;
pub use uses::ApiKeyUses;

/// A key's last use is noted anew after so long.
const NOTE_EVERY: Duration = Duration::from_secs(60);
/// How many uses may wait to be noted; further ones are noted at the next use.
const MAX_USES: usize = 1_024;

/// An API key as it is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewApiKey {
    /// What for.
    pub name: Option<String>,
    /// What may be done with it, and whose things there are for it.
    pub access: Access,
    /// From when on it is no longer valid.
    pub expires_at: Option<Timestamp>,
}

/// A key that was made, with its text, which is shown this once.
#[derive(Debug)]
pub struct ApiKeyCreated {
    /// The key.
    pub key: ApiKey,
    /// Its text.
    pub secret: ApiKeySecret,
}

/// What is wrong with what a key is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApiKeyFault {
    /// Nothing could be done with it.
    #[error("must contain at least one scope")]
    NoScope,
    /// There would be nothing for it.
    #[error("must contain at least one project; omit the list for a key without a restriction")]
    NoProject,
    /// What an administrator sees knows no limits: keys, and the catalogue of event types.
    #[error("cannot be combined with the scope admin: an administrator cannot be restricted")]
    LimitedAdministrator,
    /// It would never be valid.
    #[error("must be in the future")]
    Expired,
}

/// Why something was not done with an API key.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ApiKeyError {
    /// There is no such key.
    #[error("the API key was not found")]
    NotFound,
    /// What it is to be is wrong; all faults at once.
    #[error("the API key is invalid")]
    Invalid(Vec<ApiKeyFault>),
    /// The database failed.
    #[error("the API key could not be read or stored")]
    Store(#[from] StoreError),
}

/// Why somebody was not let in.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AuthenticationError {
    /// No key has this hash, or one that was deleted.
    #[error("the API key is unknown")]
    Unknown,
    /// It was valid once.
    #[error("the API key has expired")]
    Expired,
    /// The database failed.
    #[error("the API key could not be read")]
    Store(#[from] StoreError),
}

/// Manages API keys, and knows them again. Cheap to clone.
///
/// A key that is in use is read from the database about once a second, however many requests bring it: so
/// one that was deleted, by whatever process, lets nobody in a second later, and at once in the process
/// that deleted it.
#[derive(Clone)]
pub struct ApiKeys {
    repository: Arc<dyn ApiKeyRepository>,
    ambient: Ambient,
    cache: Arc<Cache>,
    uses: mpsc::Sender<(ApiKeyId, Timestamp)>,
}

impl ApiKeys {
    /// Keys over this port, and the task that must be run to note when they are used.
    #[must_use]
    pub fn new(repository: Arc<dyn ApiKeyRepository>, ambient: Ambient) -> (Self, ApiKeyUses) {
        let (sender, uses) = mpsc::channel(MAX_USES);
        let noting = ApiKeyUses::new(uses, Arc::clone(&repository));
        (Self { repository, ambient, cache: Arc::default(), uses: sender }, noting)
    }

    /// Everything that is wrong with what a key is to be. [`Self::create`] asks the same; this is for a
    /// caller who has found other faults already and wants to tell all of them at once.
    #[must_use]
    pub fn vet(&self, new: &NewApiKey) -> Vec<ApiKeyFault> {
        let Access { scopes, projects } = &new.access;
        let is_past = new.expires_at.is_some_and(|expires_at| expires_at <= self.ambient.now());
        let found = [
            (scopes.is_empty(), ApiKeyFault::NoScope),
            (projects.as_ref().is_some_and(|projects| projects.is_empty()), ApiKeyFault::NoProject),
            (scopes.contains(&Scope::ADMIN) && projects.is_some(), ApiKeyFault::LimitedAdministrator),
            (is_past, ApiKeyFault::Expired),
        ];
        found.into_iter().filter(|(is_wrong, _)| *is_wrong).map(|(_, fault)| fault).collect()
    }

    /// Makes a key. It is valid at once, and everywhere.
    pub async fn create(&self, new: NewApiKey) -> Result<ApiKeyCreated, ApiKeyError> {
        let faults = self.vet(&new);
        if !faults.is_empty() {
            return Err(ApiKeyError::Invalid(faults));
        }
        let secret = ApiKeySecret::generate(self.ambient.entropy.bytes());
        let key = ApiKey {
            id: self.ambient.api_key_id(),
            name: new.name,
            hint: secret.hint(),
            access: Arc::new(new.access),
            created_at: self.ambient.now(),
            expires_at: new.expires_at,
            last_used_at: None,
        };
        self.repository.create(&key, &secret.hash()).await?;
        tracing::info!(api_key = %key.id, "API key created");
        Ok(ApiKeyCreated { key, secret })
    }

    /// One key.
    pub async fn get(&self, id: ApiKeyId) -> Result<ApiKey, ApiKeyError> {
        self.repository.get(id).await?.ok_or(ApiKeyError::NotFound)
    }

    /// A page of keys, newest first.
    pub async fn list(&self, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, ApiKeyError> {
        Ok(self.repository.list(page).await?)
    }

    /// Deletes a key, which lets nobody in any more.
    pub async fn delete(&self, id: ApiKeyId) -> Result<(), ApiKeyError> {
        let deleted = self.repository.delete(id).await;
        // Even if it failed: the database may have done it all the same.
        self.cache.forget(id);
        if !deleted? {
            return Err(ApiKeyError::NotFound);
        }
        tracing::info!(api_key = %id, "API key deleted");
        Ok(())
    }

    /// The valid key that has a hash.
    pub async fn authenticate(&self, hash: &ApiKeyHash) -> Result<Arc<ApiKey>, AuthenticationError> {
        let found = self.cache.find(&*self.repository, hash).await?;
        let key = found.key.ok_or(AuthenticationError::Unknown)?;
        let now = self.ambient.now();
        if key.has_expired(now) {
            return Err(AuthenticationError::Expired);
        }
        if found.is_read_anew && key.last_used_at.is_none_or(|last| last + NOTE_EVERY <= now) {
            // If too many wait, or the process stops, nothing is lost but a little precision.
            let _ = self.uses.try_send((key.id, now));
        }
        Ok(key)
    }
}
