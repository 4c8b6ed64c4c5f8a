//! The connection.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, USER_AGENT};
use http::{HeaderMap, Method, Request, Response};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::builder::Trace;
use crate::key::{CallKey, IDEMPOTENCY_KEY};
use crate::transport::cause;
use crate::{
    Builder, Call, Error, Live, Operation, Page, PageRequest, Problem, Query, Reply, Transport,
    TransportError, key, retry,
};

/// The longest that one attempt of a call takes.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// The size of the largest response that is read: a full page of the feed has 100 events of 256 KiB.
const MAX_RESPONSE: usize = 64 * 1_024 * 1_024;
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The connection to one service with one API key. Clones share their sockets.
#[derive(Clone)]
pub struct Connection {
    pub(crate) agent: HeaderValue,
    pub(crate) base: Arc<str>,
    pub(crate) transport: Transport,
    pub(crate) authorization: Option<HeaderValue>,
    pub(crate) timeout: Duration,
    pub(crate) key: Option<Arc<CallKey>>,
    pub(crate) trace: Option<Trace>,
}

/// Omits the API key.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").field("base", &self.base).finish_non_exhaustive()
    }
}

impl Connection {
    /// Returns a builder for a client of the service at `url`, like `http://127.0.0.1:8080`. `agent` is the value of
    /// the header `user-agent`; it must fit one.
    pub fn builder<C: From<Self>>(agent: &'static str, url: impl Into<String>) -> Builder<C> {
        Builder::new(agent, url.into())
    }

    /// Returns the URL of the service.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.base
    }

    /// Returns a client whose writing calls have this idempotency key, so that a program that is started again
    /// repeats nothing. The second call has the key with `-2`, and so on. Without it each call has a random key.
    #[must_use]
    pub fn with_idempotency_key(&self, key: impl Into<String>) -> Self {
        Self { key: Some(Arc::new(CallKey::new(key.into()))), ..self.clone() }
    }

    /// Sends a call and parses the response.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<Reply<T>, Error> {
        let (_, body) = self.response(&call).await?;
        serde_json::from_slice(&body).map_err(|_| Error::Foreign { url: self.url_of(&call), status: 200 })
    }

    /// Sends a call whose response has no body. A repeated call may find that the first attempt was carried out.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn send_delete(&self, call: Call) -> Result<(), Error> {
        let mut attempts = 0;
        match self.attempts(&call, &mut attempts).await {
            Err(error) if error.is_not_found() && attempts > 1 => Ok(()),
            result => result.map(drop),
        }
    }

    /// Sends a call and returns the headers and the body of the response.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn response(&self, call: &Call) -> Result<(HeaderMap, Bytes), Error> {
        self.attempts(call, &mut 0).await
    }

    /// Sends a call without a query and a body.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn plain<T: DeserializeOwned>(
        &self,
        operation: &Operation,
        arguments: &[&str],
    ) -> Result<Reply<T>, Error> {
        self.send(Call::new(operation, arguments)?).await
    }

    /// Reads a page of a list.
    ///
    /// # Errors
    /// Fails as [`Error`] says.
    pub async fn list<T: DeserializeOwned>(
        &self,
        operation: &Operation,
        arguments: &[&str],
        mut query: Query,
        page: &PageRequest,
    ) -> Result<Reply<Page<T>>, Error> {
        page.add_to(&mut query);
        self.send(Call::new(operation, arguments)?.query(&query)).await
    }

    /// Returns a stream, from the service's default on or after `cursor`. It connects with its first use.
    pub fn stream<T: DeserializeOwned>(&self, call: Call, cursor: Option<String>) -> Live<T> {
        Live::new(self.clone(), call, cursor)
    }

    async fn attempts(&self, call: &Call, attempts: &mut u32) -> Result<(HeaderMap, Bytes), Error> {
        let deadline = Instant::now() + self.timeout;
        let key = match call.method {
            Method::POST => Some(key::for_call(self.key.as_deref())?),
            _ => None,
        };
        loop {
            *attempts += 1;
            let mut demanded = None;
            let left = deadline.saturating_duration_since(Instant::now()).min(ATTEMPT_TIMEOUT);
            let error =
                match tokio::time::timeout(left, self.attempt(call, key.as_ref(), &mut demanded)).await {
                    Ok(Ok(response)) => return Ok(response),
                    Ok(Err(error)) => error,
                    Err(_) => Error::Timeout { url: self.base.to_string(), after: left },
                };
            match retry::wait(&error, demanded, *attempts) {
                Some(wait) if Instant::now() + wait < deadline => {
                    self.say(|| format!("* {error}; retrying in {} ms", wait.as_millis()));
                    tokio::time::sleep(wait).await;
                }
                _ => return Err(error),
            }
        }
    }

    async fn attempt(
        &self,
        call: &Call,
        key: Option<&HeaderValue>,
        demanded: &mut Option<Duration>,
    ) -> Result<(HeaderMap, Bytes), Error> {
        let mut request = self.request(call)?;
        if let Some(key) = key {
            request.headers_mut().insert(IDEMPOTENCY_KEY, key.clone());
        }
        let response = self.exchange(request).await?;
        *demanded = retry::retry_after(response.headers());
        let (head, body) = response.into_parts();
        let body =
            Limited::new(body, MAX_RESPONSE).collect().await.map_err(|error| self.broken(error.as_ref()))?;
        let body = body.to_bytes();
        if head.status.is_success() {
            return Ok((head.headers, body));
        }
        Err(match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Error::Problem(Box::new(problem)),
            Err(_) => Error::Foreign { url: self.url_of(call), status: head.status.as_u16() },
        })
    }

    /// Opens an endless response. Fails if it is not a success.
    pub(crate) async fn open(&self, call: &Call, headers: &[(HeaderName, &str)]) -> Result<Incoming, Error> {
        let mut request = self.request(call)?;
        for (name, value) in headers {
            let value = HeaderValue::from_str(value).map_err(|_| Error::invalid_header(name))?;
            request.headers_mut().insert(name.clone(), value);
        }
        let opened = tokio::time::timeout(ATTEMPT_TIMEOUT, self.exchange(request)).await;
        let timeout = || Error::Timeout { url: self.base.to_string(), after: ATTEMPT_TIMEOUT };
        let (head, body) = opened.map_err(|_| timeout())??.into_parts();
        if head.status.is_success() {
            return Ok(body);
        }
        let body = tokio::time::timeout(ATTEMPT_TIMEOUT, Limited::new(body, MAX_RESPONSE).collect()).await;
        let body = body.map_err(|_| timeout())?.map_err(|error| self.broken(error.as_ref()))?;
        Err(match serde_json::from_slice::<Problem>(&body.to_bytes()) {
            Ok(problem) => Error::Problem(Box::new(problem)),
            Err(_) => Error::Foreign { url: self.url_of(call), status: head.status.as_u16() },
        })
    }

    fn request(&self, call: &Call) -> Result<Request<Bytes>, Error> {
        let builder = Request::builder().method(&call.method).uri(self.url_of(call));
        let body = call.body.clone().unwrap_or_default();
        let mut request = builder.body(body).map_err(|error| Error::Invalid(error.to_string()))?;
        let headers = request.headers_mut();
        headers.insert(USER_AGENT, self.agent.clone());
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        if call.body.is_some() {
            let media_type = match call.method {
                Method::PATCH => "application/merge-patch+json",
                _ => "application/json",
            };
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
        }
        if let Some(tag) = &call.if_match {
            headers
                .insert(IF_MATCH, HeaderValue::from_str(tag).map_err(|_| Error::invalid_header(&IF_MATCH))?);
        }
        Ok(request)
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Response<Incoming>, Error> {
        self.say(|| described(&request));
        let started = Instant::now();
        let response = self.transport.send(request).await.map_err(|error| self.unanswered(error))?;
        self.say(|| {
            let id = response.headers().get(REQUEST_ID).and_then(|id| id.to_str().ok()).unwrap_or("-");
            let took = started.elapsed().as_secs_f64() * 1_000.0;
            format!("< {} in {took:.1} ms, request id {id}", response.status())
        });
        Ok(response)
    }

    fn url_of(&self, call: &Call) -> String {
        format!("{}{}", self.base, call.target)
    }

    fn unanswered(&self, error: TransportError) -> Error {
        let (url, reason) = (self.base.to_string(), error.reason);
        match error.is_connect {
            true => Error::Unreachable { url, reason },
            false => Error::Interrupted { url, reason },
        }
    }

    pub(crate) fn broken(&self, error: &(dyn std::error::Error + 'static)) -> Error {
        Error::Interrupted { url: self.base.to_string(), reason: cause(error) }
    }

    fn say(&self, line: impl FnOnce() -> String) {
        if let Some(trace) = &self.trace {
            trace(&line());
        }
    }
}

/// Describes a request without its key and its body.
fn described(request: &Request<Bytes>) -> String {
    let mut line = format!("> {} {}", request.method(), request.uri());
    for (name, value) in request.headers().iter().filter(|(name, _)| **name != USER_AGENT) {
        let value = if value.is_sensitive() { "…" } else { value.to_str().unwrap_or("…") };
        line.push_str(&format!("\n> {name}: {value}"));
    }
    if !request.body().is_empty() {
        line.push_str(&format!("\n> {} bytes", request.body().len()));
    }
    line
}
