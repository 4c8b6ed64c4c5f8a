//! `PUT /event-types/{name}`: registers an event type, 201 with `Location`, or replaces a registered one,
//! 200; 409 for a built-in one.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::StatusCode;
use rdev_webhooks_app::{
    EventData, EventTypeRegistry, MAX_EXAMPLE_BYTES, MAX_EXAMPLES, MAX_SCHEMA_LEN, NewEventType,
    RegistryError, Services,
};
use utoipa::openapi::schema::{ArrayBuilder, ObjectBuilder};

use crate::failure;
use crate::failure::Failure;
use crate::path::PathName;
use crate::routes::events::Payload;
use crate::routes::webhooks::Description;
use crate::schema_types as types;
use crate::views::EventTypeView;
use rdev_http::body::Document;
use rdev_http::kind::{self, Kind};
use rdev_http::{Faults, Problem};

rdev_http::members! {
    /// The definition of an event type. `null` means that an optional member is absent.
    pub(super) struct EventTypeBody as NewEventType {
        /// What its events mean.
        description: Option<Description>,
        /// A JSON Schema (draft 2020-12, unless `$schema` names another) that the `data` of its events must match. At most
        /// 65,536 bytes, without references to anything outside itself.
        schema: Option<DataSchema>,
        /// Examples of the `data` of its events, which must match the schema: at most 10, with 16,384 bytes together.
        examples: Option<Examples>,
    }
}

/// Register an event type
///
/// Registers an event type, or replaces a registered one. The schema applies to events that are published from then on: at once in the process that responds, and within a
/// second in others.
#[utoipa::path(
    put,
    path = "/event-types/{name}",
    tag = "event types",
    operation_id = "putEventType",
    security(("api_key" = ["admin"])),
    params(("name" = types::EventType, Path)),
    request_body = EventTypeBody,
    responses(
        (status = 201, description = "The event type was registered.", body = EventTypeView, headers(("Location"))),
        (status = 200, description = "The event type was replaced.", body = EventTypeView)
    ),
    extensions(("x-problems" = json!(["event_type_built_in", "too_many_event_types"])))
)]
pub(crate) async fn put(
    State(services): State<Services>,
    OriginalUri(uri): OriginalUri,
    PathName(name): PathName,
    document: Document,
) -> Result<Response, Failure> {
    let mut faults = Faults::default();
    let name = name.map_err(|detail| faults.in_parameter("name", detail)).ok();
    let new = EventTypeBody::read(&document.root(), &mut faults);
    let new = new.map(|EventTypeBody { description, schema, examples }| NewEventType {
        description,
        schema,
        examples: examples.unwrap_or_default(),
    });
    let new = new.unwrap_or_default();
    let Some(name) = name.filter(|_| faults.is_empty()) else {
        return Err(validate(new, faults).await.into());
    };
    let (event_type, is_new) = services.event_types.put(name, new).await?;
    let shown = EventTypeView::from(&event_type);
    Ok(match is_new {
        true => rdev_http::created(StatusCode::CREATED, uri.path(), &shown),
        false => rdev_http::json(&shown),
    })
}

rdev_http::kind! {
    /// The text of a JSON Schema.
    pub(super) DataSchema: String = ObjectBuilder::new()
        .property_names(Some(kind::string()))
        .additional_properties(Some(kind::anything())), |value, faults| {
        if value.text().len() > MAX_SCHEMA_LEN {
            return value.refuse(faults, format_args!("must be at most {MAX_SCHEMA_LEN} bytes long"));
        }
        value.object(faults)?;
        value.readable(faults)?;
        Some(value.text().to_owned())
    }
}

rdev_http::kind! {
    /// The data of several events.
    pub(super) Examples: Vec<EventData> = ArrayBuilder::new()
        .items(kind::reference::<Payload>())
        .max_items(Some(MAX_EXAMPLES)), |value, faults| {
        let elements = value.array(MAX_EXAMPLES, faults)?;
        if elements.len() > MAX_EXAMPLES || value.text().len() > 2 * MAX_EXAMPLE_BYTES {
            return value.refuse(faults, RegistryError::TooManyExamples);
        }
        let read = elements.iter().filter_map(|element| {
            Payload::read(element, faults)?;
            match element.text().parse::<EventData>() {
                Ok(data) => Some(data),
                // Otherwise its faults, or others for which the request is refused, are recorded.
                Err(fault) if faults.is_empty() => element.refuse(faults, fault),
                Err(_) => None,
            }
        });
        Some(read.collect())
    }
}

/// Adds the semantic faults of the definition to the faults of form, so that the response lists all of them.
async fn validate(new: NewEventType, mut faults: Faults) -> Problem {
    match EventTypeRegistry::validate_definition(new.schema.map(Into::into), new.examples).await {
        Err(RegistryError::Schema(found)) => failure::add_schema_faults(&mut faults, &found),
        Err(error @ (RegistryError::TooManyExamples | RegistryError::Examples(_))) => {
            failure::add_example_faults(&mut faults, &error);
        }
        _ => {}
    }
    faults.into()
}
