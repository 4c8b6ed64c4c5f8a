//! Running a router on a listener, within bounds and with an orderly end.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tower::ServiceExt;

use crate::ServeOptions;
use crate::patience::Patient;

/// How long accepting pauses after it failed, for want of file descriptors mostly.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take nothing of what it is sent.
const WRITE_PATIENCE: Duration = Duration::from_secs(30);
/// The least buffer that the parser takes.
const MIN_HEAD_BYTES: usize = 8_192;

/// Serves HTTP/1.1 until `drain` is cancelled; then accepts nothing more, lets the requests that are being
/// answered finish, and returns, at the latest after [`ServeOptions::drain_timeout`].
///
/// A client that dawdles over the head of a request, sends none, or takes nothing of its answer is cut off.
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
        connections: Arc::new(Semaphore::new(options.max_connections)),
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

struct Server {
    router: Router,
    options: ServeOptions,
    protocol: http1::Builder,
    connections: Arc<Semaphore>,
    tracker: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
}

impl Server {
    async fn accept(&self, listener: &TcpListener) {
        loop {
            let accepted = async {
                // The semaphore is never closed.
                let permit = Arc::clone(&self.connections).acquire_owned().await.ok();
                (permit, listener.accept().await)
            };
            let (permit, accepted) = tokio::select! {
                biased;
                () = self.drain.cancelled() => return,
                accepted = accepted => accepted,
            };
            match accepted {
                Ok((stream, _)) => {
                    let connection = self.connection(stream);
                    self.tracker.spawn(async move {
                        connection.await;
                        drop(permit);
                    });
                }
                // The client was gone before it was accepted.
                Err(error) if is_of_connection(&error) => {}
                Err(error) => {
                    tracing::error!(%error, "no connection can be accepted");
                    // A pause rather than a wait for something: nothing tells when it gets better.
                    let _ = timeout(ACCEPT_PAUSE, self.drain.cancelled()).await;
                }
            }
        }
    }

    /// Drives one connection to its end.
    fn connection(&self, stream: TcpStream) -> impl Future<Output = ()> + Send + 'static {
        let router = self.router.clone();
        let protocol = self.protocol.clone();
        let (drain, abort) = (self.drain.clone(), self.abort.clone());
        async move {
            // Answers are small, and wait for nothing that would fill a packet.
            let _ = stream.set_nodelay(true);
            let service = service_fn(|request: hyper::Request<Incoming>| {
                router.clone().oneshot(request.map(Body::new))
            });
            let connection =
                protocol.serve_connection(TokioIo::new(Patient::new(stream, WRITE_PATIENCE)), service);
            let mut connection = std::pin::pin!(connection);
            let ended = tokio::select! {
                ended = connection.as_mut() => ended,
                () = drain.cancelled() => {
                    connection.as_mut().graceful_shutdown();
                    tokio::select! {
                        ended = connection.as_mut() => ended,
                        () = abort.cancelled() => return,
                    }
                }
            };
            if let Err(error) = ended {
                tracing::debug!(error = &error as &dyn std::error::Error, "a connection broke");
            }
        }
    }

    async fn finish(self) {
        self.tracker.close();
        let open = self.tracker.len();
        if timeout(self.options.drain_timeout, self.tracker.wait()).await.is_err() {
            tracing::warn!(open, "requests were cut off that did not end in time");
            self.abort.cancel();
            self.tracker.wait().await;
        }
    }
}

fn protocol(options: &ServeOptions) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(options.header_read_timeout)
        .max_buf_size(options.max_head_bytes.max(MIN_HEAD_BYTES))
        .max_headers(options.max_headers);
    builder
}

fn is_of_connection(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset};
    matches!(error.kind(), ConnectionAborted | ConnectionRefused | ConnectionReset)
}
