//! TLS: trusted authorities, the handshake, and error messages.

use std::sync::Arc;

use rdev_webhooks_domain::{AttemptFailure, FailureClass};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use crate::OptionsError;
use crate::failure::failure;
use crate::tls_error;

/// Creates the client configuration for TLS 1.2 and 1.3, offering HTTP/2 and HTTP/1.1.
pub(crate) fn config(
    system_roots: bool,
    extra_roots: Vec<CertificateDer<'static>>,
) -> Result<ClientConfig, OptionsError> {
    let mut roots = RootCertStore::empty();
    if system_roots {
        add_system_roots(&mut roots);
    }
    for (index, root) in extra_roots.into_iter().enumerate() {
        roots.add(root).map_err(|source| OptionsError::Root { number: index + 1, source })?;
    }
    // The provider is named, because a process may have installed another default or none.
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(OptionsError::Tls)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}

fn add_system_roots(roots: &mut RootCertStore) {
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "cannot read some of the system's certificate authorities");
    }
    let (added, ignored) = roots.add_parsable_certificates(found.certs);
    tracing::debug!(added, ignored, "system certificate authorities loaded");
    if added == 0 {
        tracing::warn!(
            "no system certificate authorities found, so no https:// destination can be verified; install them \
             (usually the package ca-certificates) or set SSL_CERT_FILE"
        );
    }
}

/// Performs the TLS handshake with `host` over a connection.
pub(crate) async fn handshake(
    config: Arc<ClientConfig>,
    host: &Host<&str>,
    tcp: TcpStream,
) -> Result<TlsStream<TcpStream>, AttemptFailure> {
    let name = match *host {
        Host::Ipv4(address) => ServerName::from(std::net::IpAddr::V4(address)),
        Host::Ipv6(address) => ServerName::from(std::net::IpAddr::V6(address)),
        Host::Domain(name) => ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(|_| {
            let detail = format!("no certificate can be issued for the name {name}");
            failure(FailureClass::Tls, detail)
        })?,
    };
    TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|error| failure(FailureClass::Tls, tls_error::explain_io(&error)))
}
