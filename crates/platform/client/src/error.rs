//! Errors.

use std::fmt;
use std::time::Duration;

use http::header::HeaderName;
use serde::Deserialize;

/// The reason why a call failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service refused the call.
    #[error("{0}")]
    Problem(Box<Problem>),
    /// The response is not one of this API, for example a proxy's.
    #[error("{url} responded with {status}, which is not a response of this API")]
    Foreign {
        /// The URL of the request.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// No connection could be made; nothing was sent.
    #[error("cannot connect to {url}: {reason}")]
    Unreachable {
        /// The base URL.
        url: String,
        /// The reason.
        reason: String,
    },
    /// The connection broke. The service may have carried out the call.
    #[error("the connection to {url} broke: {reason}")]
    Interrupted {
        /// The base URL.
        url: String,
        /// The reason.
        reason: String,
    },
    /// No response came in time. The service may have carried out the call.
    #[error("{url} did not respond within {} s", .after.as_secs())]
    Timeout {
        /// The base URL.
        url: String,
        /// The time that was waited.
        after: Duration,
    },
    /// The arguments or options of the call are invalid; nothing was sent.
    #[error("{0}")]
    Invalid(String),
}

impl Error {
    pub(crate) fn invalid_header(name: &HeaderName) -> Self {
        Self::Invalid(format!("the value of {name} has invalid characters"))
    }

    /// Returns the problem, if the service sent one.
    #[must_use]
    pub fn problem(&self) -> Option<&Problem> {
        match self {
            Self::Problem(problem) => Some(problem),
            _ => None,
        }
    }

    /// Returns whether the same call may succeed later: the service is unreachable, overloaded or stopping.
    #[must_use]
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Problem(problem) => matches!(problem.status, 429 | 503),
            Self::Foreign { status, .. } => matches!(status, 429 | 502 | 503 | 504),
            Self::Unreachable { .. } | Self::Interrupted { .. } | Self::Timeout { .. } => true,
            Self::Invalid(_) => false,
        }
    }

    /// Returns whether the service does not know the resource.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.problem().is_some_and(|problem| problem.status == 404)
    }
}

/// An error of the API, by RFC 9457.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Problem {
    /// A URN that identifies the kind of problem.
    #[serde(rename = "type")]
    pub type_uri: String,
    /// The kind of problem, for people.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong with this request, for people.
    pub detail: String,
    /// The path of the request.
    pub instance: String,
    /// The kind of problem, for programs.
    pub code: String,
    /// The id by which the service's log identifies the request.
    pub request_id: String,
    /// The faults in the request.
    pub errors: Vec<Fault>,
}

/// A fault in a request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[non_exhaustive]
pub struct Fault {
    /// The JSON pointer of a fault in the body.
    pub pointer: Option<String>,
    /// The name of a wrong query parameter.
    pub parameter: Option<String>,
    /// The name of a wrong header.
    pub header: Option<String>,
    /// What is wrong.
    pub detail: String,
}

impl Fault {
    /// Returns the pointer, the parameter or the header.
    #[must_use]
    pub fn place(&self) -> &str {
        [&self.pointer, &self.parameter, &self.header].into_iter().flatten().next().map_or("", String::as_str)
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.detail)
    }
}
