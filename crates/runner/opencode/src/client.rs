//! The client of the server.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Response};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper_util::client::legacy;
use hyper_util::rt::TokioExecutor;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use tokio::time::{Instant, timeout, timeout_at};

use crate::connector::Connector;
use crate::decoder::{EventDecoder, ServerEvent};
use crate::error::{RequestError, RequestFault};

/// How long the server may take to say that it is there. It answers at once, but a pod may have to be reached again
/// before.
pub const AVAILABILITY_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the server may take to answer the requests that open a session. The first of them loads the
/// plugins of the folder, which can wait for an installation: 70 s were seen without a network.
pub const OPENING_TIMEOUT: Duration = Duration::from_secs(120);

/// How long the server may take to answer any other request. None of them waits for the model.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the stream of events may be silent before it counts as dropped. The server sends a heartbeat every
/// 10 s.
pub const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(30);

/// How long the stream of events may take to greet. Without a greeting events at its beginning may be missing,
/// and then the history has them.
const GREETING_TIMEOUT: Duration = Duration::from_secs(2);

/// The largest answer, 64 MiB: the history of a session contains whole results of tools.
pub const MAX_RESPONSE_BYTES: usize = 64 * 1024 * 1024;

/// The part of an answer that an error quotes, in characters.
const EXCERPT: usize = 300;

/// The place in which a server answers.
pub(crate) struct Endpoint {
    /// The way to it.
    pub(crate) connector: Connector,
    /// Its address, on the loopback interface of the place in which it runs.
    pub(crate) address: SocketAddr,
    /// Its password (`OPENCODE_SERVER_PASSWORD`).
    pub(crate) password: String,
    /// The folder of the project, an absolute path.
    pub(crate) directory: String,
    /// The secrets of the run, which no error may quote.
    pub(crate) secrets: Vec<String>,
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Endpoint")
            .field("address", &self.address)
            .field("directory", &self.directory)
            .finish()
    }
}

/// A client of one server.
#[derive(Debug)]
pub(crate) struct Client {
    http: legacy::Client<Connector, Full<Bytes>>,
    server: Endpoint,
    authorization: String,
}

impl Client {
    pub(crate) fn new(server: Endpoint) -> Self {
        let http = legacy::Client::builder(TokioExecutor::new()).build(server.connector.clone());
        let authorization = STANDARD.encode(format!("opencode:{}", server.password));
        Self { http, server, authorization }
    }

    /// Sends a request and returns the JSON of the answer; `null` for an answer without content.
    pub(crate) async fn call(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
        limit: Duration,
    ) -> Result<Value, RequestError> {
        let failed = |fault| failure(&method, path, fault);
        let exchange = async {
            let answer = self.send(&method, path, body).await?;
            let status = answer.status();
            let body = Limited::new(answer.into_body(), MAX_RESPONSE_BYTES).collect().await;
            let body = body.map_err(|error| {
                if error.is::<LengthLimitError>() {
                    RequestFault::TooLarge(MAX_RESPONSE_BYTES)
                } else {
                    RequestFault::Connection(error.to_string())
                }
            })?;
            Ok((status, body.to_bytes()))
        };
        let answered = timeout(limit, exchange).await.unwrap_or(Err(RequestFault::Timeout(limit)));
        let (status, body) = answered.map_err(failed)?;
        if !status.is_success() {
            return Err(failed(RequestFault::Status { status, excerpt: self.excerpt(&body) }));
        }
        if body.is_empty() {
            return Ok(Value::Null);
        }
        parse(&body).ok_or_else(|| failed(RequestFault::Foreign { excerpt: self.excerpt(&body) }))
    }

    /// Opens the stream of events.
    pub(crate) async fn events(&self, limit: Duration) -> Result<EventStream, RequestError> {
        let path = "/global/event";
        let failed = |fault| failure(&Method::GET, path, fault);
        let sent = timeout(limit, self.send(&Method::GET, path, None)).await;
        let answer = sent.unwrap_or(Err(RequestFault::Timeout(limit))).map_err(failed)?;
        let status = answer.status();
        if !status.is_success() {
            return Err(failed(RequestFault::Status { status, excerpt: String::new() }));
        }
        let is_stream = answer.headers().get(CONTENT_TYPE).is_some_and(is_event_stream);
        if !is_stream {
            return Err(failed(RequestFault::Foreign { excerpt: "no stream of events".to_owned() }));
        }
        let mut stream = EventStream {
            body: answer.into_body(),
            decoder: EventDecoder::new(),
            ready: VecDeque::new(),
            heard_at: Instant::now(),
        };
        // The server sends events only after the one by which it says so.
        if let Ok(Some(first)) = timeout(GREETING_TIMEOUT, stream.next()).await {
            stream.ready.push_front(first);
        }
        Ok(stream)
    }

    async fn send(
        &self,
        method: &Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Incoming>, RequestFault> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let directory = utf8_percent_encode(&self.server.directory, NON_ALPHANUMERIC);
        let uri = format!("http://{}{path}{separator}directory={directory}", self.server.address);
        let body = body.map(Value::to_string).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(uri)
            .header(AUTHORIZATION, format!("Basic {}", self.authorization))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::from(body))
            .map_err(|error| RequestFault::Connection(error.to_string()))?;
        self.http.request(request).await.map_err(|error| {
            let cause =
                std::error::Error::source(&error).map_or_else(String::new, |cause| format!(": {cause}"));
            RequestFault::Connection(format!("{error}{cause}"))
        })
    }

    /// Returns the beginning of a body without secrets, on one line.
    fn excerpt(&self, body: &[u8]) -> String {
        let mut text = String::from_utf8_lossy(body).into_owned();
        let secrets = self.server.secrets.iter().chain([&self.server.password, &self.authorization]);
        for secret in secrets.filter(|secret| !secret.is_empty()) {
            text = text.replace(secret.as_str(), "[redacted]");
        }
        let words: Vec<_> = text.split_whitespace().collect();
        words.join(" ").chars().take(EXCERPT).collect()
    }
}

fn failure(method: &Method, path: &str, fault: RequestFault) -> RequestError {
    let path = path.split('?').next().unwrap_or_default().to_owned();
    RequestError { method: method.clone(), path, fault }
}

fn is_event_stream(content_type: &HeaderValue) -> bool {
    content_type.to_str().is_ok_and(|content_type| content_type.starts_with("text/event-stream"))
}

/// Parses JSON as JavaScript writes it.
pub(crate) fn parse(json: &[u8]) -> Option<Value> {
    let mended = || serde_json::from_slice(&rdev_runner_domain::mend_surrogates(json)).ok();
    serde_json::from_slice(json).ok().or_else(mended)
}

/// An open stream of events.
#[derive(Debug)]
pub(crate) struct EventStream {
    body: Incoming,
    decoder: EventDecoder,
    ready: VecDeque<ServerEvent>,
    heard_at: Instant,
}

impl EventStream {
    /// Returns the next event; `None` once the connection has dropped. An abandoned call loses nothing.
    pub(crate) async fn next(&mut self) -> Option<ServerEvent> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let frame = timeout_at(self.heard_at + HEARTBEAT_TIMEOUT, self.body.frame()).await.ok()??.ok()?;
            self.heard_at = Instant::now();
            if let Some(piece) = frame.data_ref() {
                self.ready.extend(self.decoder.push(piece));
            }
        }
    }
}
