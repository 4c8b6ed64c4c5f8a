//! The list of events.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_http::{Caller, Problem};
use rdev_pages::{Form, FormFaults, Input, PageQuery, Pager, View};
use rdev_webhooks_domain::{EventFilter, Page, scopes};

use super::row::Row;
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
    pager: Pager,
    feed: String,
    may_publish: bool,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let filter = read_filter(&query, &mut faults);
    let found = match faults.is_empty() {
        true => services.events.list(&caller.access, &filter, query.page(LIMIT)).await?,
        false => Page::of(Vec::new(), LIMIT),
    };
    let pager = Pager::new(&view, "/events", &query, &found, |record| record.event.id);
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
        rows: found.items.into_iter().map(|record| Row::new(&view, record)).collect(),
        pager,
        feed: view.url(&query.only(["type", "project"]).address("/events/feed", &[])),
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
