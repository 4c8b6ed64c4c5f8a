//! What a producer tells us.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Access, DeliveryStatus, EventId, EventType, ProjectName, Timestamp, TraceParent, WebhookId};

/// An event to be published: what a store keeps and what it needs to find the webhooks.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The id, unless `key` was seen before.
    pub id: EventId,
    /// The producer's own key: an event with the same key and project is accepted once.
    pub key: Option<EventKey>,
    /// The type.
    pub event_type: EventType,
    /// The project it belongs to, if any.
    pub project: Option<ProjectName>,
    /// When it happened, as the producer says.
    pub timestamp: Timestamp,
    /// The exact body that receivers get and signatures cover; see [`render_body`].
    pub body: Bytes,
    /// The producer's trace.
    pub traceparent: Option<TraceParent>,
    /// Who gets it.
    pub target: Target,
    /// The access of a producer that is limited to projects; [`Published::visible_deliveries`] goes by it.
    pub visible_to: Option<Arc<Access>>,
}

/// Who gets an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Every enabled webhook that subscribes to it.
    Subscribers,
    /// This webhook, whatever it subscribes to, if it is there and enabled.
    Webhook(WebhookId),
    /// That webhook if it has that version.
    WebhookAt(WebhookId, u64),
}

/// The answer to one published event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The event's id; for a repeated key that of the first event.
    pub id: EventId,
    /// How many deliveries it was given (at the first time, for a repeated key).
    pub deliveries: u32,
    /// How many webhooks that [`NewEvent::visible_to`] sees get such an event now; as many as `deliveries`
    /// without it.
    pub visible_deliveries: u32,
    /// Whether its key had been published before, so that nothing was added.
    pub duplicate: bool,
}

/// The answer to events that were to be stored together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// All are stored, each with its answer, in the same order.
    Stored(Vec<Published>),
    /// None is stored: their deliveries would exceed the limit. For each event the number of its deliveries;
    /// once the limit is exceeded, the numbers of later events may be too low.
    TooLarge(Vec<u32>),
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its id; the time in it is when it was accepted.
    pub id: EventId,
    /// The producer's own key.
    pub key: Option<EventKey>,
    /// The type.
    pub event_type: EventType,
    /// The project it belongs to.
    pub project: Option<ProjectName>,
    /// When it happened, as the producer says.
    pub timestamp: Timestamp,
    /// The exact body that receivers get.
    pub body: Bytes,
}

/// How long a body may be that a list of events shows.
pub const MAX_LISTED_BODY: usize = 8 * 1_024;

/// An event and what became of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The event. In a list a body longer than [`MAX_LISTED_BODY`] is left out, and empty.
    pub event: Event,
    /// Its deliveries, counted by status.
    pub deliveries: DeliveryCounts,
}

/// How many deliveries there are in each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Waiting for the first attempt, or for one that was asked for.
    pub pending: u64,
    /// Being sent.
    pub in_flight: u64,
    /// Waiting for another attempt.
    pub retrying: u64,
    /// Done.
    pub succeeded: u64,
    /// Given up.
    pub failed: u64,
    /// Called off.
    pub cancelled: u64,
}

impl DeliveryCounts {
    /// How many there are in one status, to be changed.
    pub const fn of_mut(&mut self, status: DeliveryStatus) -> &mut u64 {
        match status {
            DeliveryStatus::Pending => &mut self.pending,
            DeliveryStatus::InFlight => &mut self.in_flight,
            DeliveryStatus::Retrying => &mut self.retrying,
            DeliveryStatus::Succeeded => &mut self.succeeded,
            DeliveryStatus::Failed => &mut self.failed,
            DeliveryStatus::Cancelled => &mut self.cancelled,
        }
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.pending + self.in_flight + self.retrying + self.succeeded + self.failed + self.cancelled
    }
}

/// A producer's own key for an event: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(Arc<str>);

/// Why a text is not an event's key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct EventKeyError;

impl EventKey {
    /// The key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for EventKey {
    type Err = EventKeyError;

    fn from_str(text: &str) -> Result<Self, EventKeyError> {
        let fits = (1..=255).contains(&text.len());
        if fits && text.bytes().all(|byte| byte.is_ascii_graphic()) {
            Ok(Self(text.into()))
        } else {
            Err(EventKeyError)
        }
    }
}

impl fmt::Display for EventKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The body of a delivery, `{"event":…,"timestamp":…,"data":…}` in that order, with `data` byte for
/// byte as given. `data` must be JSON; this does not look at it.
#[must_use]
pub fn render_body(event_type: &EventType, timestamp: Timestamp, data: &str) -> Bytes {
    // Neither an event type nor a timestamp has a character that JSON escapes.
    format!(r#"{{"event":"{event_type}","timestamp":"{timestamp}","data":{data}}}"#).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_what_the_contract_shows() {
        let data = r#"{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}"#;
        let body =
            render_body(&"command.completed".parse().unwrap(), "2025-01-15T10:30:00Z".parse().unwrap(), data);
        let expected =
            format!(r#"{{"event":"command.completed","timestamp":"2025-01-15T10:30:00Z","data":{data}}}"#);
        assert_eq!(body, expected);
    }

    #[test]
    fn odd_keys_are_refused() {
        for text in ["", "a b", "a\n", "é", &"a".repeat(256)] {
            assert_eq!(text.parse::<EventKey>(), Err(EventKeyError), "{text:?}");
        }
    }
}
