//! The feed of events: one page, or a live stream.
//!
//! A stream keeps nothing but its cursor: it reads the next page from the store once its client has taken the
//! last one. All streams of a process learn together, by one statement at a time, whether there is anything new.

use std::time::Duration;

use rdev_app::StreamPermit;
use rdev_webhooks_domain::event_feed::{
    EventCursor, EventFeedFilter, EventFeedPage, EventFeedRead, EventPosition,
};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Access, ApiKeyId};
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Arc, Feed, Shared, WatchError};

/// The interval between two looks for new events.
const POLL_INTERVAL: Duration = Duration::from_millis(250);
/// The number of events that a stream reads at once.
const PAGE_SIZE: u32 = 100;

/// The end of the feed, and when it was read.
#[derive(Default)]
pub(super) struct LastEnd(Mutex<Option<(Instant, EventCursor)>>);

impl LastEnd {
    /// Returns the end of the feed as it was at most one interval ago. One caller reads it, and the others wait.
    async fn read(&self, shared: &Shared) -> Result<EventCursor, StoreError> {
        let mut last = self.0.lock().await;
        match *last {
            Some((read_at, end)) if read_at.elapsed() < POLL_INTERVAL => Ok(end),
            _ => {
                let end = shared.events.end().await?;
                *last = Some((Instant::now(), end));
                Ok(end)
            }
        }
    }
}

impl Feed {
    /// Reads a page of the feed of events.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn read_events(
        &self,
        access: &Access,
        filter: &EventFeedFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<EventFeedRead, StoreError> {
        self.0.events.read(access, filter, after, limit).await
    }

    /// Returns the cursor after the last event that can be read.
    ///
    /// # Errors
    ///
    /// Fails if the database fails.
    pub async fn end_of_events(&self) -> Result<EventCursor, StoreError> {
        self.0.events.end().await
    }

    /// Opens a stream of events with an API key, after a cursor.
    ///
    /// # Errors
    ///
    /// Fails if too many streams are open, or if the process is stopping.
    pub fn watch_events(
        &self,
        key: Option<ApiKeyId>,
        access: Access,
        filter: EventFeedFilter,
        after: Option<EventCursor>,
    ) -> Result<EventSubscription, WatchError> {
        if self.0.is_closed() {
            return Err(WatchError::Stopped);
        }
        let permit = StreamPermit::take(&self.0.permits, key)?;
        let shared = Arc::clone(&self.0);
        Ok(EventSubscription { shared, permit, access, filter, after, is_level: false })
    }
}

/// An open stream of events; dropping it closes it.
pub struct EventSubscription {
    shared: Arc<Shared>,
    permit: StreamPermit,
    access: Access,
    filter: EventFeedFilter,
    after: Option<EventCursor>,
    /// Whether the last page was the last one.
    is_level: bool,
}

impl EventSubscription {
    /// Returns the next page, which may be empty; waits while there are no new events. Returns `None` once the
    /// process drains, if retention has removed events that the stream has not read, or if it gives way to
    /// another key's. Safe to drop and to call again.
    ///
    /// # Errors
    ///
    /// Fails if the database fails. It may be called again.
    pub async fn next(&mut self) -> Result<Option<EventFeedPage>, StoreError> {
        loop {
            if self.shared.is_closed() || self.permit.is_lost() {
                return Ok(None);
            }
            if !self.is_level || self.has_new().await? {
                break;
            }
            tokio::select! {
                () = self.permit.lost() => {}
                () = tokio::time::sleep(POLL_INTERVAL) => {}
            }
        }
        // The semaphore is never closed.
        let turn = self.shared.catching_up.acquire().await;
        let read = self.shared.events.read(&self.access, &self.filter, self.after, PAGE_SIZE).await?;
        drop(turn);
        let EventFeedRead::Page(page) = read else {
            return Ok(None);
        };
        self.after = Some(page.next);
        self.is_level = !page.has_more;
        Ok(Some(page))
    }

    async fn has_new(&self) -> Result<bool, StoreError> {
        let end = self.shared.last_end.read(&self.shared).await?;
        Ok(end.position() > self.after.map_or(EventPosition::START, |cursor| cursor.position()))
    }
}
