//! [`EventRepository`].

pub(crate) mod add;
mod feed;
pub(crate) mod publish;
pub(crate) mod read;
mod subscribers;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    Access, DeliveryCounts, EventFilter, EventId, EventRecord, NewEvent, Page, PageRequest, PublishOutcome,
};

use crate::SqliteStore;

#[async_trait]
impl EventRepository for SqliteStore {
    async fn publish_within(
        &self,
        events: &[NewEvent],
        max_deliveries: u32,
    ) -> Result<PublishOutcome, StoreError> {
        self.writer.publish(events.to_vec(), max_deliveries).await
    }

    async fn get(&self, access: &Access, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        let now = self.clock.now();
        Ok(read::get(&mut *self.listings.begin().await?, access, id, now).await?)
    }

    async fn list(
        &self,
        access: &Access,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        let now = self.clock.now();
        Ok(read::list(&mut *self.listings.begin().await?, access, filter, page, now).await?)
    }

    async fn count_deliveries(
        &self,
        access: &Access,
        events: &[EventId],
    ) -> Result<Vec<DeliveryCounts>, StoreError> {
        let now = self.clock.now();
        let counts = read::count(&mut *self.snapshot().await?, access, events, now).await?;
        Ok(events.iter().map(|event| counts.get(event).copied().unwrap_or_default()).collect())
    }
}
