//! Running a router on a listener, within bounds and with an orderly end.

mod connections;
mod head;
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

use crate::ServeOptions;
use crate::patience::Patient;
use connections::{Connection, Connections, Phase, Place};
use tracked::{Answer, Expiry, Limits, Tracked};

/// On a request that came when every other connection was being answered: only probes are answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ProbesOnly;

/// How long accepting pauses after it failed, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take nothing of what it is sent.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// The least buffer that the parser takes.
const MIN_HEAD_BYTES: usize = 8_192;

/// Serves HTTP/1.1 until `drain` is cancelled; then accepts nothing more, lets the requests that are being
/// answered finish, and returns, at the latest after [`ServeOptions::drain_timeout`].
///
/// A client that dawdles over the head of a request, sends none, or takes nothing of its answer is cut off. When there
/// is no room for another connection, one gives way that has not sent a whole head, or waits for its next request;
/// while all are being answered, `/healthz` and `/readyz` alone are answered on further ones.
/// HTTP/2 is not spoken: its clients could keep connections and answers open for as long as they like.
///
/// # Errors
///
/// None for now: what fails about one connection ends that connection, and accepting goes on.
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
                // The client was gone before it was accepted.
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    if logged_at.is_none_or(|at| at.elapsed() >= LOG_AGAIN_AFTER) {
                        logged_at = Some(Instant::now());
                        tracing::error!(
                            error = &error as &dyn std::error::Error,
                            "cannot accept connections"
                        );
                    }
                    // For want of a file descriptor, most likely.
                    self.connections.evict();
                    // A pause rather than a wait for something: nothing tells when it gets better.
                    let _ = timeout(ACCEPT_PAUSE, self.drain.cancelled()).await;
                }
            }
        }
    }

    /// Drives one connection to its end.
    fn connection(&self, stream: TcpStream, place: Place) -> impl Future<Output = ()> + Send + 'static {
        let router = self.router.clone();
        let protocol = self.protocol.clone();
        let max_head_bytes = self.options.max_head_bytes.max(MIN_HEAD_BYTES);
        let limits = Limits { head: self.options.header_read_timeout, idle: self.options.idle_timeout };
        let (drain, abort) = (self.drain.clone(), self.abort.clone());
        async move {
            let connection = Arc::clone(&place.connection);
            // Answers are small, and wait for nothing that would fill a packet.
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
                    // Nothing is being answered.
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
        // It would count the time between two requests too.
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
