//! [`EventFeed`] in memory.

use std::ops::Bound;

use async_trait::async_trait;
use rdev_webhooks_domain::Access;
use rdev_webhooks_domain::event_feed::{
    EventCursor, EventFeedFilter, EventFeedPage, EventFeedRead, EventPosition, FeedEvent, MAX_PAGE_BYTES,
    MAX_SCANNED,
};
use rdev_webhooks_domain::ports::{EventFeed, StoreError};

use super::MemoryStore;

#[async_trait]
impl EventFeed for MemoryStore {
    async fn read(
        &self,
        access: &Access,
        filter: &EventFeedFilter,
        after: Option<EventCursor>,
        limit: u32,
    ) -> Result<EventFeedRead, StoreError> {
        let (state, _) = self.step();
        let pruned = EventPosition::Numbered(state.pruned_number);
        let position = after.map_or(EventPosition::START, |cursor| cursor.position());
        if after.is_some_and(|cursor| cursor.has_missed(pruned)) {
            return Ok(EventFeedRead::Pruned);
        }
        if position > EventPosition::Numbered(state.last_number) {
            return Ok(EventFeedRead::Unknown);
        }
        let from = match position {
            EventPosition::Unnumbered(_) => Bound::Unbounded,
            EventPosition::Numbered(number) => Bound::Excluded(number),
        };
        let mut unread = state.numbered.range((from, Bound::Unbounded)).peekable();
        let (mut events, mut next, mut bytes) = (Vec::new(), EventCursor::new(position, pruned), 0);
        for _ in 0..MAX_SCANNED {
            let Some((number, id)) = unread.peek() else {
                break;
            };
            let (cursor, event) =
                (EventCursor::new(EventPosition::Numbered(**number), pruned), &state.events[*id].event);
            if event.is_visible_to(access) && filter.matches(event) {
                bytes += event.body.len();
                if events.len() == limit as usize || (bytes > MAX_PAGE_BYTES && !events.is_empty()) {
                    break;
                }
                events.push(FeedEvent { cursor, event: event.clone() });
            }
            next = cursor;
            unread.next();
        }
        Ok(EventFeedRead::Page(EventFeedPage { events, next, has_more: unread.peek().is_some() }))
    }

    async fn end(&self) -> Result<EventCursor, StoreError> {
        let (state, _) = self.step();
        let pruned = EventPosition::Numbered(state.pruned_number);
        Ok(EventCursor::new(EventPosition::Numbered(state.last_number), pruned))
    }
}
