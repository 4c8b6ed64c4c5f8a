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
        self.event(id).await
    }

    async fn list(
        &self,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        self.list_events(filter, page).await
    }

    async fn count_visible(
        &self,
        events: &[EventId],
        visible_to: &BTreeSet<ProjectName>,
    ) -> Result<Vec<DeliveryCounts>, StoreError> {
        self.count_events(events, visible_to).await
    }
}
