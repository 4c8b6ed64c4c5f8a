//! TLS: trusted authorities, the handshake, and error messages.

use std::io;
use std::sync::Arc;

use rdev_webhooks_domain::{AttemptFailure, FailureClass};
use rustls::crypto::ring;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{CertificateError, ClientConfig, Error, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use url::Host;

use crate::OptionsError;
use crate::failure::failure;

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
        .map_err(|error| failure(FailureClass::Tls, explain_io(&error)))
}

fn explain_io(error: &io::Error) -> String {
    match inner(error) {
        Some(error) => explain(error),
        None => format!("the connection broke during the TLS handshake: {}", error.kind()),
    }
}

/// Returns the TLS error inside an I/O error.
pub(crate) fn inner(error: &io::Error) -> Option<&Error> {
    error.get_ref()?.downcast_ref()
}

/// Describes a TLS error in a sentence that says which side is at fault.
pub(crate) fn explain(error: &Error) -> String {
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error),
        Error::AlertReceived(alert) => {
            format!("the endpoint rejected the TLS session with the alert {alert:?}")
        }
        Error::InvalidMessage(_) => {
            "the endpoint did not respond with TLS; is the port plain HTTP?".to_owned()
        }
        Error::PeerIncompatible(_) => {
            format!("the endpoint supports no compatible TLS: {error}")
        }
        _ => format!("TLS failed: {error}"),
    }
}

fn explain_certificate(error: &CertificateError) -> String {
    let fault = match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => "has expired",
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => "is not valid yet",
        CertificateError::UnknownIssuer => {
            "was not issued by a trusted authority (or the endpoint does not send the intermediate \
             certificates)"
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            "is for another name"
        }
        CertificateError::Revoked => "has been revoked",
        CertificateError::BadSignature => "has an invalid signature",
        CertificateError::BadEncoding => "cannot be read",
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            "is not for a server"
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "is signed with an algorithm that is not supported here"
        }
        CertificateError::UnhandledCriticalExtension => "has a critical extension that is not supported here",
        // Its own text, without the types around it.
        CertificateError::Other(other) => {
            return format!("the endpoint's certificate chain cannot be verified: {}", other.0);
        }
        other => return format!("the endpoint's certificate is invalid: {other}"),
    };
    format!("the endpoint's certificate {fault}")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rustls::OtherError;

    use super::*;

    #[test]
    fn unusual_certificate_errors_are_explained_without_type_names() {
        let algorithm = CertificateError::UnsupportedSignatureAlgorithmContext {
            signature_algorithm_id: vec![6, 8],
            supported_algorithms: Vec::new(),
        };
        let other = CertificateError::Other(OtherError(Arc::new(io::Error::other("the chain is too long"))));
        for (error, expected) in [
            (algorithm, "the endpoint's certificate is signed with an algorithm that is not supported here"),
            (other, "the endpoint's certificate chain cannot be verified: the chain is too long"),
        ] {
            assert_eq!(explain(&Error::InvalidCertificate(error)), expected);
        }
    }
}
