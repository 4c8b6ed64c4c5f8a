//! An event in a request body.

use std::borrow::Cow;

use rdev_webhooks_app::{EventDraft, EventTypeRegistry, EventViolation, PublishError};
use rdev_webhooks_domain::{Access, ApiKeyId, EventType, ProjectName, TraceParent};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

use crate::failure;
use crate::failure::Failure;
use crate::routes::event_types::listed;
use crate::routes::projects::NOT_YOURS;
use crate::schema_types as types;
use rdev_http::kind::{self, Element, Kind};
use rdev_http::members::{self, Described, Member, Patch, Patched, Value, pointer};
use rdev_http::{Faults, Problem};

rdev_http::members! {
    /// A new event. `null` means that an optional member is absent.
    pub(super) struct NewEventBody as NewEvent {
        /// A known event type.
        event: types::EventType,
        /// When it happened; absent for now.
        timestamp: Option<types::Timestamp>,
        /// The payload, delivered byte for byte.
        data: Payload,
        /// Your own key for the event. A repeat within the same project gets the same response and adds nothing.
        id: Option<types::EventKey>,
    }
}

impl NewEventBody {
    /// Returns the event if the caller may publish it, and records what is wrong with it. `at` is its place in the
    /// request. Returns the event even with faults of form, if its meaning can be checked.
    pub(super) fn into_draft(
        self,
        at: &str,
        event_types: &EventTypeRegistry,
        access: &Access,
        traceparent: Option<TraceParent>,
        faults: &mut Faults,
    ) -> Option<EventDraft> {
        let event_type = self.event.filter(|event_type| match unpublishable(event_type, event_types) {
            Some(detail) => {
                faults.at(pointer(at, "event"), detail);
                false
            }
            None => true,
        });
        let data = self.data?;
        let refused = match &data.project {
            Patched::Absent | Patched::Null if access.projects.is_some() => {
                Some("is required because the API key is restricted to projects")
            }
            Patched::Value(project) if !access.sees_project(Some(project)) => Some(NOT_YOURS),
            _ => None,
        };
        if let Some(detail) = refused {
            faults.at(format!("{at}/data/project"), detail);
        }
        Some(EventDraft {
            event_type: event_type?,
            timestamp: self.timestamp,
            key: self.id,
            project: data.project.resolve(None, None),
            data: data.text?,
            traceparent,
        })
    }
}

/// Returns why events of a type cannot be published.
fn unpublishable(event_type: &EventType, event_types: &EventTypeRegistry) -> Option<String> {
    if event_types.is_known(event_type) {
        return None;
    }
    if event_type.is_operational() {
        return Some("cannot be published: only the service publishes operational events".to_owned());
    }
    if event_type.is_reserved() {
        let detail =
            "cannot be published: event types that begin with `webhook.` are reserved for the system";
        return Some(detail.to_owned());
    }
    let known = listed(&event_types.publishable());
    Some(format!("`{event_type}` is not a known event type; known event types: {known}"))
}

/// The data of an event: its text, if every JSON parser can read it, and its project.
pub(in crate::routes) struct Payload {
    text: Option<String>,
    project: Patched<ProjectName>,
}

impl Kind for Payload {
    type Value = Self;

    fn shape() -> RefOr<Schema> {
        kind::reference::<Self>()
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Self> {
        let mut object = value.object(faults)?;
        let text = value.readable(faults).map(|()| value.text().to_owned());
        let project = Patch::<types::ProjectName>::take(&mut object, "project", faults);
        Some(Self { text, project })
    }
}

impl PartialSchema for Payload {
    fn schema() -> RefOr<Schema> {
        let about = "The project that the event belongs to.";
        let project = Described::new::<Patch<types::ProjectName>>("project", &[about], None);
        let object = members::object("Any object.", vec![project]);
        object.additional_properties(Some(kind::anything())).into()
    }
}

impl ToSchema for Payload {
    fn name() -> Cow<'static, str> {
        "EventData".into()
    }
}

impl Element for NewEventBody {
    const NOUN: &'static str = "events";
    const TOO_FEW: Option<&'static str> = Some("must contain at least one event");
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
