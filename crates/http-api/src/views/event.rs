//! An event as the API shows it.

use rdev_webhooks_domain::{
    Delivery, DeliveryCounts, EventId, EventKey, EventRecord, EventType, Page, ProjectName, Timestamp,
    builtin,
};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::value::RawValue;

use super::{DeliveryView, Text};

/// An event and what became of it. `D` is what is told of its deliveries.
#[derive(Serialize)]
pub(crate) struct EventView<'a, D = CountsView> {
    id: Text<EventId>,
    event: Text<&'a EventType>,
    timestamp: Text<Timestamp>,
    data: StoredData<'a>,
    project: Option<Text<&'a ProjectName>>,
    /// The producer's own key.
    key: Option<&'a str>,
    created_at: Text<Timestamp>,
    deliveries: D,
    undelivered_reason: Option<&'static str>,
}

/// An event with its first deliveries.
pub(crate) type EventDetail<'a> = EventView<'a, DeliveriesView<'a>>;

impl<'a> EventView<'a> {
    pub(crate) fn new(record: &'a EventRecord) -> Self {
        Self::with(record, CountsView::from(record.deliveries))
    }
}

impl<'a> EventDetail<'a> {
    pub(crate) fn detailed(record: &'a EventRecord, deliveries: &'a Page<Delivery>) -> Self {
        let deliveries = DeliveriesView {
            counts: CountsView::from(record.deliveries),
            data: deliveries.items.iter().map(DeliveryView::from).collect(),
            has_more: deliveries.has_more,
        };
        Self::with(record, deliveries)
    }
}

impl<'a, D> EventView<'a, D> {
    fn with(record: &'a EventRecord, deliveries: D) -> Self {
        let event = &record.event;
        let has_none = record.deliveries.total() == 0;
        Self {
            id: Text(event.id),
            event: Text(&event.event_type),
            timestamp: Text(event.timestamp),
            data: StoredData(&event.body),
            project: event.project.as_ref().map(Text),
            key: event.key.as_ref().map(EventKey::as_str),
            created_at: Text(event.id.time()),
            deliveries,
            undelivered_reason: has_none.then(|| nobody(&event.event_type)),
        }
    }
}

fn nobody(event_type: &EventType) -> &'static str {
    if event_type.as_str() == builtin::WEBHOOK_TEST {
        "The webhook that it was meant for was disabled or deleted at that moment."
    } else {
        "No enabled webhook subscribed to this event when it was accepted."
    }
}

/// How many deliveries there are in each status.
#[derive(Serialize)]
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

/// The counts, and the deliveries themselves as far as they fit.
#[derive(Serialize)]
pub(crate) struct DeliveriesView<'a> {
    #[serde(flatten)]
    counts: CountsView,
    data: Vec<DeliveryView<'a>>,
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
