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
    /// answered 408 and one that waits for us 503. The outcome of a write that has begun is waited for up to
    /// 20 s longer.
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

const MIN_CONNECTIONS: usize = 64;
const MAX_CONNECTIONS: usize = 4_096;

/// What bounds the server's connections.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServeOptions {
    /// How many connections may be open at once; a further one takes the place of one that waits.
    pub max_connections: usize,
    /// How long a client may take over the head of a request, from its first byte on; over the first head, from the
    /// connection's beginning.
    pub header_read_timeout: Duration,
    /// How long a connection may wait for its next request.
    pub idle_timeout: Duration,
    /// How many bytes a request's head may have; at least 8,192. What is left out or added around the parts of a head
    /// without changing what it means does not count.
    pub max_head_bytes: usize,
    /// How many headers a request may have.
    pub max_headers: usize,
    /// How long a stop waits for the requests that are being answered before it cuts them off.
    pub drain_timeout: Duration,
}

/// How many connections leave files enough for the database and for deliveries.
fn connections() -> usize {
    let files = rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024);
    usize::try_from(files / 4).unwrap_or(usize::MAX).clamp(MIN_CONNECTIONS, MAX_CONNECTIONS)
}

impl Default for ServeOptions {
    /// 4,096 connections, or a quarter of the files that the process may open now if that is less; 10 s for a head of at most 32 KiB and 100 headers, 75 s idle, 20 s to drain.
    fn default() -> Self {
        Self {
            max_connections: connections(),
            header_read_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(75),
            max_head_bytes: 32 * 1_024,
            max_headers: 100,
            drain_timeout: Duration::from_secs(20),
        }
    }
}
