//! [`ApiKeyRepository`] in memory.

use async_trait::async_trait;
use rdev_access::ports::ApiKeyRepository;
use rdev_access::{ApiKey, ApiKeyHash};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{ApiKeyId, Page, PageRequest, Timestamp};

use super::MemoryStore;

#[async_trait]
impl ApiKeyRepository for MemoryStore {
    async fn create(&self, key: &ApiKey, hash: &ApiKeyHash) -> Result<(), StoreError> {
        let (mut state, _) = self.step();
        state.api_keys.entry(key.id).or_insert_with(|| (key.clone(), *hash));
        Ok(())
    }

    async fn find(&self, hash: &ApiKeyHash) -> Result<Option<ApiKey>, StoreError> {
        let (state, _) = self.step();
        let found = state.api_keys.values().find(|(_, known)| known == hash);
        Ok(found.map(|(key, _)| key.clone()))
    }

    async fn get(&self, id: ApiKeyId) -> Result<Option<ApiKey>, StoreError> {
        let (state, _) = self.step();
        Ok(state.api_keys.get(&id).map(|(key, _)| key.clone()))
    }

    async fn list(&self, page: PageRequest<ApiKeyId>) -> Result<Page<ApiKey>, StoreError> {
        let (state, _) = self.step();
        let newest_first = state.api_keys.values().rev().map(|(key, _)| key);
        let older = newest_first.filter(|key| page.before.is_none_or(|before| key.id < before));
        Ok(Page::of(older.take(page.limit as usize + 1).cloned().collect(), page.limit))
    }

    async fn delete(&self, id: ApiKeyId) -> Result<bool, StoreError> {
        let (mut state, _) = self.step();
        Ok(state.api_keys.remove(&id).is_some())
    }

    async fn touch(&self, id: ApiKeyId, used_at: Timestamp) -> Result<(), StoreError> {
        let (mut state, _) = self.step();
        if let Some((key, _)) = state.api_keys.get_mut(&id) {
            key.last_used_at = key.last_used_at.max(Some(used_at));
        }
        Ok(())
    }
}
