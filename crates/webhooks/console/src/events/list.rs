//! The list of events.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Form, FormFaults, Input, Moment, PageQuery, View};
use rdev_webhooks_domain::{DeliveryCounts, EventFilter, EventId, Page, PageRequest, scopes};

use crate::Shared;

/// The number of events of a page.
const LIMIT: u32 = 25;

const NAMES: [&str; 6] = ["type", "project", "key", "command", "since", "until"];

#[derive(Template)]
#[template(path = "events/list.html")]
struct ListPage<'a> {
    view: &'a View,
    filter: Vec<Input>,
    is_filtered: bool,
    rows: Vec<Row>,
    newest: Option<String>,
    older: Option<String>,
    may_publish: bool,
}

struct Row {
    path: String,
    event_type: String,
    project: Option<String>,
    id: EventId,
    key: Option<String>,
    accepted: Moment,
    outcomes: Vec<String>,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let filter = read_filter(&query, &mut faults);
    let before: Option<EventId> = query.given("before").and_then(|id| id.parse().ok());
    let found = match faults.is_empty() {
        true => services.events.list(&caller.access, &filter, PageRequest { limit: LIMIT, before }).await?,
        false => Page { items: Vec::new(), has_more: false, damaged: Vec::new() },
    };
    let older = found.items.last().filter(|_| found.has_more).map(|last| last.event.id.to_string());
    let rows = found.items.into_iter().map(|record| Row {
        path: view.url(&format!("/events/{}", record.event.id)),
        event_type: record.event.event_type.to_string(),
        project: record.event.project.as_ref().map(ToString::to_string),
        id: record.event.id,
        key: record.event.key.as_ref().map(ToString::to_string),
        accepted: view.moment(record.event.id.time()),
        outcomes: outcomes(&record.deliveries),
    });
    let address = |before: Option<&str>| view.url(&query.address("/events", &[("before", before)]));
    let line = |name, label| Input::line(name, label).value(query.text(name)).fault(faults.of(name));
    let content = ListPage {
        view: &view,
        filter: vec![
            line("type", "Event type").search(),
            line("project", "Project"),
            line("key", "Producer's key"),
            line("command", "Command id"),
            line("since", "Accepted since").help("As 2025-01-15T10:30:00Z"),
            line("until", "Accepted before"),
        ],
        is_filtered: NAMES.iter().any(|name| query.given(name).is_some()),
        rows: rows.collect(),
        newest: before.map(|_| address(None)),
        older: older.map(|id| address(Some(&id))),
        may_publish: view.allows(&scopes::EVENTS_WRITE),
    };
    view.page("Events", &content)
}

fn read_filter(query: &Form, faults: &mut FormFaults) -> EventFilter {
    EventFilter {
        event_type: query.given("type").and_then(|text| faults.check("type", text.parse())),
        project: query.given("project").and_then(|text| faults.check("project", text.parse())),
        key: query.given("key").and_then(|text| faults.check("key", text.parse())),
        command_id: query.given("command").and_then(|text| faults.check("command", text.parse())),
        since: query.given("since").and_then(|text| faults.check("since", text.parse())),
        until: query.given("until").and_then(|text| faults.check("until", text.parse())),
    }
}

/// Returns what became of the deliveries of an event, in words.
pub(super) fn outcomes(counts: &DeliveryCounts) -> Vec<String> {
    let named = [
        (counts.failed, "failed"),
        (counts.retrying, "retrying"),
        (counts.pending, "pending"),
        (counts.in_flight, "in flight"),
        (counts.succeeded, "succeeded"),
        (counts.cancelled, "cancelled"),
    ];
    let present: Vec<_> = named
        .into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, name)| format!("{count} {name}"))
        .collect();
    if present.is_empty() { vec!["reached no webhook".to_owned()] } else { present }
}
