use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::DestinationPolicy;
use rustls::pki_types::CertificateDer;

use crate::{ProxyUrl, Resolve, SystemResolver};

/// The maximum number of outbound connections that a process needs, however many descriptors it may open.
const MAX_CONNECTIONS: usize = 8_192;
const MAX_IDLE_CONNECTIONS: usize = 2_048;
const MAX_LOOK_UPS: usize = 1_024;
/// The minimum number with which a process can work.
const MIN_CONNECTIONS: usize = 8;
const MIN_LOOK_UPS: usize = 16;
/// The number of descriptors that the database and the API need at least.
const RESERVED_DESCRIPTORS: usize = 64;

/// The options of an [`HttpDispatcher`](crate::HttpDispatcher). By default it reaches only public addresses,
/// over `https` and `http`, and trusts the roots of the system.
#[derive(Clone)]
pub struct Options {
    /// The addresses that may be reached.
    pub policy: DestinationPolicy,
    /// Whether `http://` URLs are refused.
    pub require_https: bool,
    /// The HTTP proxy of all deliveries. It gets judged addresses and never names; its own address is not
    /// judged. The default is none: the environment (`HTTPS_PROXY` and the like) is ignored.
    pub egress_proxy: Option<ProxyUrl>,
    /// The time for which an unused connection is kept: by default 30 s, or less if the endpoint says so by
    /// `Keep-Alive`. Most servers keep theirs longer, so that they seldom close one just as a request is
    /// sent.
    pub pool_idle_timeout: Duration,
    /// The maximum number of unused connections to each host and port; by default 256.
    pub pool_max_idle_per_host: usize,
    /// The maximum number of open connections; by default half of the descriptors that the process may open,
    /// less some for the database and the API, and at most 8,192. A request for a further connection waits,
    /// within [`MAX_LOCAL_WAIT`](rdev_webhooks_domain::ports::MAX_LOCAL_WAIT).
    pub max_connections: usize,
    /// The maximum number of unused connections; by default half of `max_connections`, and at most 2,048. The
    /// longest unused connection is closed first.
    pub max_idle_connections: usize,
    /// The maximum age of a connection; by default 30 s. An older connection is not used for another request,
    /// so that names are looked up and judged again under steady traffic too.
    pub max_connection_age: Duration,
    /// Whether the system's certificate authorities are trusted.
    pub system_roots: bool,
    /// Additional trusted certificate authorities.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// The resolver of names.
    pub resolver: Arc<dyn Resolve>,
}

impl Default for Options {
    fn default() -> Self {
        let descriptors = descriptors();
        let connections = descriptors.saturating_sub(RESERVED_DESCRIPTORS) / 2;
        let max_connections = connections.clamp(MIN_CONNECTIONS, MAX_CONNECTIONS);
        Self {
            policy: DestinationPolicy::default(),
            require_https: false,
            egress_proxy: None,
            pool_idle_timeout: Duration::from_secs(30),
            pool_max_idle_per_host: 256,
            max_connections,
            max_idle_connections: (max_connections / 2).min(MAX_IDLE_CONNECTIONS),
            max_connection_age: Duration::from_secs(30),
            system_roots: true,
            extra_roots: Vec::new(),
            resolver: Arc::new(SystemResolver::new((descriptors / 16).clamp(MIN_LOOK_UPS, MAX_LOOK_UPS))),
        }
    }
}

/// Returns the number of descriptors that the process may open.
fn descriptors() -> usize {
    let limit = rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// The reason why a dispatcher could not be created.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// One of [`Options::extra_roots`] is not a certificate.
    #[error("additional certificate authority number {number} cannot be read")]
    Root {
        /// Its number, from 1.
        number: usize,
        /// The reason.
        #[source]
        source: rustls::Error,
    },
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
}
