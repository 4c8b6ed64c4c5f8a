//! The feed of events: those that are accepted appear above the others while the page is open.

use std::fmt::Write;

use askama::Template;
use axum::extract::State;
use axum::response::{Html, IntoResponse, Response};
use http::HeaderMap;
use rdev_http::event_stream::{self, Source};
use rdev_http::{Caller, Problem, ProblemCode};
use rdev_pages::{Form, FormFaults, Input, PageQuery, View};
use rdev_webhooks_app::feed::EventSubscription;
use rdev_webhooks_domain::event_feed::{EventCursor, EventFeedFilter, EventFeedRead};
use rdev_webhooks_domain::{EventFilter, EventId, Page, PageRequest};

use super::row::Row;
use crate::{Shared, failure};

/// The number of events that the page begins with.
const LIMIT: u32 = 25;
/// The number of rows that the script may ask for at once.
const MAX_ROWS: usize = 100;

#[derive(Template)]
#[template(path = "events/feed.html")]
struct FeedPage<'a> {
    view: &'a View,
    filter: [Input; 2],
    is_filtered: bool,
    rows: Vec<Row>,
    stream: Option<String>,
}

#[derive(Template)]
#[template(path = "events/rows.html")]
struct RowsPart {
    rows: Vec<Row>,
}

pub(crate) async fn feed(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let wanted = read_filter(&query, &mut faults);
    // The stream continues after this, so that nothing is missed between the page and the stream.
    let end = services.feed.end_of_events().await?;
    let filter =
        EventFilter { event_type: wanted.event_type, project: wanted.project, ..EventFilter::default() };
    let newest = PageRequest { limit: LIMIT, before: None };
    let found = match faults.is_empty() {
        true => services.events.list(&caller.access, &filter, newest).await?,
        false => Page::of(Vec::new(), LIMIT),
    };
    let line = |name, label| Input::line(name, label).value(query.text(name)).fault(faults.of(name));
    let kept = query.only(["type", "project"]);
    let stream = kept.address("/events/live", &[("after", Some(&end.to_string()))]);
    let content = FeedPage {
        view: &view,
        filter: [line("type", "Event type").search(), line("project", "Project")],
        is_filtered: ["type", "project"].iter().any(|name| query.given(name).is_some()),
        rows: found.items.into_iter().map(|record| Row::new(&view, record)).collect(),
        stream: faults.is_empty().then(|| view.url(&stream)),
    };
    view.page("Live feed", &content)
}

fn read_filter(query: &Form, faults: &mut FormFaults) -> EventFeedFilter {
    EventFeedFilter {
        event_type: query.given("type").and_then(|text| faults.check("type", text.parse())),
        project: query.given("project").and_then(|text| faults.check("project", text.parse())),
    }
}

/// The rows of these events as they are now, in the order of the query.
pub(crate) async fn rows(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut rows = Vec::new();
    for id in query.all("id").filter_map(|id| id.parse::<EventId>().ok()).take(MAX_ROWS) {
        let found = services.events.get(&caller.access, id).await?;
        rows.extend(found.map(|record| Row::new(&view, record)));
    }
    Ok(Html(view.part(&RowsPart { rows })?).into_response())
}

/// The stream of the ids of events as they are accepted. It begins after the cursor of the page or of the last event
/// that the browser has seen; if retention has removed what followed, it begins now.
pub(crate) async fn live(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let filter = read_filter(&query, &mut faults);
    if !faults.is_empty() {
        return Err(Problem::new(ProblemCode::VALIDATION_FAILED, "The filter is invalid."));
    }
    let seen = event_stream::last_event_id(&headers, |text| text.parse().ok())?;
    let asked: Option<EventCursor> = seen.or_else(|| query.text("after").parse().ok());
    let after = match asked {
        Some(cursor) => match services.feed.read_events(&caller.access, &filter, Some(cursor), 1).await? {
            EventFeedRead::Page(_) => Some(cursor),
            EventFeedRead::Pruned | EventFeedRead::Unknown => None,
        },
        None => None,
    };
    let after = match after {
        Some(cursor) => cursor,
        None => services.feed.end_of_events().await?,
    };
    let access = caller.access.as_ref().clone();
    let subscription = services.feed.watch_events(caller.key, access, filter, Some(after));
    let watcher = Watcher(subscription.map_err(failure::of_watch)?);
    Ok(event_stream::response_while(Some(view), watcher))
}

/// The stream of one page.
struct Watcher(EventSubscription);

impl Source for Watcher {
    async fn next(&mut self) -> Option<String> {
        let page = match self.0.next().await {
            Ok(page) => page?,
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "feed of the console closed: events cannot be read");
                return None;
            }
        };
        let mut text = String::new();
        for event in &page.events {
            // Writing to a String cannot fail.
            let _ = write!(
                text,
                "id: {}\nevent: event\ndata: {{\"id\":\"{}\"}}\n\n",
                event.cursor, event.event.id
            );
        }
        Some(text)
    }
}
