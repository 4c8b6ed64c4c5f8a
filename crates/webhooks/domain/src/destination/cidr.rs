use std::fmt;
use std::net::{IpAddr, Ipv4Addr};
use std::str::FromStr;

/// A block of addresses, written `10.0.0.0/8`; a bare address is a block of one.
///
/// A block of IPv4-mapped IPv6 addresses (`::ffff:10.0.0.0/104`) is the block of the mapped IPv4 addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Cidr {
    network: IpAddr,
    prefix: u8,
}

/// The reason why a text is not a block of addresses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CidrError {
    /// The text before the slash is not an address.
    #[error("must be an address or a CIDR block, like 10.0.0.0/8 or ::1")]
    Address,
    /// The text after the slash is not a length, or exceeds that of the address.
    #[error("must have a whole number of at most {max} after the slash")]
    Prefix {
        /// 32 for IPv4, 128 for IPv6.
        max: u8,
    },
    /// The address has bits set after the prefix.
    #[error("has bits set beyond its prefix length; write {block} for the block that contains it")]
    HostBits {
        /// The block that was probably meant.
        block: Cidr,
    },
}

impl Cidr {
    pub(super) const LOOPBACK_V4: Self = Self { network: IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), prefix: 8 };

    /// Returns whether the block contains an address; an IPv4-mapped address counts as the mapped one.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.network, address.to_canonical()) {
            (IpAddr::V4(network), IpAddr::V4(address)) => {
                (network.to_bits() ^ address.to_bits()) & mask_v4(self.prefix) == 0
            }
            (IpAddr::V6(network), IpAddr::V6(address)) => {
                (network.to_bits() ^ address.to_bits()) & mask_v6(self.prefix) == 0
            }
            _ => false,
        }
    }

    pub(super) fn overlaps(&self, other: &Self) -> bool {
        self.contains(other.network) || other.contains(self.network)
    }

    fn truncated(address: IpAddr, prefix: u8) -> Self {
        let network = match address {
            IpAddr::V4(address) => IpAddr::V4((address.to_bits() & mask_v4(prefix)).into()),
            IpAddr::V6(address) => IpAddr::V6((address.to_bits() & mask_v6(prefix)).into()),
        };
        Self { network, prefix }
    }
}

/// Returns the leading bits of an IPv4 address that a block of this length fixes.
pub(super) const fn mask_v4(prefix: u8) -> u32 {
    match u32::MAX.checked_shl(32 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

/// Returns the leading bits of an IPv6 address that a block of this length fixes.
pub(super) const fn mask_v6(prefix: u8) -> u128 {
    match u128::MAX.checked_shl(128 - prefix as u32) {
        Some(mask) => mask,
        None => 0,
    }
}

impl FromStr for Cidr {
    type Err = CidrError;

    fn from_str(text: &str) -> Result<Self, CidrError> {
        let (address, prefix) = match text.split_once('/') {
            Some((address, prefix)) => (address, Some(prefix)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().map_err(|_| CidrError::Address)?;
        let max = if address.is_ipv4() { 32 } else { 128 };
        let prefix = match prefix {
            None => max,
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                digits.parse().ok().filter(|prefix| *prefix <= max).ok_or(CidrError::Prefix { max })?
            }
            Some(_) => return Err(CidrError::Prefix { max }),
        };
        let block = Self::truncated(address, prefix);
        if block.network != address {
            return Err(CidrError::HostBits { block });
        }
        Ok(match (address, address.to_canonical()) {
            (IpAddr::V6(_), network @ IpAddr::V4(_)) if prefix >= 96 => Self { network, prefix: prefix - 96 },
            _ => block,
        })
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.network, self.prefix)
    }
}
