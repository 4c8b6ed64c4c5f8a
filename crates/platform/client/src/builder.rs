//! The settings of a connection.

use std::fmt;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use http::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};

use crate::{Connection, Error, Transport};

/// The longest that a call takes, unless the builder says otherwise.
const TIMEOUT: Duration = Duration::from_secs(60);

pub(crate) type Trace = Arc<dyn Fn(&str) + Send + Sync>;

/// The settings of a client `C`.
#[must_use]
pub struct Builder<C> {
    agent: &'static str,
    url: String,
    api_key: Option<SecretString>,
    timeout: Duration,
    trace: Option<Trace>,
    client: PhantomData<fn() -> C>,
}

/// Omits the API key.
impl<C> fmt::Debug for Builder<C> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder").field("url", &self.url).finish_non_exhaustive()
    }
}

impl<C: From<Connection>> Builder<C> {
    pub(crate) fn new(agent: &'static str, url: String) -> Self {
        Self { agent, url, api_key: None, timeout: TIMEOUT, trace: None, client: PhantomData }
    }

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
    pub fn build(self) -> Result<C, Error> {
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
        Ok(C::from(Connection {
            agent: HeaderValue::from_static(self.agent),
            base: base.into(),
            transport,
            authorization: authorization.transpose()?,
            timeout: self.timeout,
            key: None,
            trace: self.trace,
        }))
    }
}
