//! [`EventRepository`].

pub(crate) mod publish;
mod read;
mod subscribers;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{EventFilter, EventId, EventRecord, NewEvent, Page, PageRequest, Published};

use crate::SqliteStore;

#[async_trait]
impl EventRepository for SqliteStore {
    async fn publish(&self, events: &[NewEvent]) -> Result<Vec<Published>, StoreError> {
        self.writer.publish(events.to_vec()).await
    }

    async fn get(&self, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        self.event(id).await
    }

    async fn list(
        &self,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        self.list_events(filter, page).await
    }
}
