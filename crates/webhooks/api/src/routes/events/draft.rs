//! An event in a request body.

use rdev_webhooks_app::{EventDraft, EventTypeRegistry, EventViolation, PublishError};
use rdev_webhooks_domain::{Access, ApiKeyId, EventType, ProjectName, TraceParent};
use utoipa::ToSchema;

use crate::failure;
use crate::failure::Failure;
use crate::routes::event_types::listed;
use crate::routes::projects::NOT_YOURS;
use crate::schema_types as types;
use rdev_http::body::{Object, Value};
use rdev_http::{Faults, Problem};

/// A new event. `null` means that an optional member is absent.
#[derive(ToSchema)]
#[schema(as = NewEvent)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `read` reads")]
pub(super) struct NewEventBody {
    /// A known event type.
    #[schema(value_type = types::EventType)]
    event: String,
    /// When it happened; absent for now.
    #[schema(value_type = Option<types::Timestamp>)]
    timestamp: Option<String>,
    /// The payload, delivered byte for byte.
    data: NewEventData,
    /// Your own key for the event. A repeat within the same project gets the same response and adds nothing.
    #[schema(value_type = Option<types::EventKey>)]
    id: Option<String>,
}

/// Any object.
#[derive(ToSchema)]
#[schema(as = EventData)]
#[expect(dead_code, reason = "it describes what `read` reads")]
pub(crate) struct NewEventData {
    /// The project that the event belongs to.
    #[schema(value_type = Option<types::ProjectName>)]
    project: Option<String>,
    #[serde(flatten)]
    #[schema(value_type = BTreeMap<String, Value>)]
    others: (),
}

/// Reads an event that the caller may publish, and records every fault of its form. Returns the event even
/// then if its meaning can be checked.
pub(super) fn read(
    value: &Value<'_>,
    event_types: &EventTypeRegistry,
    access: &Access,
    traceparent: Option<TraceParent>,
    faults: &mut Faults,
) -> Option<EventDraft> {
    members(value.object(faults)?, event_types, access, traceparent, faults)
}

fn members(
    mut object: Object<'_>,
    event_types: &EventTypeRegistry,
    access: &Access,
    traceparent: Option<TraceParent>,
    faults: &mut Faults,
) -> Option<EventDraft> {
    let event_type = object.required("event", faults);
    let event_type = event_type.and_then(|value| known_type(&value, event_types, faults));
    let timestamp = object.optional("timestamp").and_then(|value| value.parsed(faults));
    let data = object.required("data", faults);
    let inner = data.as_ref().and_then(|data| data.object(faults));
    let data = data.filter(|data| inner.is_some() && data.readable(faults).is_some());
    let project = inner.and_then(|mut data| own_project(&mut data, access, faults));
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

/// Returns the project that `data` names. A project-scoped caller must name one of its projects.
fn own_project(data: &mut Object<'_>, access: &Access, faults: &mut Faults) -> Option<ProjectName> {
    let Some(value) = data.optional("project") else {
        if access.projects.is_some() {
            data.fault("project", "is required because the API key is restricted to projects", faults);
        }
        return None;
    };
    let project = value.parsed(faults)?;
    if access.sees_project(Some(&project)) { Some(project) } else { value.refuse(faults, NOT_YOURS) }
}

fn known_type(value: &Value<'_>, event_types: &EventTypeRegistry, faults: &mut Faults) -> Option<EventType> {
    let event_type: EventType = value.parsed(faults)?;
    if event_types.is_known(&event_type) {
        return Some(event_type);
    }
    if event_type.is_reserved() {
        let detail =
            "cannot be published: event types that begin with `webhook.` are reserved for the system";
        return value.refuse(faults, detail);
    }
    let known = listed(&event_types.publishable());
    value.refuse(faults, format_args!("`{event_type}` is not a known event type; known event types: {known}"))
}

/// Adds the semantic faults of events, each with its place, to the faults of form, so that the response lists
/// all of them.
pub(super) async fn validate(
    event_types: &EventTypeRegistry,
    key: Option<ApiKeyId>,
    (places, drafts): (Vec<String>, Vec<EventDraft>),
    mut faults: Faults,
) -> Problem {
    if let Err(PublishError::Invalid(found)) = event_types.validate(key, drafts).await {
        place(&found, &places, &mut faults);
    }
    faults.into()
}

/// Returns why events were not accepted, with the places of the faults in the body.
pub(super) fn explain(error: PublishError, places: &[String]) -> Problem {
    match error {
        PublishError::Invalid(found) => {
            let mut faults = Faults::default();
            place(&found, places, &mut faults);
            faults.into()
        }
        other => Failure::from(other).into(),
    }
}

fn place(found: &[EventViolation], places: &[String], faults: &mut Faults) {
    for fault in found {
        failure::add_event_fault(faults, places.get(fault.position).map_or("", String::as_str), fault);
    }
}
