//! The demonstration's endpoint.

use std::convert::Infallible;
use std::io;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full, Limited};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rdev_webhooks::Ambient;
use rdev_webhooks::signing::{Headers, SigningSecret, Verifier, VerifyError};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

/// The maximum size of a body, far more than the demonstration sends.
const MAX_BODY: usize = 64 * 1024;
/// The number of requests that get 500 first.
const FAILURES: u32 = 2;

/// An endpoint that responds with 500 twice and then with 200, and verifies its requests. It ends when
/// dropped.
pub(crate) struct Receiver {
    url: String,
    endpoint: Arc<Endpoint>,
    _task: AbortOnDropHandle<()>,
}

/// A received request.
pub(crate) struct Seen {
    pub(crate) body_len: usize,
    pub(crate) verified: Result<(), VerifyError>,
    pub(crate) answered: StatusCode,
}

struct Endpoint {
    verifier: OnceLock<Verifier>,
    requests: AtomicU32,
    seen: mpsc::Sender<Seen>,
}

impl Receiver {
    pub(crate) async fn listen(seen: mpsc::Sender<Seen>) -> io::Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let url = format!("http://{}/webhook", listener.local_addr()?);
        let endpoint = Arc::new(Endpoint { verifier: OnceLock::new(), requests: AtomicU32::new(0), seen });
        let task = tokio::spawn(accept(listener, Arc::clone(&endpoint)));
        Ok(Self { url, endpoint, _task: AbortOnDropHandle::new(task) })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Sets the secret for verification, once the webhook is created.
    pub(crate) fn trust(&self, secret: &SigningSecret) {
        let _ = self.endpoint.verifier.set(Verifier::new(secret));
    }
}

async fn accept(listener: TcpListener, endpoint: Arc<Endpoint>) {
    let mut connections = tokio::task::JoinSet::new();
    loop {
        match listener.accept().await {
            Ok((stream, _)) => connections.spawn(connection(stream, Arc::clone(&endpoint))),
            // For example out of descriptors: a busy loop would not help.
            Err(_) => {
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        while connections.try_join_next().is_some() {}
    }
}

async fn connection(stream: TcpStream, endpoint: Arc<Endpoint>) {
    let service = service_fn(|request| {
        let endpoint = Arc::clone(&endpoint);
        async move { Ok::<_, Infallible>(endpoint.answer(request).await) }
    });
    // A broken connection shows as a failed attempt.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
}

impl Endpoint {
    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body =
            Limited::new(body, MAX_BODY).collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let number = self.requests.fetch_add(1, Ordering::Relaxed);
        let answered = if number < FAILURES { StatusCode::INTERNAL_SERVER_ERROR } else { StatusCode::OK };
        let headers =
            Headers::from_lookup(|name| head.headers.get(name).and_then(|value| value.to_str().ok()));
        let now = Ambient::system().clock.now().as_unix_seconds();
        let verified = match self.verifier.get() {
            Some(verifier) => verifier.verify(headers, &body, now),
            None => Err(VerifyError::NoMatchingSignature),
        };
        let _ = self.seen.send(Seen { body_len: body.len(), verified, answered }).await;
        let mut response = Response::new(Full::new(Bytes::from_static(b"noted\n")));
        *response.status_mut() = answered;
        response
    }
}
