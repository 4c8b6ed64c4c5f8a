//! HTTP/2 connections.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Connection, ResponseFuture, SendRequest};
use h2::{Ping, PingPong, Reason, RecvStream};
use http::header::{CONTENT_LENGTH, HeaderMap};
use http::{Method, Request, Response, Uri, Version};
use rdev_webhooks_domain::AttemptFailure;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

use crate::failure;
use crate::failure::{SendError, Unprocessed};
use crate::http1::HEAD_LIMIT;
use crate::stream::{Meter, Stream};

/// The flow-control window of all streams together.
const CONNECTION_WINDOW: u32 = 1024 * 1024;
/// The interval between pings on a connection in use.
const PING_INTERVAL: Duration = Duration::from_secs(10);
/// Time limit for the response to a ping.
const PING_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection for several concurrent requests.
pub(crate) struct Http2 {
    sender: SendRequest<Bytes>,
    meter: Arc<Meter>,
    /// When it is too old to be used.
    pub(crate) expires: Instant,
    in_flight: Arc<AtomicUsize>,
    /// Whether it has been used before.
    was_used: AtomicBool,
    /// Whether it takes no more requests.
    is_retired: AtomicBool,
    task: AbortOnDropHandle<()>,
}

impl Http2 {
    pub(crate) async fn open(stream: Stream, expires: Instant) -> Result<Self, AttemptFailure> {
        let meter = stream.meter();
        let handshake = h2::client::Builder::new()
            .enable_push(false)
            .max_header_list_size(HEAD_LIMIT as u32)
            // A stream may send little more than is kept, and all streams together what many of them need.
            .initial_window_size(HEAD_LIMIT as u32)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .handshake(stream);
        let (sender, mut connection) = handshake.await.map_err(|error| failure::of_request(&error))?;
        let in_flight = Arc::new(AtomicUsize::new(0));
        let pings = connection.ping_pong();
        let task = tokio::spawn(drive(connection, pings, Arc::clone(&in_flight)));
        Ok(Self {
            sender,
            meter,
            expires,
            in_flight,
            was_used: AtomicBool::new(false),
            is_retired: AtomicBool::new(false),
            task: AbortOnDropHandle::new(task),
        })
    }

    pub(crate) async fn send(
        &self,
        uri: &Uri,
        headers: &HeaderMap,
        body: &Bytes,
    ) -> Result<Response<RecvStream>, SendError> {
        let is_reused = self.was_used.swap(true, Ordering::Relaxed);
        let read_before = self.meter.bytes_read();
        self.meter.frames.requested();
        let not_sent = |error: h2::Error| SendError {
            failure: failure::of_request(&error),
            unprocessed: match is_reused || error.is_go_away() && error.is_remote() {
                true => Unprocessed::Certainly,
                false => Unprocessed::Unknown,
            },
        };
        let mut sender = self.sender.clone().ready().await.map_err(not_sent)?;
        let (response, mut stream) =
            sender.send_request(request(uri, headers, body), body.is_empty()).map_err(not_sent)?;
        let id = response.stream_id().as_u32();
        if !body.is_empty() {
            // The response reports whether the endpoint has reset the stream meanwhile.
            let _ = stream.send_data(body.clone(), true);
        }
        answer(response).await.map_err(|error| {
            let was_refused = error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
            let was_beyond_last = error.is_go_away() && self.meter.frames.is_beyond_last(id);
            let was_stale = is_reused && self.meter.bytes_read() == read_before;
            let unprocessed = match was_refused || was_beyond_last || was_stale {
                true => Unprocessed::Certainly,
                false => Unprocessed::Unknown,
            };
            SendError { failure: failure::of_request(&error), unprocessed }
        })
    }

    pub(crate) fn is_usable(&self, now: Instant) -> bool {
        !self.is_retired.load(Ordering::Acquire)
            && !self.meter.frames.is_going_away()
            && !self.task.is_finished()
            && now < self.expires
    }

    pub(crate) fn retire(&self) {
        self.is_retired.store(true, Ordering::Release);
    }

    /// Counts one more request in flight.
    pub(crate) fn enter(&self) {
        self.in_flight.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts one request less, and returns how many remain.
    pub(crate) fn leave(&self) -> usize {
        self.in_flight.fetch_sub(1, Ordering::AcqRel) - 1
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.in_flight.load(Ordering::Acquire) == 0
    }
}

fn request(uri: &Uri, headers: &HeaderMap, body: &Bytes) -> Request<()> {
    let mut request = Request::new(());
    *request.method_mut() = Method::POST;
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = uri.clone();
    *request.headers_mut() = headers.clone();
    request.headers_mut().insert(CONTENT_LENGTH, body.len().into());
    request
}

/// Waits for the final response, and drops interim ones.
async fn answer(mut response: ResponseFuture) -> Result<Response<RecvStream>, h2::Error> {
    poll_fn(|cx| {
        loop {
            match response.poll_informational(cx) {
                Poll::Ready(Some(Ok(_))) => {}
                Poll::Ready(Some(Err(error))) => return Poll::Ready(Err(error)),
                Poll::Ready(None) | Poll::Pending => return Pin::new(&mut response).poll(cx),
            }
        }
    })
    .await
}

/// Runs a connection until it ends or its endpoint has vanished.
async fn drive(
    mut connection: Connection<Stream, Bytes>,
    mut pings: Option<PingPong>,
    in_flight: Arc<AtomicUsize>,
) {
    loop {
        tokio::select! {
            ended = &mut connection => {
                if let Err(error) = ended {
                    tracing::debug!(error = &error as &dyn std::error::Error, "outbound connection ended");
                }
                return;
            }
            () = sleep(PING_INTERVAL) => {}
        }
        let Some(pings) = &mut pings else { continue };
        if in_flight.load(Ordering::Acquire) == 0 || pings.send_ping(Ping::opaque()).is_err() {
            continue;
        }
        tokio::select! {
            _ = &mut connection => return,
            pong = timeout(PING_TIMEOUT, poll_fn(|cx| pings.poll_pong(cx))) => {
                if pong.is_err() {
                    tracing::debug!("outbound connection no longer responds");
                    return;
                }
            }
        }
    }
}
