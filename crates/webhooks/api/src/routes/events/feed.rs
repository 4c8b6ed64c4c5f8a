//! `GET /events/feed?after=&limit=&event=&project=`: events with their data, in one order; as pages, or with
//! `Accept: text/event-stream` as server-sent events.

use axum::extract::State;
use axum::response::Response;
use http::HeaderMap;
use http::header::{HeaderValue, LINK};
use rdev_webhooks_app::Services;
use rdev_webhooks_app::feed::EventSubscription;
use rdev_webhooks_domain::event_feed::{
    EventCursor, EventFeedFilter, EventFeedPage, EventFeedRead, FeedEvent,
};

use super::stream::refusal;
use crate::codes;
use crate::schema_types as types;
use crate::views::{FeedEventView, FeedPageView};
use rdev_http::auth::Admission;
use rdev_http::event_stream::{self, Source};
use rdev_http::page::{self, DEFAULT_LIMIT, Limit};
use rdev_http::query::{Given, Query};
use rdev_http::{Caller, Problem, kind};

/// Where a consumer begins to read.
pub(crate) enum Start {
    Now,
    After(EventCursor),
}

rdev_http::kind! {
    /// A cursor of the feed, or `now`.
    pub(crate) After: Start = kind::string(), |value, faults| {
        let text = value.string(faults)?;
        match text.as_str() {
            "now" => Some(Start::Now),
            cursor => match page::decode(cursor) {
                Ok(cursor) => Some(Start::After(cursor)),
                Err(detail) => value.refuse(faults, detail),
            },
        }
    }
}

rdev_http::members! {
    /// The parameters of `GET /events/feed`.
    pub(crate) struct FeedParameters {
        /// The `next_cursor` of the previous page, or `now` for events from now on. Without it, from the oldest kept
        /// event.
        after: Option<After>,
        /// The maximum number of events of a page. A page may hold fewer although `has_more` is true.
        limit: Option<Limit> = DEFAULT_LIMIT,
        /// Only events of this type.
        event: Option<types::EventType>,
        /// Only this project's events.
        project: Option<types::ProjectName>,
    }
}

/// Read the event feed
///
/// All events with their data, oldest first, in one order that is the same for every consumer: each event once, and
/// none is left out. Every page has a `next_cursor`, also an empty one; pass it as `after` to go on. A cursor is valid
/// with any filter. With `Accept: text/event-stream` the response is an endless stream of server-sent events: `event:
/// event`, with an event as `data` and a cursor as `id`; `Last-Event-ID` resumes, and takes precedence over `after`.
#[utoipa::path(
    get,
    path = "/events/feed",
    tag = "events",
    operation_id = "readEventFeed",
    security(("api_key" = ["webhooks:read"])),
    params(FeedParameters, ("Last-Event-ID" = Option<String>, Header)),
    responses((
        status = 200,
        description = "A page of the feed, or the event stream.",
        content(
            (FeedPageView = "application/json"),
            (
                String = "text/event-stream",
                example = json!("retry: 1000\n\nid: MTpldmVudHNANDI\nevent: event\ndata: {\"id\":\"evt_…\",\"event\":\"command.completed\",…}\n\n")
            )
        ),
        headers(("Link"))
    )),
    extensions(("x-problems" = json!(["cursor_expired"])))
)]
pub(crate) async fn feed(
    State(services): State<Services>,
    caller: Caller,
    admission: Admission,
    headers: HeaderMap,
    given: Given,
    Query(parameters): Query<FeedParameters>,
) -> Result<Response, Problem> {
    let filter = EventFeedFilter { event_type: parameters.event, project: parameters.project };
    let wants_stream = event_stream::is_accepted(&headers);
    let decode = |text: &str| page::decode(text).ok();
    let resumed = if wants_stream { event_stream::last_event_id(&headers, decode)? } else { None };
    let after = match (resumed, parameters.after) {
        (Some(cursor), _) | (None, Some(Start::After(cursor))) => Some(cursor),
        (None, Some(Start::Now)) => Some(services.feed.end_of_events().await?),
        (None, None) => None,
    };
    let limit = if wants_stream { 1 } else { parameters.limit.unwrap_or(DEFAULT_LIMIT) };
    let page = match services.feed.read_events(&caller.access, &filter, after, limit).await? {
        EventFeedRead::Page(page) => page,
        EventFeedRead::Pruned => {
            let detail = "Events after this cursor are older than the retention and were deleted. Begin without \
                          `after`, or with `after=now`.";
            return Err(Problem::new(codes::CURSOR_EXPIRED, detail));
        }
        EventFeedRead::Unknown => {
            let detail = "This cursor is after the last event: it is of another database, or of a later state of this \
                          one. Begin without `after`, or with `after=now`.";
            return Err(Problem::new(codes::CURSOR_EXPIRED, detail));
        }
    };
    if !wants_stream {
        return Ok(answer(&page, &given));
    }
    let access = caller.access.as_ref().clone();
    let subscription = services.feed.watch_events(caller.key, access, filter, after).map_err(refusal)?;
    Ok(event_stream::response(Consumer { subscription, cursor: after }, &caller, admission))
}

fn answer(page: &EventFeedPage, given: &Given) -> Response {
    let next_cursor = page::encode(&page.next);
    let link = page.has_more.then(|| format!("<{}>; rel=\"next\"", given.with("after", &next_cursor)));
    let data = page.events.iter().map(FeedEventView::from).collect();
    let mut response = rdev_http::json(&FeedPageView { data, has_more: page.has_more, next_cursor });
    if let Some(link) = link.and_then(|link| HeaderValue::try_from(link).ok()) {
        response.headers_mut().insert(LINK, link);
    }
    response
}

/// The stream of one client. It holds at most one page.
struct Consumer {
    subscription: EventSubscription,
    cursor: Option<EventCursor>,
}

impl Source for Consumer {
    async fn next(&mut self) -> Option<String> {
        match self.subscription.next().await {
            Ok(page) => page.map(|page| {
                self.cursor = Some(page.next);
                page.events.iter().map(text_of).collect()
            }),
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::warn!(error, "stream closed: events cannot be read");
                None
            }
        }
    }

    /// Returns a comment, and the cursor, since a filtered stream passes events that it does not show.
    fn keep_alive(&self) -> String {
        let id = self.cursor.map(|cursor| format!("id: {}\n", page::encode(&cursor)));
        format!(": keep-alive\n{}\n", id.unwrap_or_default())
    }
}

/// Renders an event.
fn text_of(event: &FeedEvent) -> String {
    // A stored body is valid JSON.
    let json = serde_json::to_string(&FeedEventView::from(event)).unwrap_or_default();
    let mut text = String::new();
    event_stream::write_event(&mut text, Some(&page::encode(&event.cursor)), "event", &json);
    text
}
