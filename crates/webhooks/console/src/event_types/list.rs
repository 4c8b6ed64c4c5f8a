//! The event types, and one with its schema and examples.

use askama::Template;
use axum::extract::{Path, State};
use axum::response::Response;
use rdev_core::json::indented;
use rdev_http::Problem;
use rdev_pages::{PageQuery, View};
use rdev_webhooks_app::{EventTypeDefinition, EventTypeOrigin, MAX_EVENT_TYPES, Services};
use rdev_webhooks_domain::{EventType, Scope, scopes};

use crate::Shared;

#[derive(Template)]
#[template(path = "event_types/list.html")]
struct ListPage<'a> {
    view: &'a View,
    rows: Vec<Row>,
    filter: rdev_pages::Input,
    is_filtered: bool,
    may_write: bool,
}

struct Row {
    path: String,
    name: String,
    description: String,
    origin: &'static str,
    has_schema: bool,
}

#[derive(Template)]
#[template(path = "event_types/show.html")]
struct ShowPage<'a> {
    view: &'a View,
    path: String,
    definition: EventTypeDefinition,
    origin: &'static str,
    schema: Option<String>,
    examples: Vec<String>,
    may_write: bool,
    may_publish: bool,
    may_read: bool,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let wanted = query.text("name").trim();
    // The registry is in memory, and bounded.
    let known = services.event_types.list(None, MAX_EVENT_TYPES * 2);
    let rows = known.into_iter().filter(|known| known.name.as_str().contains(wanted)).map(|known| Row {
        path: view.url(&format!("/event-types/{}", known.name)),
        origin: origin(known.origin),
        has_schema: known.schema.is_some(),
        description: known.description.unwrap_or_default(),
        name: known.name.to_string(),
    });
    let content = ListPage {
        view: &view,
        rows: rows.collect(),
        filter: rdev_pages::Input::line("name", "Name contains").value(wanted).search(),
        is_filtered: !wanted.is_empty(),
        may_write: view.allows(&Scope::ADMIN),
    };
    view.page("Event types", &content)
}

pub(crate) async fn show(
    State(services): State<Shared>,
    view: View,
    Path(name): Path<String>,
) -> Result<Response, Problem> {
    let definition = find(&services, &name)?;
    let examples: Vec<Box<serde_json::value::RawValue>> =
        serde_json::from_str(&definition.examples).unwrap_or_default();
    let is_registered = matches!(definition.origin, EventTypeOrigin::Registered { .. });
    let content = ShowPage {
        view: &view,
        path: view.url(&format!("/event-types/{}", definition.name)),
        origin: origin(definition.origin),
        schema: definition.schema.as_deref().map(indented),
        examples: examples.iter().map(|example| indented(example.get())).collect(),
        may_write: is_registered && view.allows(&Scope::ADMIN),
        may_publish: definition.origin != EventTypeOrigin::Operational && view.allows(&scopes::EVENTS_WRITE),
        may_read: view.allows(&scopes::WEBHOOKS_READ),
        definition,
    };
    view.page("Event type", &content)
}

/// Returns the event type with this name.
pub(super) fn find(services: &Services, name: &str) -> Result<EventTypeDefinition, Problem> {
    let known = name.parse::<EventType>().ok().and_then(|name| services.event_types.get(&name));
    known.ok_or_else(|| Problem::not_found("There is no such event type."))
}

const fn origin(origin: EventTypeOrigin) -> &'static str {
    match origin {
        EventTypeOrigin::BuiltIn => "built in",
        EventTypeOrigin::Operational => "operational: only the service publishes it",
        EventTypeOrigin::Registered { .. } => "registered",
    }
}
