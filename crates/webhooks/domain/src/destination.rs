//! The addresses that deliveries may reach.

mod cidr;
mod embedded;
mod registry;

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

pub use self::cidr::{Cidr, CidrError};
use self::registry::Verdict;

/// The policy that decides which addresses deliveries may reach: those that IANA's special-purpose registries
/// call globally reachable, and those that the operator allows.
///
/// An IPv4 address inside an IPv6 one (mapped, compatible, NAT64, 6to4, Teredo) is judged as the IPv4 address
/// that it leads to. Multicast, reserved and unassigned addresses, site-local addresses and the metadata
/// services of clouds are refused too.
///
/// ```
/// use rdev_webhooks_domain::DestinationPolicy;
///
/// let policy = DestinationPolicy::default();
/// assert!(policy.judge("8.8.8.8".parse()?).is_ok());
/// let refused = policy.judge("::ffff:127.0.0.1".parse()?).unwrap_err();
/// assert_eq!(
///     refused.to_string(),
///     "127.0.0.1 is not an allowed destination: 127.0.0.0/8 is loopback (RFC 1122)"
/// );
/// # Ok::<(), std::net::AddrParseError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DestinationPolicy {
    allowed: Vec<Cidr>,
}

/// A refused destination and the reason.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} is not an allowed destination: {reason}")]
pub struct RefusedDestination {
    /// The address or the name; for an address that embeds another one, both.
    pub host: String,
    /// The block that contains the address, or another reason, as the end of a sentence.
    pub reason: &'static str,
}

/// Names that mean the metadata service of a cloud, whatever they resolve to.
const METADATA_NAMES: &[&str] = &[
    "instance-data",
    "instance-data.ec2.internal",
    "metadata",
    "metadata.azure.internal",
    "metadata.goog",
    "metadata.google.internal",
    "metadata.tencentyun.com",
];
const METADATA_ADDRESS: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

impl DestinationPolicy {
    /// Creates a policy that allows the public addresses and `allowed`. An address allowed here is also
    /// allowed in every IPv6 form that embeds it.
    #[must_use]
    pub fn new(allowed: Vec<Cidr>) -> Self {
        Self { allowed }
    }

    /// Decides whether an address may be reached.
    pub fn judge(&self, address: IpAddr) -> Result<(), RefusedDestination> {
        match address.to_canonical() {
            IpAddr::V4(address) => self.judge_v4(address),
            IpAddr::V6(address) => self.judge_v6(address),
        }
    }

    /// Decides whether a URL's host may be reached, as far as the host itself shows it. A literal address is
    /// judged. A name passes unless it means this machine or a cloud's metadata service; such a name passes
    /// too if the policy allows what it stands for. The addresses of a name must be judged in any case.
    pub fn judge_host(&self, host: &Host<&str>) -> Result<(), RefusedDestination> {
        match *host {
            Host::Ipv4(address) => self.judge(address.into()),
            Host::Ipv6(address) => self.judge(address.into()),
            Host::Domain(name) => self.judge_name(name),
        }
    }

    /// Returns whether a name stands for this machine: `localhost` and all names below it (RFC 6761).
    #[must_use]
    pub fn is_localhost(name: &str) -> bool {
        let name = name.trim_end_matches('.');
        let last = name.rsplit('.').next().unwrap_or(name);
        last.eq_ignore_ascii_case("localhost")
    }

    fn judge_name(&self, name: &str) -> Result<(), RefusedDestination> {
        let bare = name.trim_end_matches('.');
        let refuse = |reason| Err(RefusedDestination { host: name.to_owned(), reason });
        if bare.is_empty() {
            return refuse("it is not a host name");
        }
        // The URL parser leaves no address among the names, but not every caller has used it.
        if let Ok(address) = bare.parse() {
            return self.judge(address);
        }
        if Self::is_localhost(bare) && !self.opens_loopback() {
            return refuse("localhost is loopback (RFC 6761)");
        }
        if METADATA_NAMES.iter().any(|metadata| bare.eq_ignore_ascii_case(metadata))
            && !self.opens(METADATA_ADDRESS.into())
        {
            return refuse("it is the name of a cloud metadata service");
        }
        Ok(())
    }

    fn judge_v4(&self, address: Ipv4Addr) -> Result<(), RefusedDestination> {
        match registry::find_v4(address) {
            Verdict::Refused(reason) if !self.opens(address.into()) => {
                Err(RefusedDestination { host: address.to_string(), reason })
            }
            _ => Ok(()),
        }
    }

    fn judge_v6(&self, address: Ipv6Addr) -> Result<(), RefusedDestination> {
        if self.opens(address.into()) {
            return Ok(());
        }
        let verdict = registry::find_v6(address);
        match verdict {
            Verdict::Reachable => Ok(()),
            Verdict::Refused(reason) => Err(RefusedDestination { host: address.to_string(), reason }),
            Verdict::Embeds(addresses) => addresses(address)
                .into_iter()
                .try_for_each(|embedded| self.judge_v4(embedded))
                .map_err(|refused| RefusedDestination {
                    host: format!("{address} (which embeds {})", refused.host),
                    reason: refused.reason,
                }),
        }
    }

    fn opens(&self, address: IpAddr) -> bool {
        self.allowed.iter().any(|cidr| cidr.contains(address))
    }

    fn opens_loopback(&self) -> bool {
        self.allowed
            .iter()
            .any(|cidr| cidr.overlaps(&Cidr::LOOPBACK_V4) || cidr.contains(Ipv6Addr::LOCALHOST.into()))
    }
}

impl fmt::Display for DestinationPolicy {
    /// Writes the allowed blocks, separated by commas.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, cidr) in self.allowed.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(f, "{separator}{cidr}")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod document_tests;
#[cfg(test)]
mod properties_tests;
#[cfg(test)]
#[path = "destination_tests.rs"]
mod tests;
