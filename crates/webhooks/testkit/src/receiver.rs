//! An HTTP endpoint that answers by script and keeps its requests.
//!
//! ```
//! use std::time::Duration;
//!
//! use rdev_webhooks_testkit::Receiver;
//! use rdev_webhooks_testkit::receiver::{Reply, Script};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! // Fails twice, then accepts everything.
//! let failing = [Reply::status(500), Reply::status(500), Reply::status(200)];
//! let receiver = Receiver::start(Script::sequence(failing)).await;
//! let url = receiver.url("/webhook");
//! // …deliver to it, and then:
//! # use std::io::Write;
//! # let mut stream = std::net::TcpStream::connect(receiver.address()).unwrap();
//! # stream.write_all(b"POST /webhook HTTP/1.1\r\nhost: x\r\ncontent-length: 0\r\n\r\n").unwrap();
//! let requests = receiver.wait_for(1, Duration::from_secs(5)).await;
//! assert_eq!(requests[0].path, "/webhook");
//! # }
//! ```

mod request;
mod script;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use rdev_webhooks_domain::EndpointUrl;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;

pub use request::{ReceivedRequest, verify, verify_text};
pub use script::{Gate, NoResponse, Reply, Script};

/// A receiver on a free port of 127.0.0.1 that speaks HTTP/1.1 and keeps connections alive. Dropping it stops
/// it and closes its connections.
///
/// Sockets take real time: on a runtime with paused time, deadlines pass before anything arrives.
#[derive(Debug)]
pub struct Receiver {
    address: SocketAddr,
    inbox: Arc<Inbox>,
    server: JoinHandle<()>,
}

#[derive(Debug)]
struct Inbox {
    requests: Mutex<Vec<ReceivedRequest>>,
    count: watch::Sender<usize>,
}

impl Receiver {
    /// Starts a receiver that answers by `script`.
    pub async fn start(script: impl Into<Script>) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let inbox = Arc::new(Inbox { requests: Mutex::default(), count: watch::Sender::new(0) });
        let served = Arc::clone(&inbox);
        let script = script.into();
        let server = tokio::spawn(async move {
            // The connections end with the set, and the set ends with this task.
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        connections.spawn(serve(stream, Arc::clone(&served), script.clone()));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Self { address, inbox, server }
    }

    /// Starts a receiver that answers every request with 200.
    pub async fn accepting() -> Self {
        Self::start(Reply::status(200)).await
    }

    /// Returns its address.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the URL of a path, which must begin with a slash.
    #[must_use]
    pub fn url(&self, path: &str) -> EndpointUrl {
        let url = format!("http://{}{path}", self.address);
        url.parse().expect("the path makes a URL")
    }

    /// Returns all complete requests, in order of arrival.
    #[must_use]
    pub fn requests(&self) -> Vec<ReceivedRequest> {
        self.inbox.lock().clone()
    }

    /// Waits for at least `n` requests and returns all of them. After `deadline` it fails the test with the
    /// number of requests.
    pub async fn wait_for(&self, n: usize, deadline: Duration) -> Vec<ReceivedRequest> {
        let mut count = self.inbox.count.subscribe();
        // The returned value locks the count, which `keep` changes while it holds the requests.
        let came = tokio::time::timeout(deadline, count.wait_for(|count| *count >= n)).await.is_ok();
        let requests = self.requests();
        assert!(came, "{} of {n} requests arrived within {deadline:?}", requests.len());
        requests
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Inbox {
    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<ReceivedRequest>> {
        self.requests.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps a request and returns its number, from 0.
    fn keep(&self, request: ReceivedRequest) -> usize {
        let mut requests = self.lock();
        requests.push(request);
        self.count.send_replace(requests.len());
        requests.len() - 1
    }
}

async fn serve(stream: TcpStream, inbox: Arc<Inbox>, script: Script) {
    let answer = service_fn(|request| answer(request, &inbox, &script));
    // A client that disconnects, or a script that closes the connection, is no error here.
    let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
}

/// The script or the client closed the connection.
#[derive(Debug)]
struct BrokenOff;

impl std::fmt::Display for BrokenOff {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("the connection is broken off")
    }
}

impl std::error::Error for BrokenOff {}

async fn answer(
    request: http::Request<Incoming>,
    inbox: &Inbox,
    script: &Script,
) -> Result<http::Response<Full<Bytes>>, BrokenOff> {
    let arrived_at = Instant::now();
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| BrokenOff)?;
    let request = ReceivedRequest {
        method: head.method,
        path: head.uri.to_string(),
        headers: head.headers,
        body: body.to_bytes(),
        arrived_at,
    };
    let nth = inbox.keep(request.clone());
    match script.reply(nth, &request).play().await {
        Ok(response) => Ok(response.map(Full::new)),
        Err(NoResponse::Closed) => Err(BrokenOff),
        Err(NoResponse::Hanging) => match std::future::pending::<Infallible>().await {},
    }
}
