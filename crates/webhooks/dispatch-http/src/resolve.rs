//! Looking names up.

use std::net::IpAddr;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::LocalFault;
use tokio::time::Instant;

use crate::Deadline;

/// What looks up the addresses of a name. The caller sets the deadline: the future may be dropped.
#[async_trait]
pub trait Resolve: Send + Sync + 'static {
    /// Returns all addresses of `name`, in the order in which they should be tried. The purpose says only
    /// which other look-ups this one may have to wait for. A wait for capacity of this host is a
    /// [`local_wait`](Deadline::local_wait) of the deadline.
    ///
    /// # Errors
    ///
    /// Fails if the name has no addresses, or if this host cannot tell.
    async fn resolve(
        &self,
        name: &str,
        purpose: Purpose,
        deadline: &Deadline,
    ) -> Result<Vec<IpAddr>, ResolveError>;

    /// Tells whether the resolver has answered nobody since `since`, so that a look-up that takes too long says
    /// nothing about its name.
    fn is_silent(&self, since: Instant) -> bool {
        let _ = since;
        false
    }
}

/// What a name is looked up for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// To connect to an endpoint.
    Delivery,
    /// To judge a URL that somebody wants to store.
    Vetting,
    /// To connect to the egress proxy.
    EgressProxy,
}

/// Why a name was not looked up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The name does not exist, or its own servers do not answer.
    #[error("{0}")]
    Name(String),
    /// This host could not ask.
    #[error(transparent)]
    Local(#[from] LocalFault),
}
