//! TLS errors in sentences.

use std::io;

use rustls::{CertificateError, Error};

/// Describes an I/O error of a TLS handshake.
pub(crate) fn explain_io(error: &io::Error) -> String {
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
        CertificateError::UnsupportedSignatureAlgorithmContext { .. } => {
            "is signed with an algorithm that is not supported here"
        }
        // A self-signed certificate may name a trusted authority, which has another kind of key.
        CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => {
            "was not signed by the trusted authority that it names"
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
        let key = CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext {
            signature_algorithm_id: vec![6, 8],
            public_key_algorithm_id: vec![6, 7],
        };
        let other = CertificateError::Other(OtherError(Arc::new(io::Error::other("the chain is too long"))));
        for (error, expected) in [
            (algorithm, "the endpoint's certificate is signed with an algorithm that is not supported here"),
            (key, "the endpoint's certificate was not signed by the trusted authority that it names"),
            (other, "the endpoint's certificate chain cannot be verified: the chain is too long"),
        ] {
            assert_eq!(explain(&Error::InvalidCertificate(error)), expected);
        }
    }
}
