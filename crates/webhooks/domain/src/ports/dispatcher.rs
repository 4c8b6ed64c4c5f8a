use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::HeaderMap;

use crate::{AttemptOutcome, EndpointUrl, Phases, RefusedDestination};

/// The sender of deliveries.
#[async_trait]
pub trait Dispatcher: Send + Sync + 'static {
    /// Checks whether deliveries may be sent to a URL, so that the caller that sets it learns it early.
    /// Judges a literal address; resolves a name and judges all its addresses. Accepts a name that cannot be
    /// resolved; [`Self::send`] judges again.
    async fn check_destination(&self, url: &EndpointUrl) -> Result<(), RefusedDestination>;

    /// Sends one `POST` and reports its outcome. A failure of the endpoint is a report, not an error.
    ///
    /// # Errors
    ///
    /// Fails with a [`LocalFault`] if this host could not make the attempt.
    ///
    /// 1. MUST return within the request's deadline, which covers everything from the look-up of the name to
    ///    the last byte of the body that is read. Waits for capacity of this host are added to it, at most
    ///    [`MAX_LOCAL_WAIT`].
    /// 2. MUST NOT follow a redirect, and MUST NOT connect to an address that the policy refuses.
    /// 3. MUST keep at most [`RESPONSE_BODY_LIMIT`](crate::RESPONSE_BODY_LIMIT) bytes of the body, and hold
    ///    no more than that in memory.
    /// 4. MUST be safe to drop at any time. Dropping it ends the exchange.
    /// 5. MUST fail with a [`LocalFault`] only if no byte of the request was sent, for a reason that says
    ///    nothing about the endpoint.
    async fn send(&self, request: DispatchRequest) -> Result<DispatchReport, LocalFault>;
}

/// The longest wait of an attempt for capacity of this host, in addition to its deadline.
pub const MAX_LOCAL_WAIT: Duration = Duration::from_secs(10);

/// The reason why this host could not make an attempt. Nothing was sent, and the endpoint has no part in it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{detail}")]
pub struct LocalFault {
    /// The kind, for counts.
    pub cause: LocalCause,
    /// A sentence for the operator's log.
    pub detail: String,
}

/// The kinds of local faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LocalCause {
    /// The process or the host is out of file descriptors or memory.
    Resources,
    /// The host is out of local ports.
    Ports,
    /// The host has no route to the network.
    Network,
    /// The host's DNS resolver is missing or does not answer.
    Resolver,
    /// The egress proxy cannot be reached or used.
    EgressProxy,
    /// All places for outbound connections or name look-ups stayed in use.
    Capacity,
}

impl LocalCause {
    /// All kinds, in the order of their discriminants.
    pub const ALL: [Self; 6] =
        [Self::Resources, Self::Ports, Self::Network, Self::Resolver, Self::EgressProxy, Self::Capacity];

    /// Returns the name in metrics and logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Resources => "resources",
            Self::Ports => "ports",
            Self::Network => "network",
            Self::Resolver => "resolver",
            Self::EgressProxy => "egress_proxy",
            Self::Capacity => "capacity",
        }
    }
}

/// A request to send.
#[derive(Debug, Clone)]
pub struct DispatchRequest {
    /// The URL of the endpoint.
    pub url: EndpointUrl,
    /// All headers except those of the connection.
    pub headers: HeaderMap,
    /// The body.
    pub body: Bytes,
    /// The maximum duration of the whole attempt.
    pub deadline: Duration,
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DispatchReport {
    /// The endpoint's response, or the reason why there is none.
    pub outcome: AttemptOutcome,
    /// The duration of the attempt.
    pub duration: Duration,
    /// The durations of its phases.
    pub phases: Phases,
}
