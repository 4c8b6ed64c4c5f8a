//! The look-up of one name.

use std::net::IpAddr;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::LocalFault;

/// Looks one name up.
#[async_trait]
pub(crate) trait LookUp: Send + Sync + 'static {
    async fn look_up(&self, name: &str) -> Result<Vec<IpAddr>, LookUpError>;

    /// Returns whether the resolver answers a query that is not about a particular name.
    async fn is_alive(&self) -> bool;
}

/// The reason why a look-up found nothing.
#[derive(Debug, Clone)]
pub(crate) enum LookUpError {
    /// The name does not exist.
    Name(String),
    /// The name's servers do not respond, or this host's resolver does not.
    Unanswered(String),
    /// This host could not ask.
    Local(LocalFault),
}
