//! The feed of events: all events in one order, which is the same for every consumer.

use std::fmt::{self, Display};
use std::str::FromStr;

use rdev_core::id::Uuid;

use crate::{Event, EventId, EventType, ProjectName};

/// The maximum size of a page, in bytes of bodies. A page of one event may be larger.
pub const MAX_PAGE_BYTES: usize = 1_024 * 1_024;

/// The number of events that a page of a filtered feed reads at most.
pub const MAX_SCANNED: u32 = 5_000;

/// The position of an event in the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum EventPosition {
    /// An event from before the store numbered events. These come first, in the order of their ids.
    Unnumbered(EventId),
    /// The event with this number.
    Numbered(u64),
}

impl EventPosition {
    /// The position before every event.
    pub const START: Self = Self::Unnumbered(EventId::from_uuid(Uuid::nil()));
}

impl Display for EventPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unnumbered(id) => id.fmt(f),
            Self::Numbered(number) => number.fmt(f),
        }
    }
}

impl FromStr for EventPosition {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text.parse() {
            Ok(number) => Ok(Self::Numbered(number)),
            Err(_) => text.parse().map(Self::Unnumbered).map_err(|_| ()),
        }
    }
}

/// How far a consumer has read the feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventCursor {
    position: EventPosition,
    /// The last position that retention had removed when the consumer was there, if that is later. Commits and
    /// ids differ in their order, so that retention may keep an event before one that it removes.
    pruned: Option<EventPosition>,
}

impl EventCursor {
    /// Creates the cursor at a position, read when `pruned` was the last position that retention had removed.
    #[must_use]
    pub fn new(position: EventPosition, pruned: EventPosition) -> Self {
        Self { position, pruned: (pruned > position).then_some(pruned) }
    }

    /// Returns the position of the last event that was read.
    #[must_use]
    pub const fn position(&self) -> EventPosition {
        self.position
    }

    /// Returns whether retention has removed events after the cursor, if `pruned` is the last position that it
    /// has removed.
    #[must_use]
    pub fn has_missed(&self, pruned: EventPosition) -> bool {
        pruned > self.pruned.unwrap_or(self.position)
    }
}

impl Display for EventCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "events@{}", self.position)?;
        self.pruned.map_or(Ok(()), |pruned| write!(f, "/{pruned}"))
    }
}

impl FromStr for EventCursor {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let text = text.strip_prefix("events@").ok_or(())?;
        let (position, pruned) = match text.split_once('/') {
            Some((position, pruned)) => (position, Some(pruned.parse()?)),
            None => (text, None),
        };
        Ok(Self { position: position.parse()?, pruned })
    }
}

/// A filter of the feed. A `None` field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFeedFilter {
    /// Events of this type.
    pub event_type: Option<EventType>,
    /// Events of this project.
    pub project: Option<ProjectName>,
}

impl EventFeedFilter {
    /// Returns whether an event matches.
    #[must_use]
    pub fn matches(&self, event: &Event) -> bool {
        self.event_type.as_ref().is_none_or(|event_type| *event_type == event.event_type)
            && (self.project.is_none() || self.project == event.project)
    }
}

/// An event in the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedEvent {
    /// The cursor after this event.
    pub cursor: EventCursor,
    /// The event.
    pub event: Event,
}

/// A page of the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventFeedPage {
    /// The events in order.
    pub events: Vec<FeedEvent>,
    /// The cursor after the last event that was read, whether it matched or not.
    pub next: EventCursor,
    /// Whether there may be more events after `next`.
    pub has_more: bool,
}

/// The result of reading the feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EventFeedRead {
    /// The page after the cursor.
    Page(EventFeedPage),
    /// Retention has removed events after the cursor.
    Pruned,
    /// The cursor is after every event of the store: it is of another store, or of a later state of this one.
    Unknown,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    const ONE: EventPosition = EventPosition::Numbered(1);
    const TWO: EventPosition = EventPosition::Numbered(2);

    #[test]
    fn a_cursor_is_read_as_it_is_written() {
        let old = EventPosition::Unnumbered(EventId::from_parts(Timestamp::from_millis(7), [7; 10]));
        for (position, pruned) in
            [(ONE, EventPosition::START), (ONE, TWO), (old, ONE), (old, EventPosition::START)]
        {
            let cursor = EventCursor::new(position, pruned);
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        for text in ["", "1", "events@", "events@-1", "events@1/", "events@1/x", "feed@1"] {
            assert_eq!(text.parse::<EventCursor>(), Err(()), "{text}");
        }
    }

    #[test]
    fn a_cursor_misses_what_was_removed_since() {
        assert!(!EventCursor::new(ONE, EventPosition::START).has_missed(ONE));
        assert!(EventCursor::new(ONE, EventPosition::START).has_missed(TWO));
        assert!(!EventCursor::new(ONE, TWO).has_missed(TWO), "it was removed before");
        assert!(EventCursor::new(ONE, TWO).has_missed(EventPosition::Numbered(3)));
        assert!(EventPosition::START < EventPosition::Unnumbered(EventId::floor(Timestamp::from_millis(1))));
        assert!(
            EventPosition::Unnumbered(EventId::floor(Timestamp::from_millis(1))) < EventPosition::Numbered(0)
        );
    }
}
