//! The destination guard: resolves a host to the addresses that may be connected to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rdev_webhooks_domain::ports::LocalFault;
use rdev_webhooks_domain::{DestinationPolicy, RefusedDestination};
use tokio::time::Instant;
use url::Host;

use crate::deadline::Deadline;
use crate::{Purpose, Resolve, ResolveError};

#[derive(Clone)]
pub(crate) struct Guard {
    policy: Arc<DestinationPolicy>,
    resolver: Arc<dyn Resolve>,
}

/// The reason why there is no address to connect to.
#[derive(Debug)]
pub(crate) enum NoAddress {
    Refused(RefusedDestination),
    LookUp(String),
    Local(LocalFault),
}

/// The reason why a name is refused, for readers who must not learn about the operator's network.
const RESOLVES_TO_REFUSED: &str = "it resolves to an address that deliveries may not reach";

impl From<RefusedDestination> for NoAddress {
    fn from(refused: RefusedDestination) -> Self {
        Self::Refused(refused)
    }
}

impl Guard {
    pub(crate) fn new(policy: DestinationPolicy, resolver: Arc<dyn Resolve>) -> Self {
        Self { policy: Arc::new(policy), resolver }
    }

    /// Returns the addresses of a host: at least one, each of them judged. One refused address among the
    /// results refuses the name: the owner of the name also controls their order.
    pub(crate) async fn addresses(
        &self,
        host: &Host<&str>,
        purpose: Purpose,
        deadline: &Deadline,
    ) -> Result<Vec<IpAddr>, NoAddress> {
        self.policy.judge_host(host)?;
        let name = match *host {
            Host::Ipv4(address) => return Ok(vec![address.into()]),
            Host::Ipv6(address) => return Ok(vec![IpAddr::V6(address).to_canonical()]),
            Host::Domain(name) => name,
        };
        if DestinationPolicy::is_localhost(name) {
            return self.loopback().map_err(NoAddress::Refused);
        }
        let found = self.resolver.resolve(name, purpose, deadline).await.map_err(|error| match error {
            ResolveError::Name(reason) => NoAddress::LookUp(reason),
            ResolveError::Local(fault) => NoAddress::Local(fault),
        })?;
        for address in &found {
            self.policy.judge(*address).map_err(|refused| {
                let RefusedDestination { host: address, reason } = refused;
                tracing::info!(name, address, reason, "name resolves to a refused address");
                // The message contains neither the address nor its block: they may be known only in the
                // operator's network.
                RefusedDestination { host: name.to_owned(), reason: RESOLVES_TO_REFUSED }
            })?;
        }
        if found.is_empty() {
            return Err(NoAddress::LookUp("the name has no address".to_owned()));
        }
        Ok(interleaved(found))
    }

    /// Returns whether the resolver has answered no look-up since `since`.
    pub(crate) fn is_resolver_silent(&self, since: Instant) -> bool {
        self.resolver.is_silent(since)
    }

    /// Returns the addresses of `localhost`, without a look-up, as RFC 6761 (section 6.3) requires. Possibly
    /// only one of the two families is allowed.
    fn loopback(&self) -> Result<Vec<IpAddr>, RefusedDestination> {
        let all = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        let open: Vec<_> = all.into_iter().filter(|address| self.policy.judge(*address).is_ok()).collect();
        if open.is_empty() {
            self.policy.judge(all[0])?;
        }
        Ok(open)
    }
}

/// Alternates the families, beginning with that of the first address, each in its own order, without
/// duplicates: a family that leads nowhere then costs one try and not all of them.
fn interleaved(found: Vec<IpAddr>) -> Vec<IpAddr> {
    let first_is_v4 = found.first().is_some_and(IpAddr::is_ipv4);
    let (mut first, mut second) = (Vec::new(), Vec::new());
    for address in found.into_iter().map(|address| address.to_canonical()) {
        let family = if address.is_ipv4() == first_is_v4 { &mut first } else { &mut second };
        if !family.contains(&address) {
            family.push(address);
        }
    }
    let mut all = Vec::with_capacity(first.len() + second.len());
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    loop {
        let before = all.len();
        all.extend(first.next());
        all.extend(second.next());
        if all.len() == before {
            return all;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn families_alternate_in_their_own_order() {
        let parse =
            |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let found = parse(&["::1", "::2", "::3", "1.1.1.1", "::2", "::ffff:1.1.1.1", "2.2.2.2"]);
        let expected = parse(&["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]);
        assert_eq!(interleaved(found), expected);
    }
}
