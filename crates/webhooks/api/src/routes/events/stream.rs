//! `GET /events/stream?webhook=&status=&event=&project=`: deliveries as they change, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue};
use rdev_webhooks_app::Services;
use rdev_webhooks_app::feed::{FeedBatch, Subscription, WatchError};
use rdev_webhooks_domain::feed::Watched;
use rdev_webhooks_domain::{DeliveryFilter, Timestamp};
use tokio::time::Instant;

use crate::keys::FeedCursor;
use crate::routes::deliveries::filter::{Filters, Receiver};
use crate::views::DeliveryView;
use rdev_http::auth::Admission;
use rdev_http::query::Query;
use rdev_http::{Caller, Problem, ProblemCode, page};

pub(super) const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
pub(super) const LAST_EVENT_ID: &str = "Last-Event-ID";
/// Response header that makes a proxy such as nginx pass on each event at once.
pub(super) const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Maximum silence of a stream.
pub(super) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a client's admission is checked again.
pub(super) const CHECK_ADMISSION: Duration = Duration::from_secs(5);
/// The start of every stream: how many milliseconds a client waits before it reconnects.
pub(super) const HELLO: &str = "retry: 1000\n\n";

/// Stream delivery changes
///
/// An endless stream of server-sent events: `event: delivery`, with a delivery as `data` and a cursor as `id`. To
/// resume, send the last `id` as `Last-Event-ID`: no change is missed, though some may be repeated.
#[utoipa::path(
    get,
    path = "/events/stream",
    tag = "events",
    operation_id = "watchDeliveries",
    security(("api_key" = ["webhooks:read"])),
    params(Filters, Receiver, ("Last-Event-ID" = Option<String>, Header)),
    responses((
        status = 200,
        description = "The event stream.",
        body = String,
        content_type = "text/event-stream",
        headers(("X-Accel-Buffering")),
        example = json!("retry: 1000\n\nid: MTox\nevent: delivery\ndata: {\"id\":\"dlv_…\",\"status\":\"succeeded\",…}\n\n")
    ))
)]
pub(crate) async fn stream(
    State(services): State<Services>,
    caller: Caller,
    admission: Admission,
    headers: HeaderMap,
    Query((filters, Receiver { webhook })): Query<(Filters, Receiver)>,
) -> Result<Response, Problem> {
    let filter = DeliveryFilter { webhook, ..filters.filter() };
    let since = last_event_id(&headers)?;
    let subscription = services.feed.watch(caller.key, since).await.map_err(refusal)?;
    // The administrator key is valid as long as this process runs.
    let admission = caller.key.map(|_| Checked { admission, checked_at: Instant::now() });
    let watcher = Watcher {
        subscription,
        caller,
        admission,
        filter,
        cursor: since,
        silent_since: Instant::now(),
        greeted: false,
    };
    let body = Body::from_stream(stream::unfold(watcher, Watcher::next));
    let unbuffered = HeaderValue::from_static("no");
    Ok(([(CONTENT_TYPE, EVENT_STREAM), (X_ACCEL_BUFFERING, unbuffered)], body).into_response())
}

/// Returns the moment after which a reconnecting client wants changes.
fn last_event_id(headers: &HeaderMap) -> Result<Option<Timestamp>, Problem> {
    let Some(given) = headers.get(LAST_EVENT_ID).filter(|given| !given.is_empty()) else {
        return Ok(None);
    };
    let cursor = given.to_str().ok().and_then(|text| page::decode(text).ok());
    cursor.map(|FeedCursor(since)| Some(since)).ok_or_else(not_of_this_stream)
}

fn not_of_this_stream() -> Problem {
    let detail = "Last-Event-ID must be an event id of this stream, unchanged.";
    Problem::new(ProblemCode::VALIDATION_FAILED, detail).in_header(LAST_EVENT_ID)
}

pub(super) fn refusal(error: WatchError) -> Problem {
    let detail = match error {
        WatchError::Unavailable => "The database is unavailable. Try again.",
        WatchError::TooManyOfKey => {
            "The API key has the maximum number of streams open. Close one, or try again later."
        }
        WatchError::TooMany => {
            "The maximum number of streams is open, and the API key has its share of them. Close one, or try again later."
        }
        _ => "The service is stopping. Try again.",
    };
    Problem::new(ProblemCode::UNAVAILABLE, detail)
}

/// An admission that is checked repeatedly.
pub(super) struct Checked {
    pub(super) admission: Admission,
    pub(super) checked_at: Instant,
}

impl Checked {
    /// Returns whether the client is still admitted, as far as is known.
    pub(super) async fn holds(&mut self) -> bool {
        if self.checked_at.elapsed() < CHECK_ADMISSION {
            return true;
        }
        self.checked_at = Instant::now();
        self.admission.holds().await
    }
}

/// The stream of one client.
struct Watcher {
    subscription: Subscription,
    caller: Caller,
    admission: Option<Checked>,
    filter: DeliveryFilter,
    /// Everything that changed before this moment has been sent.
    cursor: Option<Timestamp>,
    silent_since: Instant,
    greeted: bool,
}

impl Watcher {
    /// Returns the next text to send; `None` once the stream has ended. A client can always reconnect.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        if !self.greeted {
            self.greeted = true;
            return Some((Ok(HELLO.into()), self));
        }
        loop {
            let speak_at = self.silent_since + KEEP_ALIVE;
            let wake_at = self
                .admission
                .as_ref()
                .map_or(speak_at, |checked| speak_at.min(checked.checked_at + CHECK_ADMISSION));
            let next = tokio::time::timeout_at(wake_at, self.subscription.next()).await;
            if let Some(checked) = &mut self.admission
                && !checked.holds().await
            {
                return None;
            }
            let text = match next {
                Ok(Ok(Some(batch))) => self.render(&batch),
                Ok(Ok(None)) => return None,
                Ok(Err(error)) => {
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "stream closed: missed changes cannot be read"
                    );
                    return None;
                }
                Err(_) if Instant::now() < speak_at => continue,
                Err(_) => self.keep_alive(),
            };
            if !text.is_empty() {
                self.silent_since = Instant::now();
                return Some((Ok(text.into()), self));
            }
        }
    }

    /// Renders the events of a batch that are for this client. Their cursor is the one before the batch: a
    /// batch that was sent in part is sent again completely.
    fn render(&mut self, batch: &FeedBatch) -> String {
        let id = page::encode(&FeedCursor(*self.cursor.get_or_insert(batch.cursor)));
        let mut text = String::new();
        for watched in batch.changes.iter().filter(|watched| self.is_for_it(watched)) {
            if let Ok(data) = serde_json::to_string(&DeliveryView::from(&watched.delivery)) {
                // Writing to a String cannot fail.
                let _ = write!(text, "id: {id}\nevent: delivery\ndata: {data}\n\n");
            }
        }
        self.cursor = Some(batch.cursor);
        text
    }

    fn is_for_it(&self, watched: &Watched) -> bool {
        let access = &self.caller.access;
        self.filter.matches(&watched.delivery)
            && rdev_webhooks_domain::sees_delivery(
                access,
                watched.delivery.project.as_ref(),
                watched.webhook_projects.as_ref(),
            )
    }

    /// Returns a comment, and the cursor, since time also passes for a client that gets no events.
    fn keep_alive(&self) -> String {
        let id = self.cursor.map(|cursor| format!("id: {}\n", page::encode(&FeedCursor(cursor))));
        format!(": keep-alive\n{}\n", id.unwrap_or_default())
    }
}
