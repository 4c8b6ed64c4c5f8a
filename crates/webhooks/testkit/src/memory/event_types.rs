//! [`EventTypeRepository`] in memory.

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{EventTypeRepository, Registered, RemovedType, StoreError};
use rdev_webhooks_domain::{EventType, RegisteredType, Timestamp};

use super::MemoryStore;

#[async_trait]
impl EventTypeRepository for MemoryStore {
    async fn put(&self, event_type: &RegisteredType) -> Result<Option<Timestamp>, StoreError> {
        let (mut state, _) = self.step();
        let before = state.event_types.get(&event_type.name).map(|before| before.created_at);
        let created_at = before.unwrap_or(event_type.created_at);
        let stored = RegisteredType { created_at, ..event_type.clone() };
        state.event_types.insert(event_type.name.clone(), stored);
        state.event_types_version += 1;
        Ok(before)
    }

    async fn remove(&self, name: &EventType) -> Result<RemovedType, StoreError> {
        let (mut state, _) = self.step();
        if !state.event_types.contains_key(name) {
            return Ok(RemovedType::NotFound);
        }
        let mut webhooks = state.webhooks.values().filter(|stored| stored.deleted_at.is_none());
        let by_name = |pattern: &str| pattern == name.as_str();
        if webhooks
            .any(|stored| stored.webhook.settings.events.iter().any(|pattern| by_name(pattern.as_str())))
        {
            return Ok(RemovedType::Subscribed);
        }
        state.event_types.remove(name);
        state.event_types_version += 1;
        Ok(RemovedType::Removed)
    }

    async fn version(&self) -> Result<u64, StoreError> {
        let (state, _) = self.step();
        Ok(state.event_types_version)
    }

    async fn all(&self) -> Result<Registered, StoreError> {
        let (state, _) = self.step();
        let types = state.event_types.values().cloned().collect();
        Ok(Registered { version: state.event_types_version, types })
    }
}
