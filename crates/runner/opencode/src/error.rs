//! Failures of requests to the server.

use std::time::Duration;

use http::{Method, StatusCode};

/// A request to the server that failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{method} {path}: {fault}")]
pub(crate) struct RequestError {
    /// The method.
    pub(crate) method: Method,
    /// The path, without the query.
    pub(crate) path: String,
    /// What went wrong.
    pub(crate) fault: RequestFault,
}

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum RequestFault {
    /// No answer, because the connection failed.
    #[error("{0}")]
    Connection(String),
    /// No answer in time.
    #[error("no answer within {0:?}")]
    Timeout(Duration),
    /// An answer that reports a failure.
    #[error("{status}: {excerpt}")]
    Status {
        /// The status.
        status: StatusCode,
        /// The beginning of the body, without secrets.
        excerpt: String,
    },
    /// A successful answer that is not what the API of OpenCode answers. The server answers unknown paths with
    /// 200 and a page for browsers.
    #[error("an unexpected answer: {excerpt}")]
    Foreign {
        /// The beginning of the body, without secrets.
        excerpt: String,
    },
    /// An answer that is too large.
    #[error("an answer of more than {0} bytes")]
    TooLarge(usize),
}

impl RequestError {
    /// Returns whether the server answered 404.
    #[must_use]
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self.fault, RequestFault::Status { status: StatusCode::NOT_FOUND, .. })
    }
}
