//! An event as a body gives it.

use rdev_webhooks_app::{Catalogue, EventDraft};
use rdev_webhooks_domain::{EventType, TraceParent};

use crate::body::{Object, Value};
use crate::fault::Faults;

/// Reads an event, or notes every fault of it.
pub(super) fn read(
    value: &Value<'_>,
    catalogue: &Catalogue,
    traceparent: Option<TraceParent>,
    faults: &mut Faults,
) -> Option<EventDraft> {
    members(value.object(faults)?, catalogue, traceparent, faults)
}

fn members(
    mut object: Object<'_>,
    catalogue: &Catalogue,
    traceparent: Option<TraceParent>,
    faults: &mut Faults,
) -> Option<EventDraft> {
    let event_type = object.required("event", faults);
    let event_type = event_type.and_then(|value| known_type(&value, catalogue, faults));
    let timestamp = object.optional("timestamp").and_then(|value| value.parsed(faults));
    let data = object.required("data", faults);
    let inner = data.as_ref().and_then(|data| data.object(faults));
    if let (Some(data), Some(_)) = (&data, &inner) {
        data.check_readable(faults);
    }
    let project = inner.and_then(|mut data| data.optional("project"));
    let project = project.and_then(|value| value.parsed(faults));
    let key = object.optional("id").and_then(|value| value.parsed(faults));
    object.finish(faults);
    Some(EventDraft {
        event_type: event_type?,
        timestamp,
        key,
        project,
        data: data?.text().to_owned(),
        traceparent,
    })
}

fn known_type(value: &Value<'_>, catalogue: &Catalogue, faults: &mut Faults) -> Option<EventType> {
    let event_type: EventType = value.parsed(faults)?;
    if catalogue.is_known(&event_type) {
        return Some(event_type);
    }
    let known: Vec<_> = catalogue.names().collect();
    let known = known.join(", ");
    value.refuse(faults, format_args!("`{event_type}` is not a known event type; there are: {known}"))
}
