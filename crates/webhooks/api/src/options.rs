//! The options of the API and its server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;
use rdev_http::auth::{Authorized, AuthorizedBy, Hook, Refusal};
use rdev_http::openapi::Description;
use secrecy::SecretString;

/// The options of the API besides its services.
#[derive(Clone)]
pub struct ApiOptions {
    pub(crate) authorized_by: AuthorizedBy,
    pub(crate) request_timeout: Duration,
    pub(crate) metrics: Option<MetricsSource>,
    pub(crate) descriptions: Vec<Description>,
}

/// A function that returns the response of `GET /metrics` in Prometheus' format.
pub type MetricsSource = Arc<dyn Fn() -> String + Send + Sync>;

impl ApiOptions {
    /// Returns the options of an API with keys: `api_key` is the administrator key, which has every right, and
    /// the API creates further ones. Requests may take 10 s, and there is no `/metrics`.
    ///
    /// A key of less than 32 characters is refused: the log says so, and the API admits only the keys that it
    /// created before.
    #[must_use]
    pub fn new(api_key: SecretString) -> Self {
        Self::with(AuthorizedBy::Keys(api_key))
    }

    /// Returns the options of an API whose callers `authorize` admits, in place of keys. The other defaults are
    /// those of [`Self::new`].
    ///
    /// `authorize` gets the head of each request that needs a right: its method, headers and extensions, in which
    /// an outer layer may have put a session. The `uri` is relative to where the router is
    /// nested; the extension `OriginalUri` of axum has the whole. It returns the
    /// caller with its rights, or a refusal that the client gets as a problem document. Idempotency keys and the
    /// limits of an API key apply to each caller by its name, and the projects of its access restrict it as those
    /// of an API key do.
    ///
    /// `GET /events/stream` asks again every 5 s, and ends once the caller is refused or has other rights. A panic
    /// is answered with 500, and an answer that does not arrive by the request's timeout with 503. An access with
    /// the scope `admin` must not be restricted to projects: it is answered with 500.
    ///
    /// ```
    /// use rdev_webhooks_domain::{Access, scopes};
    /// use rdev_webhooks_http_api::{ApiOptions, Authorized, Refusal};
    ///
    /// let options = ApiOptions::authorized_by(async |request| match request.headers.get("x-shop") {
    ///     Some(shop) => {
    ///         let shop = shop.to_str().ok().and_then(|shop| shop.parse().ok());
    ///         let shop = shop.ok_or_else(|| Refusal::forbidden("The shop does not exist."))?;
    ///         let access = Access::new([scopes::WEBHOOKS_WRITE]).with_projects([shop]);
    ///         Ok(Authorized::new("user-7", access))
    ///     }
    ///     None => Err(Refusal::unauthenticated("Sign in first.")),
    /// });
    /// ```
    #[must_use]
    pub fn authorized_by<F, R>(authorize: F) -> Self
    where
        F: Fn(Parts) -> R + Send + Sync + 'static,
        R: Future<Output = Result<Authorized, Refusal>> + Send + 'static,
    {
        Self::with(AuthorizedBy::Hook(Hook::new(authorize)))
    }

    fn with(authorized_by: AuthorizedBy) -> Self {
        let request_timeout = Duration::from_secs(10);
        Self { authorized_by, request_timeout, metrics: None, descriptions: Vec::new() }
    }

    /// Sets how long a request may take, including its body. After that, a client that is still sending gets
    /// 408, and one that waits for the response gets 503. The outcome of a write that has begun is awaited for
    /// up to 20 s longer.
    #[must_use]
    pub fn with_request_timeout(mut self, timeout: Duration) -> Self {
        self.request_timeout = timeout;
        self
    }

    /// Adds the description of another API of the same server to the page of `GET /docs`.
    #[must_use]
    pub fn with_description(mut self, description: Description) -> Self {
        self.descriptions.push(description);
        self
    }

    /// Sets the source of `GET /metrics`; without it the path does not exist.
    #[must_use]
    pub fn with_metrics(mut self, source: MetricsSource) -> Self {
        self.metrics = Some(source);
        self
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions").field("request_timeout", &self.request_timeout).finish_non_exhaustive()
    }
}
