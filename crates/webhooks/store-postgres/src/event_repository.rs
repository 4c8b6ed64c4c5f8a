//! [`EventRepository`] on Postgres.

mod publish;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    Access, DeliveryCounts, EventFilter, EventId, EventRecord, MAX_LISTED_BODY, NewEvent, Page, PageRequest,
    PublishOutcome,
};
use uuid::Uuid;

use crate::events::list::{self, Listing};
use crate::rows::{EventRow, to_event};
use crate::store::PostgresStore;
use crate::visible::{self, Range};

#[async_trait]
impl EventRepository for PostgresStore {
    async fn publish_within(
        &self,
        events: &[NewEvent],
        max_deliveries: u32,
    ) -> Result<PublishOutcome, StoreError> {
        publish::publish(&self.inner, events, max_deliveries).await
    }

    async fn get(&self, access: &Access, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        let range = Range { from: id.as_uuid(), to: id.as_uuid() };
        let listing = Listing { range, limit: 1, max_body: i32::MAX };
        let rows = list::matching(self, access, &EventFilter::default(), None, listing).await?;
        let found = rows.into_iter().next().map(to_event).transpose()?;
        Ok(found.filter(|record| record.event.is_visible_to(access)))
    }

    async fn list(
        &self,
        access: &Access,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        let Some(range) = range_of(filter, page.before) else {
            return Ok(Page::of(Vec::new(), page.limit));
        };
        let listing = Listing { range, limit: i64::from(page.limit) + 1, max_body: MAX_LISTED_BODY as i32 };
        let projects = visible::matching_projects(access, filter.project.as_ref());
        let rows = match &projects {
            Some(projects) if filter.key.is_none() && filter.command_id.is_none() => {
                list::of_projects(self, access, projects, filter.event_type.as_ref(), listing).await?
            }
            _ => list::matching(self, access, filter, projects.as_deref(), listing).await?,
        };
        let id = |row: &EventRow| EventId::from_uuid(row.id).to_string();
        Page::read(rows, page.limit, id, to_event)
    }

    async fn count_deliveries(
        &self,
        access: &Access,
        events: &[EventId],
    ) -> Result<Vec<DeliveryCounts>, StoreError> {
        visible::counts(self, access, events).await
    }
}

/// Returns the range of ids that can be in a list; `None` if there can be none.
fn range_of(filter: &EventFilter, before: Option<EventId>) -> Option<Range> {
    let until = filter.until.map(EventId::floor);
    let end = before.into_iter().chain(until).min();
    let to = match end {
        None => Uuid::max(),
        Some(end) => Uuid::from_u128(end.as_uuid().as_u128().checked_sub(1)?),
    };
    let from = filter.since.map_or(Uuid::nil(), |since| EventId::floor(since).as_uuid());
    (from <= to).then_some(Range { from, to })
}
