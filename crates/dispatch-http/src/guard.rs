//! The destination guard: from a host to the addresses that may be connected to.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use rdev_webhooks_domain::{DestinationPolicy, RefusedDestination};
use url::Host;

use crate::{Purpose, Resolve};

#[derive(Clone)]
pub(crate) struct Guard {
    policy: Arc<DestinationPolicy>,
    resolver: Arc<dyn Resolve>,
}

/// Why there is no address to connect to.
#[derive(Debug)]
pub(crate) enum NoAddress {
    Refused(RefusedDestination),
    LookUp(io::Error),
}

impl From<RefusedDestination> for NoAddress {
    fn from(refused: RefusedDestination) -> Self {
        Self::Refused(refused)
    }
}

impl Guard {
    pub(crate) fn new(policy: DestinationPolicy, resolver: Arc<dyn Resolve>) -> Self {
        Self { policy: Arc::new(policy), resolver }
    }

    /// The addresses of a host, at least one, each of them judged. One refused address among the answers
    /// refuses the name: whoever controls the answers controls their order too.
    pub(crate) async fn addresses(
        &self,
        host: &Host<&str>,
        purpose: Purpose,
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
        let found = self.resolver.resolve(name, purpose).await.map_err(NoAddress::LookUp)?;
        for address in &found {
            self.policy.judge(*address).map_err(|refused| {
                tracing::debug!(name, address = refused.host, reason = refused.reason, "a name is refused");
                // Callers are told the rule and not the address: it may be one that only this network knows.
                RefusedDestination { host: format!("{name} (by what it resolves to)"), ..refused }
            })?;
        }
        if found.is_empty() {
            let error = io::Error::new(io::ErrorKind::NotFound, "it has no address");
            return Err(NoAddress::LookUp(error));
        }
        Ok(interleaved(found))
    }

    /// What `localhost` means: RFC 6761 (section 6.3) wants it answered without asking anybody. Only one
    /// of the two families may be opened.
    fn loopback(&self) -> Result<Vec<IpAddr>, RefusedDestination> {
        let all = [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)];
        let open: Vec<_> = all.into_iter().filter(|address| self.policy.judge(*address).is_ok()).collect();
        if open.is_empty() {
            self.policy.judge(all[0])?;
        }
        Ok(open)
    }
}

/// The families in turn, beginning with that of the first address, each in its own order, none twice: one
/// family that leads nowhere then costs one try and not all of them.
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
    fn families_take_turns_in_their_own_order() {
        let parse =
            |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|text| text.parse().unwrap()).collect() };
        let found = parse(&["::1", "::2", "::3", "1.1.1.1", "::2", "::ffff:1.1.1.1", "2.2.2.2"]);
        let expected = parse(&["::1", "1.1.1.1", "::2", "2.2.2.2", "::3"]);
        assert_eq!(interleaved(found), expected);
    }
}
