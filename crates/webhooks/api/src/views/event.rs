//! An event as the API shows it.

use rdev_webhooks_domain::event_feed::FeedEvent;
use rdev_webhooks_domain::{
    DeliveryCounts, EventId, EventKey, EventRecord, EventType, ProjectName, Timestamp, builtin,
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::{ListedDelivery, Text};
use crate::schema_types as types;

/// An event, without its data and its deliveries.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventFields<'a> {
    #[schema(value_type = types::EventId)]
    id: Text<EventId>,
    #[schema(value_type = types::EventType)]
    event: Text<&'a EventType>,
    /// When it happened, according to its producer.
    #[schema(value_type = types::Timestamp)]
    timestamp: Text<Timestamp>,
    #[schema(value_type = Option<types::ProjectName>, required)]
    project: Option<Text<&'a ProjectName>>,
    /// The producer's own key, which it published as `id`.
    #[schema(value_type = Option<types::EventKey>, required)]
    key: Option<&'a str>,
    #[schema(value_type = types::Timestamp)]
    created_at: Text<Timestamp>,
}

impl<'a> From<&'a EventRecord> for EventFields<'a> {
    fn from(record: &'a EventRecord) -> Self {
        let event = &record.event;
        Self {
            id: Text(event.id),
            event: Text(&event.event_type),
            timestamp: Text(event.timestamp),
            project: event.project.as_ref().map(Text),
            key: event.key.as_ref().map(EventKey::as_str),
            created_at: Text(event.id.time()),
        }
    }
}

/// An event with its data and the counts of its deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = Event)]
pub(crate) struct EventView<'a> {
    #[serde(flatten)]
    event: EventFields<'a>,
    /// Byte for byte as published; `null` if longer than about 8 KiB. `GET /events/{id}` returns all of it.
    #[schema(value_type = Option<Object>, required)]
    data: Option<StoredData<'a>>,
    deliveries: CountsView,
    /// Why there are no deliveries; `null` if there are any.
    #[schema(required)]
    undelivered_reason: Option<&'static str>,
}

impl<'a> EventView<'a> {
    pub(crate) fn new(record: &'a EventRecord) -> Self {
        Self {
            event: EventFields::from(record),
            data: (!record.event.body.is_empty()).then(|| StoredData(&record.event.body)),
            deliveries: CountsView::from(record.deliveries),
            undelivered_reason: undelivered_reason(record, Today::Unknown),
        }
    }
}

/// An event with its data and its first deliveries.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventDetail<'a> {
    #[serde(flatten)]
    event: EventFields<'a>,
    /// Byte for byte as published.
    #[schema(value_type = Object)]
    data: StoredData<'a>,
    deliveries: DeliveriesView<'a>,
    /// Why there are no deliveries; `null` if there are any.
    #[schema(required)]
    undelivered_reason: Option<&'static str>,
}

impl<'a> EventDetail<'a> {
    pub(crate) fn new(
        record: &'a EventRecord,
        deliveries: Vec<ListedDelivery<'a>>,
        has_more: bool,
        today: Today,
    ) -> Self {
        Self {
            event: EventFields::from(record),
            data: StoredData(&record.event.body),
            deliveries: DeliveriesView {
                counts: CountsView::from(record.deliveries),
                data: deliveries,
                has_more,
            },
            undelivered_reason: undelivered_reason(record, today),
        }
    }
}

/// An event of the feed.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedEvent)]
pub(crate) struct FeedEventView<'a> {
    #[schema(value_type = types::EventId)]
    id: Text<EventId>,
    #[schema(value_type = types::EventType)]
    event: Text<&'a EventType>,
    /// When it happened, according to its producer.
    #[schema(value_type = types::Timestamp)]
    timestamp: Text<Timestamp>,
    #[schema(value_type = Option<types::ProjectName>, required)]
    project: Option<Text<&'a ProjectName>>,
    /// Byte for byte as published.
    #[schema(value_type = Object)]
    data: StoredData<'a>,
}

impl<'a> From<&'a FeedEvent> for FeedEventView<'a> {
    fn from(one: &'a FeedEvent) -> Self {
        let event = &one.event;
        Self {
            id: Text(event.id),
            event: Text(&event.event_type),
            timestamp: Text(event.timestamp),
            project: event.project.as_ref().map(Text),
            data: StoredData(&event.body),
        }
    }
}

/// A page of the feed.
#[derive(Serialize, ToSchema)]
#[schema(as = FeedPage)]
pub(crate) struct FeedPageView<'a> {
    /// The events, oldest first.
    pub(crate) data: Vec<FeedEventView<'a>>,
    /// True if there may be more events now. A filtered page may be empty although it is true.
    pub(crate) has_more: bool,
    /// The `after` of the next page.
    pub(crate) next_cursor: String,
}

/// What is known of the webhooks that would receive an event now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Today {
    /// None is known.
    Unknown,
    /// A disabled webhook subscribes to the event.
    Disabled,
    /// An enabled webhook subscribes to the event, and no disabled one.
    Enabled,
}

fn undelivered_reason(record: &EventRecord, today: Today) -> Option<&'static str> {
    (record.deliveries.total() == 0).then(|| reason_without_receivers(&record.event.event_type, today))
}

fn reason_without_receivers(event_type: &EventType, today: Today) -> &'static str {
    if event_type.as_str() == builtin::WEBHOOK_TEST {
        return "The tested webhook was disabled or deleted when this event was accepted.";
    }
    match today {
        Today::Unknown => "No enabled webhook subscribed to this event when it was accepted.",
        Today::Disabled => {
            "No enabled webhook subscribed to this event when it was accepted. A disabled webhook does now."
        }
        Today::Enabled => {
            "No enabled webhook subscribed to this event when it was accepted. A webhook that was created, changed \
             or enabled since does now."
        }
    }
}

/// The number of deliveries by status.
#[derive(Serialize, ToSchema)]
#[schema(as = DeliveryCounts)]
pub(crate) struct CountsView {
    total: u64,
    pending: u64,
    in_flight: u64,
    retrying: u64,
    succeeded: u64,
    failed: u64,
    cancelled: u64,
}

impl From<DeliveryCounts> for CountsView {
    fn from(counts: DeliveryCounts) -> Self {
        Self {
            total: counts.total(),
            pending: counts.pending,
            in_flight: counts.in_flight,
            retrying: counts.retrying,
            succeeded: counts.succeeded,
            failed: counts.failed,
            cancelled: counts.cancelled,
        }
    }
}

/// The counts, and the first deliveries.
#[derive(Serialize, ToSchema)]
#[schema(as = EventDeliveries)]
pub(crate) struct DeliveriesView<'a> {
    #[serde(flatten)]
    counts: CountsView,
    /// The first 100 deliveries.
    data: Vec<ListedDelivery<'a>>,
    /// True if there are more; `GET /deliveries?event=evt_…` lists all.
    has_more: bool,
}

/// The member `data` of a stored body, byte for byte.
struct StoredData<'a>(&'a [u8]);

impl Serialize for StoredData<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            data: &'a RawValue,
        }
        let body: Body<'_> = serde_json::from_slice(self.0).map_err(serde::ser::Error::custom)?;
        body.data.serialize(serializer)
    }
}
