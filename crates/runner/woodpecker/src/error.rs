//! Errors.

use std::time::Duration;

use http::{Method, StatusCode};

/// The reason why an operation failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The URL of the server is invalid.
    #[error("the URL of Woodpecker is invalid: {0}")]
    Url(String),
    /// The token cannot be sent.
    #[error("the token of Woodpecker must be visible ASCII characters")]
    Token,
    /// A secret is invalid.
    #[error("the secret {0}")]
    Secret(&'static str),
    /// The server does not show the repository to the owner of the token.
    #[error(
        "Woodpecker does not show the repository {0} to the owner of the token: check its name, and that the forge \
             lets that account administer it"
    )]
    NoRepository(String),
    /// A request failed.
    #[error("{method} {path}: {fault}")]
    Request {
        /// The method.
        method: Method,
        /// The path, without the query.
        path: String,
        /// What happened.
        fault: Fault,
    },
}

/// The reason why a request failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Fault {
    /// No connection could be made, so that nothing was sent.
    #[error("no connection: {0}")]
    NotConnected(String),
    /// The connection broke.
    #[error("no answer: {0}")]
    Connection(String),
    /// The server took too long.
    #[error("no answer within {} s", .0.as_secs())]
    Timeout(Duration),
    /// The answer is too long.
    #[error("the answer has more than {0} bytes")]
    TooLarge(usize),
    /// The server refused the request, or failed.
    #[error("{}{}", meaning(*.status), quoted(.excerpt))]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the answer.
        excerpt: String,
    },
    /// The answer is not what Woodpecker answers.
    #[error("the answer is not Woodpecker's{}", quoted(.0))]
    Foreign(String),
}

impl Error {
    /// Returns the status with which the server answered, if that is the failure.
    #[must_use]
    pub const fn status(&self) -> Option<StatusCode> {
        match self {
            Self::Request { fault: Fault::Status { status, .. }, .. } => Some(*status),
            _ => None,
        }
    }

    /// Returns whether the server may still do what it was asked for. A proxy answers for a server that is slow.
    pub(crate) fn is_unanswered(&self) -> bool {
        match self {
            Self::Request { fault: Fault::Connection(_) | Fault::Timeout(_), .. } => true,
            _ => self.status().is_some_and(|status| {
                matches!(status, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT)
            }),
        }
    }

    /// Returns whether the same request may succeed later.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Request { fault: Fault::NotConnected(_), .. } => true,
            _ => self
                .status()
                .is_some_and(|status| status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS),
        }
    }
}

fn meaning(status: StatusCode) -> String {
    match status {
        StatusCode::UNAUTHORIZED => "401: the token is unknown or has expired".to_owned(),
        StatusCode::FORBIDDEN => "403: the owner of the token may not do this".to_owned(),
        other => other.to_string(),
    }
}

fn quoted(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(": {text}") }
}
