//! `PUT /event-types/{name}`: registers an event type, 201 with `Location`, or replaces a registered one,
//! 200; 409 for a built-in one.

use axum::extract::{OriginalUri, State};
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use http::header::{HeaderValue, LOCATION};
use rdev_webhooks_app::{EventTypeRegistry, MAX_SCHEMA_LEN, NewEventType, RegistryError, Services};
use utoipa::ToSchema;

use crate::failure;
use crate::failure::Failure;
use crate::path::PathName;
use crate::routes::webhooks::description;
use crate::schema_types as types;
use crate::views::EventTypeView;
use rdev_http::body::{Document, Value};
use rdev_http::{Faults, Problem};

/// The definition of an event type. `null` means that an optional member is absent.
#[derive(ToSchema)]
#[schema(as = NewEventType)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `read` reads")]
pub(super) struct EventTypeBody {
    /// What its events mean.
    #[schema(max_length = 1_000)]
    description: Option<String>,
    /// A JSON Schema (draft 2020-12, unless `$schema` names another) that the `data` of its events must match. At most
    /// 65,536 bytes, without references to anything outside itself.
    schema: Option<serde_json::Map<String, serde_json::Value>>,
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
    let new = read(&document, &mut faults);
    let Some(name) = name.filter(|_| faults.is_empty()) else {
        return Err(validate(new.schema, faults).await.into());
    };
    let (event_type, is_new) = services.event_types.put(name, new).await?;
    let shown = rdev_http::json(&EventTypeView::from(&event_type));
    if !is_new {
        return Ok(shown);
    }
    let location = HeaderValue::try_from(uri.path()).map(|path| [(LOCATION, path)]);
    Ok((StatusCode::CREATED, location.ok(), shown).into_response())
}

fn read(document: &Document, faults: &mut Faults) -> NewEventType {
    let Some(mut object) = document.root().object(faults) else {
        return NewEventType::default();
    };
    let description = object.optional("description").and_then(|value| description(&value, faults));
    let schema = object.optional("schema").and_then(|value| schema(&value, faults));
    object.finish(faults);
    NewEventType { description, schema }
}

fn schema(value: &Value<'_>, faults: &mut Faults) -> Option<String> {
    if value.text().len() > MAX_SCHEMA_LEN {
        return value.refuse(faults, format_args!("must be at most {MAX_SCHEMA_LEN} bytes long"));
    }
    value.object(faults)?;
    value.readable(faults)?;
    Some(value.text().to_owned())
}

/// Adds the semantic faults of the schema to the faults of form, so that the response lists all of them.
async fn validate(schema: Option<String>, mut faults: Faults) -> Problem {
    let Some(schema) = schema else {
        return faults.into();
    };
    match EventTypeRegistry::validate_schema(schema.into()).await {
        Err(RegistryError::Schema(found)) => {
            failure::add_schema_faults(&mut faults, &found);
            faults.into()
        }
        _ => faults.into(),
    }
}
