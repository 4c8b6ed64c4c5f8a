//! Serving a router on a listener, with limits and a graceful shutdown.

mod connections;
mod head;
mod options;
mod tracked;

use std::convert::Infallible;
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::patience::Patient;
use connections::{Connection, Connections, Phase, Place};
pub use options::ServeOptions;
use tracked::{Answer, Expiry, Limits, Tracked};

/// Request extension: all other connections are busy, so only probes are answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbesOnly;

/// Pause after a failure to accept a connection, mostly for lack of file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client may accept no bytes of a response.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// Minimum buffer size of the parser.
const MIN_HEAD_BYTES: usize = 8_192;

/// Serves HTTP/1.1 until `drain` is cancelled. Then it accepts no more connections, lets the requests in
/// progress finish, and returns, at the latest after [`ServeOptions::drain_timeout`].
///
/// The server closes the connection of a client that sends a head too slowly, sends none, or accepts nothing
/// of its response. If there is no room for another connection, it closes one that has not sent a complete
/// head or that waits for its next request. While all are busy, further connections can request only
/// `/healthz` and `/readyz`. The server does not speak HTTP/2, whose clients could keep connections and
/// responses open indefinitely.
///
/// # Errors
///
/// None at present: the failure of one connection ends that connection, and accepting continues.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    drain: CancellationToken,
    options: ServeOptions,
) -> io::Result<()> {
    let server = Server {
        connections: Arc::new(Connections::new(options.max_connections)),
        tracker: TaskTracker::new(),
        abort: CancellationToken::new(),
        protocol: protocol(&options),
        router,
        drain,
        options,
    };
    server.accept(&listener).await;
    drop(listener);
    server.finish().await;
    Ok(())
}

/// How long failures to accept connections count as one outage, which is one line in the log.
const LOG_AGAIN_AFTER: Duration = Duration::from_secs(60);

struct Server {
    router: Router,
    options: ServeOptions,
    protocol: http1::Builder,
    connections: Arc<Connections>,
    tracker: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Server {
    async fn accept(&self, listener: &TcpListener) {
        let mut logged_at: Option<Instant> = None;
        loop {
            let accepted = tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, peer)) => {
                    // Without a place, the client is better off with another process.
                    if let Some(place) = self.connections.admit(peer.ip()) {
                        self.tracker.spawn(self.connection(stream, place));
                    }
                }
                // The client disconnected before it was accepted.
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    if logged_at.is_none_or(|at| at.elapsed() >= LOG_AGAIN_AFTER) {
                        logged_at = Some(Instant::now());
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "cannot accept connections"
                        );
                    }
                    // Most likely there is no free file descriptor.
                    self.connections.evict();
                    // A pause, because nothing signals the end of the failure.
                    let _ = timeout(ACCEPT_PAUSE, self.drain.cancelled()).await;
                }
            }
        }
    }

    /// Serves one connection until it ends.
    fn connection(&self, stream: TcpStream, place: Place) -> impl Future<Output = ()> + Send + 'static {
        let router = self.router.clone();
        let protocol = self.protocol.clone();
        let max_head_bytes = self.options.max_head_bytes.max(MIN_HEAD_BYTES);
        let limits = Limits { head: self.options.header_read_timeout, idle: self.options.idle_timeout };
        let (drain, abort) = (self.drain.clone(), self.abort.clone());
        async move {
            let connection = Arc::clone(&place.connection);
            // Responses are small and need not wait for more data to fill a packet.
            let _ = stream.set_nodelay(true);
            let service = service_fn(|request| {
                let (router, connection) = (router.clone(), Arc::clone(&connection));
                async move { Ok::<_, Infallible>(answer(request, router, connection, max_head_bytes).await) }
            });
            let stream = Tracked::new(Patient::new(stream, WRITE_PATIENCE), Arc::clone(&connection));
            let mut expiry = pin!(Expiry::new(Arc::clone(&connection), limits));
            let mut serving = pin!(protocol.serve_connection(TokioIo::new(stream), service));
            let mut is_draining = false;
            let ended = loop {
                tokio::select! {
                    biased;
                    ended = serving.as_mut() => break ended,
                    // No request is in progress.
                    () = expiry.as_mut() => return,
                    () = connection.evicted() => return,
                    () = drain.cancelled(), if !is_draining => {
                        serving.as_mut().graceful_shutdown();
                        is_draining = true;
                    }
                    () = abort.cancelled(), if is_draining => return,
                }
            };
            if let Err(error) = ended {
                tracing::debug!(error = &error as &dyn std::error::Error, "connection failed");
            }
        }
    }

    async fn finish(self) {
        self.tracker.close();
        let open = self.tracker.len();
        if timeout(self.options.drain_timeout, self.tracker.wait()).await.is_err() {
            tracing::warn!(open, "drain timeout passed; closing open connections");
            self.abort.cancel();
            self.tracker.wait().await;
        }
    }
}

fn protocol(options: &ServeOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        // It would also count the time between two requests.
        .header_read_timeout(None)
        .max_buf_size(options.max_head_bytes.max(MIN_HEAD_BYTES))
        .max_headers(options.max_headers);
    builder
}

/// Answers one request of a connection.
async fn answer(
    request: Request<Incoming>,
    router: Router,
    connection: Arc<Connection>,
    max_head_bytes: usize,
) -> Response<Answer> {
    connection.enter(Phase::Serving);
    let response = match head::check(&request, max_head_bytes) {
        Err(status) => head::refusal(status),
        Ok(()) => {
            let mut request = request.map(Body::new);
            if connection.is_for_probes {
                request.extensions_mut().insert(ProbesOnly);
            }
            let Ok(mut response) = router.oneshot(request).await;
            if connection.is_for_probes {
                response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            }
            response
        }
    };
    response.map(|body| Answer::new(body, connection))
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
