//! Publishing a test event.

use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_core::json::indented;
use rdev_http::{Caller, OperationIds, Problem, ProblemCode, StatusCode};
use rdev_pages::{Form, FormFaults, Input, Notice, PageQuery, View};
use rdev_webhooks_app::{DraftViolation, EventData, EventDraft, Producer, PublishError, Services};
use rdev_webhooks_domain::EventType;

use crate::Shared;

#[derive(Template)]
#[template(path = "events/new.html")]
struct NewPage<'a> {
    view: &'a View,
    chosen: String,
    choice: Input,
    inputs: [Input; 3],
    is_wrong: bool,
}

pub(crate) async fn new(
    State(services): State<Shared>,
    view: View,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let chosen = query.given("type").unwrap_or("command.completed");
    let data = example(&services, chosen);
    view.page("Publish a test event", &page(&services, &view, chosen, &data, &query, &FormFaults::default()))
}

pub(crate) async fn publish(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    OperationIds(ids): OperationIds,
    form: Form,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let event_type: Option<EventType> = faults.check("type", form.text("type").parse());
    let data: Option<EventData> = faults.check("data", form.text("data").parse());
    let key = form.given("key").and_then(|text| faults.check("key", text.parse()));
    let timestamp = form.given("timestamp").and_then(|text| faults.check("timestamp", text.parse()));
    if let Some(data) = &data
        && !caller.access.sees_project(data.project())
    {
        faults.at("data", "must name one of your projects as `project`");
    }
    if faults.is_empty()
        && let (Some(event_type), Some(data)) = (event_type, data)
    {
        let project = data.project().cloned();
        let draft =
            EventDraft { event_type, timestamp, key, project, data: data.into_string(), traceparent: None };
        let access = caller.access.projects.is_some().then(|| Arc::clone(&caller.access));
        let producer = Producer { key: caller.key, access };
        match services.publisher.publish_as(&producer, draft, ids).await {
            Ok(published) => {
                let text = match (published.duplicate, published.visible_deliveries) {
                    (true, _) => "An event with this key was published before; nothing was added.".to_owned(),
                    (false, 0) => "The event was accepted, and reached no webhook.".to_owned(),
                    (false, 1) => "The event was accepted for one webhook.".to_owned(),
                    (false, more) => format!("The event was accepted for {more} webhooks."),
                };
                return Ok(view.redirect_with(&format!("/events/{}", published.id), &Notice::new(text)));
            }
            Err(PublishError::Invalid(found)) => {
                found.iter().for_each(|fault| faults.at("data", violation(&fault.violation)));
            }
            Err(error @ PublishError::TooLarge(_)) => faults.at("type", error),
            Err(error) => return Err(failed(error)),
        }
    }
    let page = page(&services, &view, form.text("type"), form.text("data"), &form, &faults);
    view.page_with(StatusCode::UNPROCESSABLE_ENTITY, "Publish a test event", &page)
}

/// Returns what is wrong with an event, and where in its data.
pub(crate) fn violation(violation: &DraftViolation) -> String {
    match violation {
        DraftViolation::Data { pointer, detail } if !pointer.is_empty() => format!("{pointer} {detail}"),
        other => other.to_string(),
    }
}

fn failed(error: PublishError) -> Problem {
    let detail =
        "The event was not confirmed: the service is busy or stopping. Look before you publish it again.";
    Problem::new(ProblemCode::UNAVAILABLE, detail).caused_by(error)
}

fn page<'a>(
    services: &Services,
    view: &'a View,
    chosen: &str,
    data: &str,
    given: &Form,
    faults: &FormFaults,
) -> NewPage<'a> {
    let line = |name, label| Input::line(name, label).value(given.text(name)).fault(faults.of(name));
    NewPage {
        view,
        chosen: chosen.to_owned(),
        choice: type_choice(services, chosen, None).fault(faults.of("type")),
        inputs: [
            Input::area("data", "Data", 12).value(data).fault(faults.of("data")).help(
                "An object, delivered byte for byte. Its member project, if any, is the event's project.",
            ),
            line("key", "Producer's key").help("A repeat with the same key adds nothing. May be empty."),
            line("timestamp", "Happened at").help("As 2025-01-15T10:30:00Z. Empty for now."),
        ],
        is_wrong: !faults.is_empty(),
    }
}

/// Returns the choice of an event type that can be published.
pub(crate) fn type_choice(services: &Services, chosen: &str, first: Option<(&str, &str)>) -> Input {
    let known = services.event_types.publishable();
    let first = first.map(|(value, label)| (value.to_owned(), label.to_owned()));
    let known = known.into_iter().map(|name| (name.to_string(), name.to_string()));
    Input::choice("type", "Event type", first.into_iter().chain(known)).value(chosen)
}

/// Returns the first example of the data of an event type.
pub(crate) fn example(services: &Services, name: &str) -> String {
    let known = name.parse().ok().and_then(|name| services.event_types.get(&name));
    let examples = known.map(|known| known.examples);
    let examples: Vec<Box<serde_json::value::RawValue>> =
        examples.and_then(|text| serde_json::from_str(&text).ok()).unwrap_or_default();
    examples.first().map_or("{}".to_owned(), |first| indented(first.get()))
}
