//! HTTP/1.1 connections.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{HOST, HeaderMap, HeaderValue};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rdev_webhooks_domain::AttemptFailure;
use tokio::time::{Instant, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::failure::{self, SendError, Unprocessed};
use crate::stream::{Meter, Stream};

/// The maximum size of a response head, and the size of the buffer for reading it.
pub(crate) const HEAD_LIMIT: usize = 32 * 1024;
/// The number of bytes that an endpoint may send before its response's head is complete: the head, informational
/// responses before it, and what is read ahead of the body.
const MAX_BYTES_UNTIL_HEAD: u64 = 8 * HEAD_LIMIT as u64;
/// The longest time for a connection to become ready again after a response.
const READY_WITHIN: Duration = Duration::from_millis(100);
/// The time by which this host closes an unused connection before the endpoint does; half of the time-out if
/// that is short.
const KEEP_ALIVE_MARGIN: Duration = Duration::from_secs(1);

/// A connection for one request at a time.
pub(crate) struct Http1 {
    sender: SendRequest<Full<Bytes>>,
    meter: Arc<Meter>,
    /// When it is too old to be used.
    pub(crate) expires: Instant,
    /// The time for which the endpoint keeps it unused.
    keep_alive: Option<Duration>,
    is_reused: bool,
    _task: AbortOnDropHandle<()>,
}

impl Http1 {
    pub(crate) async fn open(stream: Stream, expires: Instant) -> Result<Self, AttemptFailure> {
        let meter = stream.meter();
        let handshake = http1::Builder::new().max_buf_size(HEAD_LIMIT).handshake(TokioIo::new(stream));
        let (sender, connection) = handshake.await.map_err(|error| failure::of_request(&error))?;
        let task = tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = &error as &dyn std::error::Error, "outbound connection ended");
            }
        });
        let task = AbortOnDropHandle::new(task);
        Ok(Self { sender, meter, expires, keep_alive: None, is_reused: false, _task: task })
    }

    pub(crate) async fn send(
        &mut self,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<Incoming>, SendError> {
        let read_before = self.meter.bytes_read();
        self.meter.await_head(MAX_BYTES_UNTIL_HEAD);
        match self.sender.try_send_request(request(uri, headers, body)).await {
            Ok(response) => {
                self.meter.head_received();
                self.keep_alive = keep_alive(response.headers());
                Ok(response)
            }
            Err(mut error) => {
                let was_written = error.take_message().is_none();
                let error = error.into_error();
                // An endpoint that closes an unused connection ignores a request that is on its way.
                let is_stale = self.is_reused && self.meter.bytes_read() == read_before;
                let unprocessed = match was_written {
                    false if self.is_reused => Unprocessed::Certainly,
                    true if is_stale => Unprocessed::Certainly,
                    _ => Unprocessed::Unknown,
                };
                Err(SendError { failure: failure::of_request(&error), unprocessed })
            }
        }
    }

    /// Waits until it can take another request. Returns `None` if it cannot.
    pub(crate) async fn into_ready(mut self) -> Option<Self> {
        if !self.sender.is_ready() {
            timeout(READY_WITHIN, self.sender.ready()).await.ok()?.ok()?;
        }
        self.is_reused = true;
        Some(self)
    }

    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        self.sender.is_ready() && now < self.expires
    }

    /// Returns until when it may be kept unused, at most `idle_timeout` from now.
    pub(crate) fn usable_until(&self, now: Instant, idle_timeout: Duration) -> Instant {
        let kept = self.keep_alive.map(|kept| kept - KEEP_ALIVE_MARGIN.min(kept / 2));
        (now + kept.unwrap_or(idle_timeout).min(idle_timeout)).min(self.expires)
    }
}

fn request(uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(body.clone()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = Uri::from(uri.path_and_query().cloned().unwrap_or(PathAndQuery::from_static("/")));
    *request.headers_mut() = headers.clone();
    // The authority of a URL is valid in a header.
    if let Some(host) = uri.authority().and_then(|host| HeaderValue::from_str(host.as_str()).ok()) {
        request.headers_mut().insert(HOST, host);
    }
    request
}

/// Parses the `timeout` of a `Keep-Alive` header (RFC 2068, section 19.7.1.1).
fn keep_alive(headers: &HeaderMap) -> Option<Duration> {
    let parameters = headers.get("keep-alive")?.to_str().ok()?.split(',');
    let mut parameters = parameters.filter_map(|parameter| parameter.split_once('='));
    let (_, seconds) = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("timeout"))?;
    Some(Duration::from_secs(seconds.trim().trim_matches('"').parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_out_of_a_keep_alive_header_is_parsed() {
        let seconds = |value: &str| {
            let mut headers = HeaderMap::new();
            headers.insert("keep-alive", value.parse().unwrap());
            keep_alive(&headers).map(|timeout| timeout.as_secs())
        };
        assert_eq!(seconds("timeout=5"), Some(5));
        assert_eq!(seconds("max=100, Timeout = 65"), Some(65));
        assert_eq!(seconds("timeout=\"0\", max=1"), Some(0));
        for nonsense in ["", "5", "timeout", "timeout=", "timeout=-1", "timeout=soon", "max=5"] {
            assert_eq!(seconds(nonsense), None, "{nonsense}");
        }
    }
}
