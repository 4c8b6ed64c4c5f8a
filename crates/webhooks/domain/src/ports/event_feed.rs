use async_trait::async_trait;

use super::StoreError;
use crate::Access;
use crate::event_feed::{EventCursor, EventFeedFilter, EventFeedRead};

/// The feed of events, for consumers that pull them.
///
/// The store numbers events as it inserts them. An event appears once every event with a lower number is
/// committed or rolled back: so all consumers see the same order, and an event never appears before a cursor.
#[async_trait]
pub trait EventFeed: Send + Sync + 'static {
    /// Returns the visible events after a cursor that match, from the oldest without a cursor: at most `limit`,
    /// and fewer of large events.
    ///
    /// 1. MUST return each event once and in the same order to every consumer, however long its transaction was
    ///    open. (`the_event_feed_has_one_order`, the stores' own tests)
    /// 2. MUST apply every given filter, and return a cursor that has progressed if nothing matches.
    ///    (`the_event_feed_is_filtered`)
    /// 3. MUST return only the events of the caller's projects. (`the_event_feed_shows_events_to_their_projects`)
    /// 4. MUST read a bounded number of events, wherever the cursor is. (the stores' own tests)
    /// 5. MUST report a cursor after which retention removed events, and one after all events.
    ///    (`the_event_feed_reports_what_was_pruned`, `the_event_feed_refuses_a_cursor_of_the_future`)
    async fn read(
        &self,
        access: &Access,
        filter: &EventFeedFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<EventFeedRead, StoreError>;

    /// Returns the cursor after the last event that can be read.
    ///
    /// 1. MUST be before every event that is committed later. (`the_event_feed_begins_now`)
    async fn end(&self) -> Result<EventCursor, StoreError>;
}
