//! Responses of server-sent events (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).

use std::convert::Infallible;
use std::fmt::Write;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::stream;
use http::HeaderMap;
use http::header::{ACCEPT, CONTENT_TYPE, HeaderName, HeaderValue};
use rdev_app::NoPermit;
use tokio::time::Instant;

use crate::auth::{Admission, Admitted};
use crate::{Caller, Problem, ProblemCode};

const EVENT_STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
/// The request header with the `id` of the last event that a reconnecting client has received.
const LAST_EVENT_ID: &str = "Last-Event-ID";
/// Response header that makes a proxy such as nginx pass on each event at once.
const X_ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// Maximum silence of a stream.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How often a client's admission is checked again.
pub const CHECK_ADMISSION: Duration = Duration::from_secs(5);
/// The start of every stream: how many milliseconds a client waits before it reconnects.
const HELLO: &str = "retry: 1000\n\n";

/// The source of a stream's text.
pub trait Source: Send + 'static {
    /// Returns the next text, which may be empty; `None` once the stream has ended. Safe to drop and to call again.
    fn next(&mut self) -> impl Future<Output = Option<String>> + Send;

    /// Returns the text that interrupts a long silence.
    fn keep_alive(&self) -> String {
        ": keep-alive\n\n".to_owned()
    }
}

/// Returns an endless response. It ends with its source, or once its caller is no longer admitted with the same rights.
pub fn response(source: impl Source, caller: &Caller, admission: Admission) -> Response {
    // The administrator key is valid as long as this process runs.
    response_while(caller.key.map(|_| admission), source)
}

/// Returns an endless response. It ends with its source, or once what has admitted its client does so no longer.
pub fn response_while<A: Admitted>(admitted: Option<A>, source: impl Source) -> Response {
    let admission = admitted.map(|admission| Checked { admission, checked_at: Instant::now() });
    let stream = Stream { source, admission, silent_since: Instant::now(), greeted: false };
    let body = Body::from_stream(stream::unfold(stream, Stream::next));
    let unbuffered = HeaderValue::from_static("no");
    ([(CONTENT_TYPE, EVENT_STREAM), (X_ACCEL_BUFFERING, unbuffered)], body).into_response()
}

/// Returns whether the client accepts a stream.
#[must_use]
pub fn is_accepted(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
    let mut types = accepted.flat_map(|value| value.split(',')).filter_map(|range| range.split(';').next());
    types.any(|range| range.trim().eq_ignore_ascii_case("text/event-stream"))
}

/// Returns the `id` after which a reconnecting client wants events, read by `parse`.
///
/// # Errors
///
/// Fails if `parse` refuses the text.
pub fn last_event_id<T>(
    headers: &HeaderMap,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let Some(given) = headers.get(LAST_EVENT_ID).filter(|given| !given.is_empty()) else {
        return Ok(None);
    };
    given.to_str().ok().and_then(parse).map(Some).ok_or_else(unknown_event_id)
}

/// Returns the problem of a `Last-Event-ID` that no event of the stream has.
#[must_use]
pub fn unknown_event_id() -> Problem {
    let detail = "Last-Event-ID must be an event id of this stream, unchanged.";
    Problem::new(ProblemCode::VALIDATION_FAILED, detail).in_header(LAST_EVENT_ID)
}

impl From<NoPermit> for Problem {
    fn from(none: NoPermit) -> Self {
        let detail = match none {
            NoPermit::TooManyOfKey => {
                "The API key has the maximum number of streams open. Close one, or try again later."
            }
            NoPermit::TooMany => {
                "The maximum number of streams is open, and the API key has its share of them. Close one, or try again later."
            }
        };
        Self::new(ProblemCode::UNAVAILABLE, detail)
    }
}

/// Appends an event to a text. White space between the tokens of its JSON may contain line breaks: the field then has
/// several lines.
pub fn write_event(text: &mut String, id: Option<&str>, event: &str, json: &str) {
    // Writing to a String cannot fail.
    if let Some(id) = id {
        let _ = writeln!(text, "id: {id}");
    }
    let _ = writeln!(text, "event: {event}");
    for line in json.split(['\n', '\r']).filter(|line| !line.is_empty()) {
        let _ = writeln!(text, "data: {line}");
    }
    text.push('\n');
}

/// An admission that is checked repeatedly.
struct Checked<A> {
    admission: A,
    checked_at: Instant,
}

impl<A: Admitted> Checked<A> {
    /// Returns whether the client is still admitted, as far as is known.
    async fn holds(&mut self) -> bool {
        if self.checked_at.elapsed() < CHECK_ADMISSION {
            return true;
        }
        self.checked_at = Instant::now();
        self.admission.holds().await
    }
}

/// The stream of one client.
struct Stream<S, A> {
    source: S,
    admission: Option<Checked<A>>,
    silent_since: Instant,
    greeted: bool,
}

impl<S: Source, A: Admitted> Stream<S, A> {
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
            let next = tokio::time::timeout_at(wake_at, self.source.next()).await;
            if let Some(checked) = &mut self.admission
                && !checked.holds().await
            {
                return None;
            }
            let text = match next {
                Ok(text) => text?,
                Err(_) if Instant::now() < speak_at => continue,
                Err(_) => String::new(),
            };
            let is_silent = text.is_empty() && Instant::now() >= speak_at;
            let text = if is_silent { self.source.keep_alive() } else { text };
            if !text.is_empty() {
                self.silent_since = Instant::now();
                return Some((Ok(text.into()), self));
            }
        }
    }
}
