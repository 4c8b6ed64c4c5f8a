//! [`EventFeed`] on Postgres.
//!
//! # Why nothing is missed
//!
//! An event gets its number when it is inserted, and appears when its transaction commits, in another order.
//! So the feed ends at the last number up to which it is complete. A reader that finds a newer event inserts a
//! mark: the number of the event, and the id of the mark's own transaction. A transaction with a later id began
//! to insert after that, since it takes its id before its first number: its numbers are higher. So once every
//! transaction with an earlier id has ended, no number up to the mark's can appear any more. Ids compare only
//! within one server; the marks of a restored dump are ignored until they are true, and the numbers go on.
//!
//! A transaction that is open for long holds the feed back only if it publishes. After a second, the locks say
//! which do: a transaction inserts while it holds a lock of the table, which it keeps to its end. One that locks
//! the table only later gets higher numbers than any mark that is there.

use async_trait::async_trait;
use rdev_webhooks_domain::event_feed::{
    EventCursor, EventFeedFilter, EventFeedPage, EventFeedRead, EventPosition, FeedEvent, MAX_PAGE_BYTES,
    MAX_SCANNED,
};
use rdev_webhooks_domain::ports::{EventFeed, StoreError};
use rdev_webhooks_domain::{Access, EventId};
use rdev_webhooks_store::damage;
use uuid::Uuid;

use crate::rows::{EventRow, to_event};
use crate::store::{Inner, PostgresStore};
use crate::visible;

/// The ends of the feed.
struct Bounds {
    /// The highest number of a committed event.
    newest: i64,
    /// Up to which number the feed is complete.
    complete: i64,
    /// Whether another mark is of no use now: one covers the newest event, or was made a moment ago and waits.
    is_marked: bool,
    /// Whether a mark has waited long for transactions to end.
    is_held: bool,
    pruned_position: i64,
    pruned_event: Uuid,
}

impl Bounds {
    /// Reads the ends, and moves the complete part on if there are newer events.
    async fn read(store: &Inner) -> Result<Self, StoreError> {
        let bounds = Self::read_once(store).await?;
        if bounds.newest <= bounds.complete {
            return Ok(bounds);
        }
        if !bounds.is_marked {
            bounds.mark(store).await?;
        }
        let mut bounds = Self::read_once(store).await?;
        if bounds.newest > bounds.complete && bounds.is_held {
            let unheld = Self::unheld(store).await?;
            if unheld > bounds.complete {
                bounds.complete = unheld;
                bounds.keep(store).await?;
            }
        }
        Ok(bounds)
    }

    async fn read_once(store: &Inner) -> Result<Self, StoreError> {
        store
            .listings()
            .run(async |conn| {
                sqlx::query_file_as!(Bounds, "src/events/feed/bounds.sql").fetch_one(&mut **conn).await
            })
            .await
    }

    /// Returns up to which mark the feed is complete, by the transactions that publish.
    async fn unheld(store: &Inner) -> Result<i64, StoreError> {
        store
            .listings()
            .run(async |conn| {
                sqlx::query_file_scalar!("src/events/feed/held.sql").fetch_one(&mut **conn).await
            })
            .await
    }

    /// Records up to where the feed is complete, whatever the transactions do that were running.
    async fn keep(&self, store: &Inner) -> Result<(), StoreError> {
        store
            .claim()
            .run(async |conn| {
                sqlx::query("INSERT INTO rdev_webhooks.event_feed_marks (xid, position) VALUES ('0', $1)")
                    .bind(self.complete)
                    .execute(&mut **conn)
                    .await
            })
            .await?;
        Ok(())
    }

    /// Marks the newest event, in a transaction that begins after it was read.
    async fn mark(&self, store: &Inner) -> Result<(), StoreError> {
        store
            .claim()
            .run(async |conn| {
                sqlx::query!(
                    "WITH forgotten AS (
                         DELETE FROM rdev_webhooks.event_feed_marks WHERE ctid = ANY(ARRAY(
                             SELECT m.ctid FROM rdev_webhooks.event_feed_marks m
                             WHERE m.position < $2 FOR UPDATE SKIP LOCKED))
                     )
                     INSERT INTO rdev_webhooks.event_feed_marks (xid, position)
                     VALUES (pg_current_xact_id(), $1)",
                    self.newest,
                    self.complete
                )
                .execute(&mut **conn)
                .await
            })
            .await?;
        Ok(())
    }

    fn pruned(&self) -> EventPosition {
        position(self.pruned_position, self.pruned_event)
    }
}

#[async_trait]
impl EventFeed for PostgresStore {
    async fn read(
        &self,
        access: &Access,
        filter: &EventFeedFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<EventFeedRead, StoreError> {
        let bounds = Bounds::read(&self.inner).await?;
        let pruned = bounds.pruned();
        if after.is_some_and(|cursor| cursor.has_missed(pruned)) {
            return Ok(EventFeedRead::Pruned);
        }
        let from = after.map_or(EventPosition::START, |cursor| cursor.position());
        let (number, event) = match from {
            EventPosition::Unnumbered(id) => (0, id.as_uuid()),
            EventPosition::Numbered(number) => (i64::try_from(number).unwrap_or(i64::MAX), Uuid::max()),
        };
        if number > bounds.newest.max(bounds.complete).max(bounds.pruned_position) {
            return Ok(EventFeedRead::Unknown);
        }
        let projects = visible::matching_projects(access, filter.project.as_ref());
        let is_filtered = projects.is_some() || filter.event_type.is_some();
        let scan = if is_filtered { MAX_SCANNED } else { limit + 1 };
        let rows = self
            .inner
            .listings()
            .run(async |conn| {
                sqlx::query_file!(
                    "src/events/feed/page.sql",
                    number,
                    event,
                    bounds.complete,
                    i64::from(scan),
                    filter.event_type.as_ref().map(|event_type| event_type.as_str()),
                    projects.as_deref(),
                    i64::from(limit),
                    MAX_PAGE_BYTES as i64
                )
                .fetch_all(&mut **conn)
                .await
            })
            .await?;
        let Some(first) = rows.first() else {
            let next = EventCursor::new(from, pruned);
            return Ok(EventFeedRead::Page(EventFeedPage { events: Vec::new(), next, has_more: false }));
        };
        let (last_scanned, matching) = (position(first.last_position, first.last_id), first.matching);
        let has_more = first.scanned == i64::from(scan);
        let mut end = None;
        let mut found = 0;
        let mut events = Vec::with_capacity(rows.len());
        for row in rows {
            // A page without a matching event has one row, without an event.
            let (Some(number), Some(id), Some(timestamp), Some(event_type), Some(body)) =
                (row.position, row.id, row.timestamp, row.event_type, row.body)
            else {
                continue;
            };
            found += 1;
            let cursor = EventCursor::new(position(number, id), pruned);
            end = Some(cursor);
            let row = EventRow {
                id,
                timestamp,
                event_type,
                project: row.project,
                key: row.key,
                body,
                ..EventRow::default()
            };
            if let Some(event) = damage::leave_out(to_event(row)) {
                events.push(FeedEvent { cursor, event: event.event });
            }
        }
        // A page that was cut ends with its last event, another one with what was scanned.
        let page = match end.filter(|_| found < matching) {
            Some(next) => EventFeedPage { events, next, has_more: true },
            None => EventFeedPage { events, next: EventCursor::new(last_scanned, pruned), has_more },
        };
        Ok(EventFeedRead::Page(page))
    }

    async fn end(&self) -> Result<EventCursor, StoreError> {
        let bounds = Bounds::read(&self.inner).await?;
        Ok(EventCursor::new(
            position(bounds.complete, Uuid::max()).max(EventPosition::Numbered(0)),
            bounds.pruned(),
        ))
    }
}

/// Returns the position of an event with this number and id.
fn position(number: i64, id: Uuid) -> EventPosition {
    match u64::try_from(number) {
        Ok(0) | Err(_) => EventPosition::Unnumbered(EventId::from_uuid(id)),
        Ok(number) => EventPosition::Numbered(number),
    }
}
