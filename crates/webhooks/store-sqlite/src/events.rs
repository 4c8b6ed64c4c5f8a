//! [`EventRepository`].

pub(crate) mod publish;
mod read;
mod subscribers;

use std::collections::BTreeSet;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    DeliveryCounts, EventFilter, EventId, EventRecord, NewEvent, Page, PageRequest, ProjectName,
    PublishOutcome,
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

    async fn get(&self, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        let now = self.clock.now();
        Ok(read::get(&mut *self.listings.begin().await?, id, now).await?)
    }

    async fn list(
        &self,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        let now = self.clock.now();
        Ok(read::list(&mut *self.listings.begin().await?, filter, page, now).await?)
    }

    async fn count_visible(
        &self,
        events: &[EventId],
        visible_to: &BTreeSet<ProjectName>,
    ) -> Result<Vec<DeliveryCounts>, StoreError> {
        let now = self.clock.now();
        let counts = read::count(&mut *self.snapshot().await?, events, Some(visible_to), now).await?;
        Ok(events.iter().map(|event| counts.get(event).copied().unwrap_or_default()).collect())
    }
}
