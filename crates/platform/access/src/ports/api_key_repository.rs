use async_trait::async_trait;
use rdev_core::{ApiKeyId, Page, PageRequest, StoreError, Timestamp};

use crate::{ApiKey, ApiKeyHash};

/// The stored API keys: their rights, and the hashes by which they are found.
#[async_trait]
pub trait ApiKeyRepository: Send + Sync + 'static {
    /// Stores a new key.
    ///
    /// 1. MUST keep every field exactly. (`an_api_key_is_kept_exactly`)
    /// 2. MUST change nothing and return no error if the key already exists. (`an_api_key_is_stored_once`)
    async fn create(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StoreError>;

    /// Returns the key with this hash; `None` if no key has it or the key was deleted.
    ///
    /// 1. MUST find the key by the whole hash only, and also if it has expired: the caller checks that.
    ///    (`an_api_key_is_found_by_its_hash`)
    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError>;

    /// Returns one key; `None` if it does not exist or was deleted.
    async fn get(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// Returns a page of keys, newest first, including expired ones.
    ///
    /// 1. MUST page without gaps and repetitions. (`api_keys_are_paged_newest_first`)
    async fn list(&self, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, StoreError>;

    /// Deletes a key permanently and returns whether it existed.
    ///
    /// 1. MUST no longer find the key from then on, in any process. (`a_deleted_api_key_is_gone`)
    async fn delete(&self, id: ApiKeyId) -> Result<bool, StoreError>;

    /// Records the use of a key. Ignores a deleted key.
    ///
    /// 1. MUST keep the latest use, in whatever order the uses are recorded.
    ///    (`the_last_use_of_an_api_key_is_the_latest`)
    async fn touch(&self, id: ApiKeyId, used_at: Timestamp) -> Result<(), StoreError>;
}
