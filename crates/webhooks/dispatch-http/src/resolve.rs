//! The resolution of names.

use std::net::IpAddr;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::LocalFault;
use tokio::time::Instant;

use crate::Deadline;

/// Resolves names to addresses. The caller sets the deadline: the future may be dropped.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Returns all addresses of `name`, in the order in which they should be tried. The purpose decides only
    /// which other look-ups this one may have to wait for. A wait for capacity of this host is a
    /// [`local_wait`](Deadline::local_wait) of the deadline.
    ///
    /// # Errors
    ///
    /// Fails if the name has no addresses, or if this host cannot resolve it.
    async fn resolve(
        &self,
        name: &str,
        purpose: Purpose,
        deadline: &Deadline,
    ) -> Result<Vec<IpAddr>, ResolveError>;

    /// Returns whether the resolver has answered no look-up since `since`, so that a look-up that takes too
    /// long says nothing about its name.
    fn is_silent(&self, since: Instant) -> bool {
        let _ = since;
        false
    }
}

/// The purpose of a look-up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To connect to an endpoint.
    Delivery,
    /// To judge a URL before it is stored.
    DestinationCheck,
    /// To connect to the egress proxy.
    EgressProxy,
}

/// The reason why a name was not resolved.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name does not exist, or its own servers do not respond.
    #[error("{0}")]
    Name(String),
    /// This host could not ask.
    #[error(transparent)]
    Local(#[from] LocalFault),
}
