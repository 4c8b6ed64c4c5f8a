//! What the API and its server can be told.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::Entropy;
use secrecy::SecretString;

/// What the API needs besides its services.
#[derive(Clone)]
pub struct ApiOptions {
    /// The bootstrap administrator's key, which may do everything. The caller makes sure that it has
    /// at least 32 characters.
    pub api_key: SecretString,
    /// What request ids are made of.
    pub entropy: Arc<dyn Entropy>,
    /// How long a request may take, its body included: past that, a client that is still sending is
    /// answered 408 and one that waits for us 503.
    pub request_timeout: Duration,
    /// What `GET /metrics` shows; without it there is no such path.
    pub metrics: Option<MetricsSource>,
}

/// Makes the text that `GET /metrics` answers, in Prometheus' format.
pub type MetricsSource = Arc<dyn Fn() -> String + Send + Sync>;

impl ApiOptions {
    /// Options with a request timeout of 10 s and no metrics.
    #[must_use]
    pub fn new(api_key: SecretString, entropy: Arc<dyn Entropy>) -> Self {
        Self { api_key, entropy, request_timeout: Duration::from_secs(10), metrics: None }
    }
}

impl fmt::Debug for ApiOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiOptions").field("request_timeout", &self.request_timeout).finish_non_exhaustive()
    }
}

/// What bounds the server's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// How many connections may be open at once; further ones wait to be accepted.
    pub max_connections: usize,
    /// How long a client may take over the head of a request, from the moment that we wait for it: an
    /// idle connection is closed after that, too.
    pub header_read_timeout: Duration,
    /// How many bytes a request's head may have; at least 8,192.
    pub max_head_bytes: usize,
    /// How many headers a request may have.
    pub max_headers: usize,
    /// How long a stop waits for the requests that are being answered before it cuts them off.
    pub drain_timeout: Duration,
}

impl Default for ServeOptions {
    /// 4,096 connections, 20 s for a head of at most 32 KiB and 100 headers, 20 s to drain.
    fn default() -> Self {
        Self {
            max_connections: 4_096,
            header_read_timeout: Duration::from_secs(20),
            max_head_bytes: 32 * 1_024,
            max_headers: 100,
            drain_timeout: Duration::from_secs(20),
        }
    }
}
