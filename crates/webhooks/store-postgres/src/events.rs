//! [`EventRepository`] on Postgres.

pub(crate) mod add;
mod feed;
pub(crate) mod publish;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    Access, DeliveryCounts, EventFilter, EventId, EventRecord, MAX_LISTED_BODY, NewEvent, Page, PageRequest,
    PublishOutcome,
};
use uuid::Uuid;

use crate::events::publish::publish;
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
        publish(&self.inner, events, max_deliveries).await
    }

    async fn get(&self, access: &Access, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        let one = Range { from: id.as_uuid(), to: id.as_uuid() };
        let rows = select(self, &EventFilter::default(), one, 1, i32::MAX, None).await?;
        let found = rows.into_iter().next().map(to_event).transpose()?;
        let mut visible = found.filter(|record| record.event.is_visible_to(access));
        if let Some(record) = visible.as_mut().filter(|_| access.projects.is_some()) {
            count(self, access, std::slice::from_mut(record)).await?;
        }
        Ok(visible)
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
        let limit = i64::from(page.limit) + 1;
        let projects = visible::matching_projects(access, filter.project.as_ref());
        let is_by_project = projects.is_some() && filter.key.is_none() && filter.command_id.is_none();
        let rows = match &projects {
            Some(projects) if is_by_project => visible::events(self, filter, projects, range, limit).await?,
            _ => select(self, filter, range, limit, MAX_LISTED_BODY as i32, projects.as_deref()).await?,
        };
        let id = |row: &EventRow| EventId::from_uuid(row.id).to_string();
        let mut page = Page::read(rows, page.limit, id, to_event)?;
        if is_by_project || access.projects.is_some() {
            count(self, access, &mut page.items).await?;
        }
        Ok(page)
    }

    async fn count_deliveries(
        &self,
        access: &Access,
        events: &[EventId],
    ) -> Result<Vec<DeliveryCounts>, StoreError> {
        visible::counts(self, access, events).await
    }
}

/// Counts the deliveries that the caller sees.
async fn count(
    store: &PostgresStore,
    access: &Access,
    records: &mut [EventRecord],
) -> Result<(), StoreError> {
    let ids: Vec<_> = records.iter().map(|record| record.event.id).collect();
    let counts = visible::counts(store, access, &ids).await?;
    for (record, counts) in records.iter_mut().zip(counts) {
        record.deliveries = counts;
    }
    Ok(())
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

/// Returns the events of a range, newest first, of some projects or of all, without bodies longer than
/// `max_body`. A delivery's id holds
/// the millisecond of its event, so that an event's deliveries are found by their primary key and in one
/// partition.
async fn select(
    store: &PostgresStore,
    filter: &EventFilter,
    range: Range,
    limit: i64,
    max_body: i32,
    projects: Option<&[String]>,
) -> Result<Vec<EventRow>, StoreError> {
    store
        .inner
        .listings()
        .run(async |conn| {
            sqlx::query_file_as!(
                EventRow,
                "src/events/list.sql",
                range.from,
                range.to,
                filter.event_type.as_ref().map(|event_type| event_type.as_str()),
                limit,
                max_body,
                filter.key.as_ref().map(|key| key.as_str()),
                filter.command_id.as_ref().map(|id| id.as_str()),
                projects,
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await
}
