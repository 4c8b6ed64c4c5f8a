//! The options of the API and its server.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;

/// The options of the API besides its services.
#[derive(Clone)]
pub struct ApiOptions {
    /// The administrator key, which has every right. The caller must ensure that it has at least 32
    /// characters.
    pub api_key: SecretString,
    /// How long a request may take, including its body. After that, a client that is still sending gets 408,
    /// and one that waits for the response gets 503. The outcome of a write that has begun is awaited for up
    /// to 20 s longer.
    pub request_timeout: Duration,
    /// The source of `GET /metrics`; without it the path does not exist.
    pub metrics: Option<MetricsSource>,
}

/// A function that returns the response of `GET /metrics` in Prometheus' format.
pub type MetricsSource = Arc<dyn Fn() -> String + Send + Sync>;

impl ApiOptions {
    /// Returns options with a request timeout of 10 s and no metrics.
    #[must_use]
    pub fn new(api_key: SecretString) -> Self {
        Self { api_key, request_timeout: Duration::from_secs(10), metrics: None }
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions").field("request_timeout", &self.request_timeout).finish_non_exhaustive()
    }
}
