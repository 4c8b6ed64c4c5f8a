//! `GET /events/feed?after=&limit=&event=&project=`: events with their data, in one order; as pages, or with
//! `Accept: text/event-stream` as server-sent events.

use std::convert::Infallible;
use std::fmt::Write;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LINK};
use rdev_webhooks_app::Services;
use rdev_webhooks_app::feed::EventSubscription;
use rdev_webhooks_domain::event_feed::{
    EventCursor, EventFeedFilter, EventFeedPage, EventFeedRead, FeedEvent,
};
use tokio::time::Instant;

use super::stream::{
    CHECK_ADMISSION, Checked, EVENT_STREAM, HELLO, KEEP_ALIVE, LAST_EVENT_ID, X_ACCEL_BUFFERING, refusal,
};
use crate::codes;
use crate::schema_types as types;
use crate::views::{FeedEventView, FeedPageView};
use rdev_http::auth::Admission;
use rdev_http::page::{self, DEFAULT_LIMIT, Limit};
use rdev_http::query::{Given, Query};
use rdev_http::{Caller, Problem, ProblemCode, kind};

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
    let wants_stream = wants_stream(&headers);
    let resumed = if wants_stream { last_event_id(&headers)? } else { None };
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
    // The administrator key is valid as long as this process runs.
    let admission = caller.key.map(|_| Checked { admission, checked_at: Instant::now() });
    let consumer =
        Consumer { subscription, admission, cursor: after, silent_since: Instant::now(), greeted: false };
    let body = Body::from_stream(stream::unfold(consumer, Consumer::next));
    let unbuffered = HeaderValue::from_static("no");
    Ok(([(CONTENT_TYPE, EVENT_STREAM), (X_ACCEL_BUFFERING, unbuffered)], body).into_response())
}

fn wants_stream(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next());
    types.any(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Returns the cursor after which a reconnecting client wants events.
fn last_event_id(headers: &HeaderMap) -> Result<Option<EventCursor>, Problem> {
    let Some(given) = headers.get(LAST_EVENT_ID).filter(|given| !given.is_empty()) else {
        return Ok(None);
    };
    let cursor = given.to_str().ok().and_then(|text| page::decode(text).ok());
    cursor.map(Some).ok_or_else(|| {
        let detail = "Last-Event-ID must be an event id of this feed, unchanged.";
        Problem::new(ProblemCode::VALIDATION_FAILED, detail).in_header(LAST_EVENT_ID)
    })
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
    admission: Option<Checked>,
    cursor: Option<EventCursor>,
    silent_since: Instant,
    greeted: bool,
}

impl Consumer {
    /// Returns the next text to send; `None` once the stream has ended. A client can always reconnect.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if !self.greeted {
            self.greeted = true;
            return Some((Ok(HELLO.into()), self));
        }
        loop {
            let speak_at = self.silent_since + KEEP_ALIVE;
            let check_at = self.admission.as_ref().map(|checked| checked.checked_at + CHECK_ADMISSION);
            let wake_at = check_at.map_or(speak_at, |check_at| speak_at.min(check_at));
            let next = tokio::time::timeout_at(wake_at, self.subscription.next()).await;
            if let Some(checked) = &mut self.admission
                && !checked.holds().await
            {
                return None;
            }
            let text = match next {
                Ok(Ok(Some(page))) => {
                    self.cursor = Some(page.next);
                    page.events.iter().map(text_of).collect()
                }
                Ok(Ok(None)) => return None,
                Ok(Err(error)) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "stream closed: events cannot be read"
                    );
                    return None;
                }
                Err(_) if Instant::now() < speak_at => continue,
                Err(_) => String::new(),
            };
            let text = if text.is_empty() && Instant::now() >= speak_at { self.keep_alive() } else { text };
            if !text.is_empty() {
                self.silent_since = Instant::now();
                return Some((Ok(text.into()), self));
            }
        }
    }

    /// Returns a comment, and the cursor, since a filtered stream passes events that it does not show.
    fn keep_alive(&self) -> String {
        let id = self.cursor.map(|cursor| format!("id: {}\n", page::encode(&cursor)));
        format!(": keep-alive\n{}\n", id.unwrap_or_default())
    }
}

/// Renders an event. White space between the tokens of its data may contain line breaks: the field then has several
/// lines.
fn text_of(event: &FeedEvent) -> String {
    let mut text = format!("id: {}\nevent: event\n", page::encode(&event.cursor));
    // A stored body is valid JSON.
    let json = serde_json::to_string(&FeedEventView::from(event)).unwrap_or_default();
    for line in json.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        // Writing to a String cannot fail.
        let _ = writeln!(text, "data: {line}");
    }
    text.push('\n');
    text
}
