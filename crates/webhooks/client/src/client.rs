//! The client.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderName, HeaderValue, IF_MATCH, USER_AGENT};
use http::{HeaderMap, Method, Request, Response, Uri};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use rand::TryRng;
use rand::rngs::SysRng;
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use crate::call::Call;
use crate::transport::{Transport, TransportError, cause};
use crate::{Error, Problem, Reply, retry};

/// The longest that a call takes, unless the builder says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);
/// The longest that one attempt of a call takes.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(30);
/// The size of the largest response that is read: a full page of the feed has 100 events of 256 KiB.
const MAX_RESPONSE: usize = 64 * 1_024 * 1_024;
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("rdev-webhooks-client/", env!("CARGO_PKG_VERSION")));

type Trace = Arc<dyn Fn(&str) + Send + Sync>;

/// A client of one service with one API key. Clones share their connections.
#[derive(Clone)]
pub struct Client {
    base: Arc<str>,
    transport: Transport,
    authorization: Option<HeaderValue>,
    timeout: Duration,
    key: Option<Arc<CallKey>>,
    trace: Option<Trace>,
}

/// Omits the API key.
impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").field("base", &self.base).finish_non_exhaustive()
    }
}

/// The caller's own idempotency key, and the number of calls that have used it.
struct CallKey {
    key: String,
    calls: AtomicU32,
}

/// The settings of a [`Client`].
#[must_use]
pub struct Builder {
    url: String,
    api_key: Option<SecretString>,
    timeout: Duration,
    trace: Option<Trace>,
}

impl Builder {
    /// Sets the API key. Without one, only health, the version and the description can be read.
    pub fn api_key(mut self, key: impl Into<SecretString>) -> Self {
        self.api_key = Some(key.into());
        self
    }

    /// Sets the deadline of a call with all its attempts.
    pub const fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Sets a function that is called with a line for each request and response. The lines contain neither keys
    /// nor bodies.
    pub fn trace(mut self, trace: impl Fn(&str) + Send + Sync + 'static) -> Self {
        self.trace = Some(Arc::new(trace));
        self
    }

    /// Creates the client.
    ///
    /// # Errors
    /// Fails if the URL is not an `http` or `https` URL without a query, if the key fits no header, or if the
    /// system's certificates are needed and cannot be loaded.
    pub fn build(self) -> Result<Client, Error> {
        let invalid =
            |reason: &str| Error::Invalid(format!("{} is not the URL of a service: {reason}", self.url));
        let base = self.url.trim_end_matches('/');
        let uri: Uri = base.parse().map_err(|_| invalid("use for example http://127.0.0.1:8080"))?;
        if uri.query().is_some() || uri.host().is_none_or(str::is_empty) {
            return Err(invalid("use for example http://127.0.0.1:8080"));
        }
        if uri.authority().is_some_and(|authority| authority.as_str().contains('@')) {
            return Err(Error::Invalid("the URL of a service contains no user or password".to_owned()));
        }
        let transport = Transport::new(&uri).map_err(|error| invalid(&error.to_string()))?;
        let authorization = self.api_key.map(|key| {
            let value = HeaderValue::try_from(format!("Bearer {}", key.expose_secret()));
            let mut value =
                value.map_err(|_| Error::Invalid("the API key has invalid characters".to_owned()))?;
            value.set_sensitive(true);
            Ok(value)
        });
        Ok(Client {
            base: base.into(),
            transport,
            authorization: authorization.transpose()?,
            timeout: self.timeout,
            key: None,
            trace: self.trace,
        })
    }
}

impl Client {
    /// Returns a builder for a client of the service at `url`, like `http://127.0.0.1:8080`.
    pub fn builder(url: impl Into<String>) -> Builder {
        Builder { url: url.into(), api_key: None, timeout: TIMEOUT, trace: None }
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
        let key = CallKey { key: key.into(), calls: AtomicU32::new(0) };
        Self { key: Some(Arc::new(key)), ..self.clone() }
    }

    /// Sends a call and parses the response.
    pub(crate) async fn send<T: DeserializeOwned>(&self, call: Call) -> Result<Reply<T>, Error> {
        let (_, body) = self.response(&call).await?;
        serde_json::from_slice(&body).map_err(|_| Error::Foreign { url: self.url_of(&call), status: 200 })
    }

    /// Sends a call whose response has no body. A repeated call may find that the first attempt was carried out.
    pub(crate) async fn send_delete(&self, call: Call) -> Result<(), Error> {
        let mut attempts = 0;
        match self.attempts(&call, &mut attempts).await {
            Err(error) if error.is_not_found() && attempts > 1 => Ok(()),
            result => result.map(drop),
        }
    }

    /// Sends a call and returns the headers and the body of the response.
    pub(crate) async fn response(&self, call: &Call) -> Result<(HeaderMap, Bytes), Error> {
        self.attempts(call, &mut 0).await
    }

    async fn attempts(&self, call: &Call, attempts: &mut u32) -> Result<(HeaderMap, Bytes), Error> {
        let deadline = Instant::now() + self.timeout;
        let key = match call.method {
            Method::POST => Some(self.idempotency_key()?),
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
            let value = HeaderValue::from_str(value).map_err(|_| invalid_header(name))?;
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
        headers.insert(USER_AGENT, AGENT);
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
            headers.insert(IF_MATCH, HeaderValue::from_str(tag).map_err(|_| invalid_header(&IF_MATCH))?);
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

    fn idempotency_key(&self) -> Result<HeaderValue, Error> {
        let key = match &self.key {
            Some(own) => match own.calls.fetch_add(1, Ordering::Relaxed) {
                0 => own.key.clone(),
                earlier => format!("{}-{}", own.key, earlier + 1),
            },
            None => random_key()?,
        };
        HeaderValue::try_from(key).map_err(|_| invalid_header(&IDEMPOTENCY_KEY))
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

/// Returns a random idempotency key.
///
/// # Errors
/// Fails if the system gives no randomness.
pub fn random_key() -> Result<String, Error> {
    let mut bytes = [0; 16];
    let filled = SysRng.try_fill_bytes(&mut bytes);
    filled.map_err(|error| Error::Invalid(format!("the system has no randomness: {error}")))?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}

fn invalid_header(name: &HeaderName) -> Error {
    Error::Invalid(format!("the value of {name} has invalid characters"))
}
