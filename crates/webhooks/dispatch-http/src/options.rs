use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::DestinationPolicy;
use rustls::pki_types::CertificateDer;

use crate::{ProxyUrl, Resolve, SystemResolver};

/// The most outbound connections and look-ups that a process needs, however many descriptors it may have.
const MAX_CONNECTIONS: usize = 8_192;
const MAX_IDLE_CONNECTIONS: usize = 2_048;
const MAX_LOOK_UPS: usize = 1_024;
/// The least that a process can work with.
const MIN_CONNECTIONS: usize = 8;
const MIN_LOOK_UPS: usize = 16;
/// How many descriptors the database and the API need at least.
const RESERVED_DESCRIPTORS: usize = 64;

/// How an [`HttpDispatcher`](crate::HttpDispatcher) works. The default reaches public addresses only,
/// over `https` and `http`, and trusts the roots of the system.
#[derive(Clone)]
pub struct Options {
    /// Which addresses may be reached.
    pub policy: DestinationPolicy,
    /// Whether URLs that begin with `http://` are refused.
    pub require_https: bool,
    /// An HTTP proxy that all deliveries go through. It is asked for judged addresses and never for a
    /// name; its own address is not judged. None unless told: the environment (`HTTPS_PROXY` and the
    /// like) has no say.
    pub egress_proxy: Option<ProxyUrl>,
    /// How long an unused connection is kept at most; 30 s by default, and shorter where an endpoint says so
    /// by `Keep-Alive`. Shorter than most servers keep theirs, so that they seldom close one just as a request
    /// goes out.
    pub pool_idle_timeout: Duration,
    /// How many unused connections are kept for each host and port; 256 by default.
    pub pool_max_idle_per_host: usize,
    /// How many connections may be open in all; by default half of the descriptors that the process may
    /// open, less some for the database and the API, and 8,192 at most. What needs another one waits, within
    /// [`MAX_LOCAL_WAIT`](rdev_webhooks_domain::ports::MAX_LOCAL_WAIT).
    pub max_connections: usize,
    /// How many unused connections are kept in all; by default half of `max_connections`, and 2,048 at most.
    /// The longest unused is closed first.
    pub max_idle_connections: usize,
    /// How old a connection may become; 30 s by default. A connection that is older is not used for another
    /// request, so that a name is looked up and judged again under steady traffic too.
    pub max_connection_age: Duration,
    /// Whether the certificate authorities that the system trusts are trusted.
    pub system_roots: bool,
    /// Certificate authorities to be trusted besides.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What looks names up.
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

/// How many descriptors the process may open.
fn descriptors() -> usize {
    let limit = rlimit::Resource::NOFILE.get_soft().unwrap_or(1_024);
    usize::try_from(limit).unwrap_or(usize::MAX)
}

/// Why no dispatcher could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// One of [`Options::extra_roots`] is no certificate.
    #[error("additional certificate authority number {number} cannot be read")]
    Root {
        /// Which one, counted from 1.
        number: usize,
        /// What is wrong with it.
        #[source]
        source: rustls::Error,
    },
    /// TLS could not be set up.
    #[error("TLS could not be set up")]
    Tls(#[source] rustls::Error),
}
