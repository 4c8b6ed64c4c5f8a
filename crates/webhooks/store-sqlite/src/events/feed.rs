//! [`EventFeed`]. One transaction writes at a time, so that events are committed in the order of their numbers.

use std::collections::HashMap;

use async_trait::async_trait;
use rdev_webhooks_domain::Access;
use rdev_webhooks_domain::event_feed::{
    EventCursor, EventFeedFilter, EventFeedPage, EventFeedRead, EventPosition, FeedEvent, MAX_PAGE_BYTES,
    MAX_SCANNED,
};
use rdev_webhooks_domain::ports::{EventFeed, StoreError};
use rdev_webhooks_store::damage;
use sqlx::SqliteConnection;

use super::read::EventRow;
use crate::error::DbError;
use crate::{SqliteStore, json};

#[async_trait]
impl EventFeed for SqliteStore {
    async fn read(
        &self,
        access: &Access,
        filter: &EventFeedFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<EventFeedRead, StoreError> {
        let mut listing = self.listings.begin().await?;
        let bounds = Bounds::read(&mut listing).await?;
        if after.is_some_and(|cursor| cursor.has_missed(bounds.pruned())) {
            return Ok(EventFeedRead::Pruned);
        }
        let number = match after.map(|cursor| cursor.position()) {
            Some(EventPosition::Numbered(number)) => i64::try_from(number).unwrap_or(i64::MAX),
            Some(EventPosition::Unnumbered(_)) | None => 0,
        };
        if number > bounds.last() {
            return Ok(EventFeedRead::Unknown);
        }
        let page = read_page(&mut listing, access, filter, (number, limit), &bounds).await?;
        Ok(EventFeedRead::Page(page))
    }

    async fn end(&self) -> Result<EventCursor, StoreError> {
        let bounds = Bounds::read(&mut *self.reader().await?).await?;
        Ok(bounds.cursor(bounds.last()))
    }
}

/// The ends of the feed.
struct Bounds {
    newest: i64,
    pruned: i64,
}

impl Bounds {
    async fn read(conn: &mut SqliteConnection) -> Result<Self, DbError> {
        let bounds = sqlx::query_as!(
            Self,
            r#"SELECT coalesce((SELECT max(position) FROM webhooks_events), 0) AS "newest!: i64",
                 pruned_position AS pruned
               FROM webhooks_event_feed"#
        );
        Ok(bounds.fetch_one(conn).await?)
    }

    /// Returns the highest number that a cursor can have.
    fn last(&self) -> i64 {
        self.newest.max(self.pruned)
    }

    fn pruned(&self) -> EventPosition {
        EventPosition::Numbered(self.pruned.unsigned_abs())
    }

    fn cursor(&self, number: i64) -> EventCursor {
        EventCursor::new(EventPosition::Numbered(number.unsigned_abs()), self.pruned())
    }
}

async fn read_page(
    conn: &mut SqliteConnection,
    access: &Access,
    filter: &EventFeedFilter,
    (after, limit): (i64, u32),
    bounds: &Bounds,
) -> Result<EventFeedPage, DbError> {
    let event_type = filter.event_type.as_ref().map(|event_type| event_type.as_str());
    let project = filter.project.as_ref().map(|project| project.as_str());
    let is_filtered = event_type.is_some() || project.is_some() || access.projects.is_some();
    let scan = if is_filtered { MAX_SCANNED } else { limit + 1 };
    let scanned = sqlx::query!(
        r#"SELECT position, event_type, project, length(body) AS "size!: i64" FROM webhooks_events
           WHERE position > ?1 ORDER BY position LIMIT +?2"#,
        after,
        scan
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut has_more = scanned.len() == scan as usize;
    let (mut next, mut bytes, mut wanted) = (after, 0, Vec::new());
    for row in scanned {
        let is_visible = access.projects.as_ref().is_none_or(|visible_to| {
            row.project.as_ref().is_some_and(|own| visible_to.iter().any(|project| project.as_str() == own))
        });
        let matches = event_type.is_none_or(|event_type| event_type == row.event_type)
            && project.is_none_or(|project| row.project.as_deref() == Some(project));
        if is_visible && matches {
            bytes += row.size.unsigned_abs();
            if wanted.len() == limit as usize || (bytes > MAX_PAGE_BYTES as u64 && !wanted.is_empty()) {
                has_more = true;
                break;
            }
            wanted.push(row.position);
        }
        next = row.position;
    }
    let mut events = Vec::with_capacity(wanted.len());
    if !wanted.is_empty() {
        let wanted = json::rows(&wanted)?;
        let rows = sqlx::query!(
            "SELECT position, id, key, event_type, project, timestamp, body FROM webhooks_events
             WHERE position IN (SELECT value FROM json_each(?1)) ORDER BY position",
            wanted
        )
        .fetch_all(conn)
        .await?;
        for row in rows {
            let cursor = bounds.cursor(row.position);
            let row = EventRow {
                id: row.id,
                key: row.key,
                event_type: row.event_type,
                project: row.project,
                timestamp: row.timestamp,
                body: row.body,
            };
            if let Some(record) = damage::leave_out(row.record(&HashMap::new())) {
                events.push(FeedEvent { cursor, event: record.event });
            }
        }
    }
    Ok(EventFeedPage { events, next: bounds.cursor(next), has_more })
}
