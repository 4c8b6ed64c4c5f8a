//! Received requests and their verification.

use bytes::Bytes;
use http::{HeaderMap, Method};
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::DispatchRequest;
use rdev_webhooks_signing::{Headers, VerificationKey, Verifier, VerifyError};
use tokio::time::Instant;

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct ReceivedRequest {
    /// The method.
    pub method: Method,
    /// The path, and the query if there is one.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The exact body.
    pub body: Bytes,
    /// When the head of the request had arrived.
    pub arrived_at: Instant,
}

impl From<DispatchRequest> for ReceivedRequest {
    /// Creates the request that a receiver gets, now.
    fn from(request: DispatchRequest) -> Self {
        let path = request.url.uri().path_and_query().map_or("/", |path| path.as_str());
        Self {
            method: Method::POST,
            path: path.to_owned(),
            headers: request.headers,
            body: request.body,
            arrived_at: Instant::now(),
        }
    }
}

impl ReceivedRequest {
    /// Returns the value of a header. Fails the test if it is missing or not text.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("the request has no {name}"));
        value.to_str().expect("a sent header is text")
    }
}

/// Verifies a request as its receiver would at `now`, with the verifier of the signing crate.
pub fn verify(
    request: &ReceivedRequest,
    key: impl Into<VerificationKey>,
    now: Timestamp,
) -> Result<(), VerifyError> {
    let headers = Headers::from_lookup(|name| request.headers.get(name)?.to_str().ok());
    Verifier::new(key).verify(headers, &request.body, now.as_unix_seconds())
}

/// Verifies a request like [`verify`], with a secret or a public key as text: `whsec_…`, `whsk_…` or
/// `whpk_…`.
pub fn verify_text(request: &ReceivedRequest, key: &str, now: Timestamp) -> Result<(), VerifyError> {
    let key: VerificationKey = key.parse().expect("the text is a valid key");
    verify(request, key, now)
}
