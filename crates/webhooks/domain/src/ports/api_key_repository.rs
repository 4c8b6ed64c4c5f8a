use async_trait::async_trait;

use super::StoreError;
use crate::{ApiKey, ApiKeyHash, ApiKeyId, Page, PageRequest, Timestamp};

/// Where API keys are kept: what they may do, and the hashes that they are found by.
#[async_trait]
pub trait ApiKeyRepository: Send + Sync + 'static {
    /// Stores a new key.
    ///
    /// 1. MUST keep every field exactly. (`an_api_key_is_kept_exactly`)
    /// 2. MUST change nothing, and be no error, if the key is there already.
    ///    (`an_api_key_is_stored_once`)
    async fn create(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StoreError>;

    /// The key that has a hash; none if there is none or it was deleted.
    ///
    /// 1. MUST find it by the whole hash alone, and one that has expired too, which is for the caller to
    ///    judge. (`an_api_key_is_found_by_its_hash`)
    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError>;

    /// One key; none if there is none or it was deleted.
    async fn get(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError>;

    /// A page of keys, newest first, the expired ones included.
    ///
    /// 1. MUST page without gaps and repetitions. (`api_keys_are_paged_newest_first`)
    async fn list(&self, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, StoreError>;

    /// Deletes a key for good and says whether there was one.
    ///
    /// 1. MUST find it no more from then on, in whatever process. (`a_deleted_api_key_is_gone`)
    async fn delete(&self, id: ApiKeyId) -> Result<bool, StoreError>;

    /// Notes that a key was used; a key that is gone is passed over.
    ///
    /// 1. MUST keep the latest use, in whatever order they are noted.
    ///    (`the_last_use_of_an_api_key_is_the_latest`)
    async fn touch(&self, id: ApiKeyId, used_at: Timestamp) -> Result<(), StoreError>;
}
