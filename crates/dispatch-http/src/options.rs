use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::DestinationPolicy;
use rustls::pki_types::CertificateDer;

use crate::{ProxyUrl, Resolve, SystemResolver};

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
    /// How long an unused connection is kept; 30 s unless told. Shorter than most servers keep theirs, so
    /// that they seldom close one just as a request goes out.
    pub pool_idle_timeout: Duration,
    /// How many unused connections are kept for each host and port; 256 unless told.
    pub pool_max_idle_per_host: usize,
    /// Whether the certificate authorities that the system trusts are trusted.
    pub system_roots: bool,
    /// Certificate authorities to be trusted besides.
    pub extra_roots: Vec<CertificateDer<'static>>,
    /// What looks names up.
    pub resolver: Arc<dyn Resolve>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            policy: DestinationPolicy::default(),
            require_https: false,
            egress_proxy: None,
            pool_idle_timeout: Duration::from_secs(30),
            pool_max_idle_per_host: 256,
            system_roots: true,
            extra_roots: Vec::new(),
            resolver: Arc::new(SystemResolver::default()),
        }
    }
}

/// Why no dispatcher could be made.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OptionsError {
    /// One of [`Options::extra_roots`] is no certificate.
    #[error("certificate authority number {number} of those to be trusted besides cannot be read")]
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
