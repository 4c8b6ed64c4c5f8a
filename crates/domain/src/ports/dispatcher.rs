use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;

use crate::{AttemptOutcome, EndpointUrl, Phases, RefusedDestination};

/// What sends a delivery out.
#[async_trait]
pub trait Dispatcher: Send + Sync + 'static {
    /// Says whether a URL may be delivered to, as far as can be told now, for an early answer to whom
    /// sets it: a literal address is judged, a name is looked up and every address of it judged. A name
    /// that cannot be looked up passes; [`Self::send`] judges again.
    async fn vet(&self, url: &EndpointUrl) -> Result<(), RefusedDestination>;

    /// Sends one `POST` and reports what came of it; that the endpoint failed is a report, not an error.
    ///
    /// 1. MUST return within the request's deadline, which covers everything from the look-up of the
    ///    name to the last byte of the body that is read.
    /// 2. MUST NOT follow a redirect, and MUST NOT connect to an address that the policy refuses.
    /// 3. MUST keep at most [`RESPONSE_BODY_LIMIT`](crate::RESPONSE_BODY_LIMIT) bytes of the body, and
    ///    hold no more than that in memory.
    /// 4. MUST be safe to drop at any time; the exchange ends with it.
    async fn send(&self, request: DispatchRequest) -> DispatchReport;
}

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct DispatchRequest {
    /// Where to.
    pub url: EndpointUrl,
    /// All headers save those of the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// How long everything together may take.
    pub deadline: Duration,
}

/// What came of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchReport {
    /// What the endpoint answered, or why it did not.
    pub outcome: AttemptOutcome,
    /// How long it took.
    pub duration: Duration,
    /// How long the parts of it took.
    pub phases: Phases,
}
