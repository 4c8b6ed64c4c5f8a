//! Events.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use bytes::Bytes;

use crate::{
    Access, CommandId, DeliveryStatus, EventId, EventType, ProjectName, Timestamp, TraceParent, WebhookId,
};

/// The maximum number of deliveries that a single event may create.
pub const MAX_EVENT_DELIVERIES: u32 = 100_000;

/// An event to publish: the stored fields, and those by which a store finds the webhooks.
#[derive(Debug, Clone)]
pub struct NewEvent {
    /// The id, unless `key` was used before.
    pub id: EventId,
    /// The producer's own key: an event with the same key and project is stored once.
    pub key: Option<EventKey>,
    /// The type.
    pub event_type: EventType,
    /// The project, if any.
    pub project: Option<ProjectName>,
    /// When the event happened, according to the producer.
    pub timestamp: Timestamp,
    /// The exact body that receivers get and signatures cover; see [`render_body`].
    pub body: Bytes,
    /// The producer's trace.
    pub traceparent: Option<TraceParent>,
    /// The webhooks that receive it.
    pub target: Target,
    /// The access of a project-scoped producer, for [`Published::visible_deliveries`]. A batch holds the events
    /// of many producers, most of which see everything: for these it is `None`, which costs nothing.
    pub producer: Option<Arc<Access>>,
}

impl NewEvent {
    /// Returns the id of the command, if it is an event of a command.
    #[must_use]
    pub fn command_id(&self) -> Option<CommandId> {
        CommandId::in_body(&self.event_type, &self.body)
    }
}

/// The webhooks that receive an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Every enabled webhook that subscribes to the event.
    Subscribers,
    /// This webhook, whatever it subscribes to, if it exists and is enabled.
    Webhook(WebhookId),
    /// This webhook, if it also has this version.
    WebhookAt(WebhookId, u64),
}

/// The result of publishing one event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Published {
    /// The event's id; for a repeated key, the id of the first event.
    pub id: EventId,
    /// The number of its deliveries; for a repeated key, the number at the first time.
    pub deliveries: u32,
    /// The number of webhooks visible to [`NewEvent::producer`] that receive such an event now; equal to
    /// `deliveries` if that is `None`.
    pub visible_deliveries: u32,
    /// Whether the key had been used before, so that nothing was added.
    pub duplicate: bool,
}

/// The result of publishing a batch of events.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishOutcome {
    /// All events are stored. Contains a result for each, in input order.
    Stored(Vec<Published>),
    /// No event is stored, because their deliveries would exceed the limit. Contains the number of deliveries
    /// of each event; after the limit is exceeded, the numbers of later events may be too low.
    TooLarge(Vec<u32>),
}

/// An event as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// The id; the time in it is when the event was accepted.
    pub id: EventId,
    /// The producer's own key.
    pub key: Option<EventKey>,
    /// The type.
    pub event_type: EventType,
    /// The project.
    pub project: Option<ProjectName>,
    /// When the event happened, according to the producer.
    pub timestamp: Timestamp,
    /// The exact body that receivers get.
    pub body: Bytes,
}

/// The length of the longest body that a list of events contains.
pub const MAX_LISTED_BODY: usize = 8 * 1_024;

/// An event and the counts of its deliveries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventRecord {
    /// The event. In a list, a body longer than [`MAX_LISTED_BODY`] is omitted: it is empty.
    pub event: Event,
    /// Its deliveries, counted by status.
    pub deliveries: DeliveryCounts,
}

/// The number of deliveries in each status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct DeliveryCounts {
    /// Deliveries that wait for their first attempt, or for a requested one.
    pub pending: u64,
    /// Deliveries that are being sent.
    pub in_flight: u64,
    /// Deliveries that wait for another attempt.
    pub retrying: u64,
    /// Deliveries that succeeded.
    pub succeeded: u64,
    /// Deliveries that failed.
    pub failed: u64,
    /// Deliveries that were cancelled.
    pub cancelled: u64,
}

impl DeliveryCounts {
    /// Returns the count of one status, for changing it.
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

    /// Returns the total.
    #[must_use]
    pub const fn total(&self) -> u64 {
        self.pending + self.in_flight + self.retrying + self.succeeded + self.failed + self.cancelled
    }
}

/// A producer's own key for an event: 1 to 255 visible ASCII characters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventKey(Arc<str>);

/// The reason why a text is not an event key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be 1 to 255 visible ASCII characters")]
pub struct EventKeyError;

impl EventKey {
    /// Returns the key.
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

/// Renders the body of a delivery: `{"event":…,"timestamp":…,"data":…}` in that order, with `data` byte for
/// byte as given. `data` must be JSON; this is not checked.
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
    fn invalid_keys_are_refused() {
        for text in ["", "a b", "a\n", "é", &"a".repeat(256)] {
            assert_eq!(text.parse::<EventKey>(), Err(EventKeyError), "{text:?}");
        }
    }
}
