//! Every block of the [IPv4] and [IPv6] special-purpose address registries of IANA, as of 2025, and
//! additionally multicast, unassigned addresses, and metadata services on public addresses. The longest block
//! that contains an address decides. A block for which the registry does not state reachability (a deprecated
//! one) is refused.
//!
//! [IPv4]: https://www.iana.org/assignments/iana-ipv4-special-registry
//! [IPv6]: https://www.iana.org/assignments/iana-ipv6-special-registry

use std::net::{Ipv4Addr, Ipv6Addr};

use super::cidr::{mask_v4, mask_v6};
use super::embedded;

/// The decision for the addresses of a block.
#[derive(Clone, Copy)]
pub(super) enum Verdict {
    /// The addresses are globally reachable.
    Reachable,
    /// The addresses are not globally reachable, for this reason.
    Refused(&'static str),
    /// The addresses stand for one or more IPv4 addresses.
    Embeds(fn(Ipv6Addr) -> Vec<Ipv4Addr>),
}

pub(super) type Block<Address> = (Address, u8, Verdict);

use Verdict::{Embeds, Reachable, Refused};

pub(super) const fn v4(a: u8, b: u8, c: u8, d: u8) -> Ipv4Addr {
    Ipv4Addr::new(a, b, c, d)
}

const fn v6(head: [u16; 4], tail: u16) -> Ipv6Addr {
    Ipv6Addr::new(head[0], head[1], head[2], head[3], 0, 0, 0, tail)
}

#[rustfmt::skip]
pub(super) const V4: &[Block<Ipv4Addr>] = &[
    (v4(0, 0, 0, 0), 0, Reachable),
    (v4(0, 0, 0, 0), 8, Refused("0.0.0.0/8 is \"this network\" (RFC 791)")),
    (v4(0, 0, 0, 0), 32, Refused("0.0.0.0/32 is \"this host\" (RFC 1122)")),
    (v4(10, 0, 0, 0), 8, Refused("10.0.0.0/8 is private (RFC 1918)")),
    (v4(100, 64, 0, 0), 10, Refused("100.64.0.0/10 is shared address space for carrier-grade NAT (RFC 6598)")),
    (v4(100, 100, 100, 200), 32, Refused("100.100.100.200/32 is Alibaba Cloud's metadata service")),
    (v4(127, 0, 0, 0), 8, Refused("127.0.0.0/8 is loopback (RFC 1122)")),
    (v4(168, 63, 129, 16), 32, Refused("168.63.129.16/32 is Azure's wire server")),
    (v4(169, 254, 0, 0), 16, Refused("169.254.0.0/16 is link-local (RFC 3927)")),
    (v4(169, 254, 169, 254), 32, Refused("169.254.169.254/32 is the metadata service of cloud providers")),
    (v4(172, 16, 0, 0), 12, Refused("172.16.0.0/12 is private (RFC 1918)")),
    (v4(192, 0, 0, 0), 24, Refused("192.0.0.0/24 is reserved for protocol assignments (RFC 6890)")),
    (v4(192, 0, 0, 0), 29, Refused("192.0.0.0/29 is for IPv4 service continuity (RFC 7335)")),
    (v4(192, 0, 0, 8), 32, Refused("192.0.0.8/32 is a dummy address (RFC 7600)")),
    // Port Control Protocol anycast (RFC 7723), TURN anycast (RFC 8155).
    (v4(192, 0, 0, 9), 32, Reachable),
    (v4(192, 0, 0, 10), 32, Reachable),
    (v4(192, 0, 0, 170), 32, Refused("192.0.0.170/32 is for NAT64 discovery (RFC 8880)")),
    (v4(192, 0, 0, 171), 32, Refused("192.0.0.171/32 is for NAT64 discovery (RFC 8880)")),
    (v4(192, 0, 2, 0), 24, Refused("192.0.2.0/24 is for documentation (RFC 5737)")),
    // AS112 (RFC 7535), automatic multicast tunneling (RFC 7450).
    (v4(192, 31, 196, 0), 24, Reachable),
    (v4(192, 52, 193, 0), 24, Reachable),
    (v4(192, 88, 99, 0), 24, Refused("192.88.99.0/24 was for 6to4 relays and is deprecated (RFC 7526)")),
    (v4(192, 88, 99, 2), 32, Refused("192.88.99.2/32 is for 6a44 relays (RFC 6751)")),
    (v4(192, 168, 0, 0), 16, Refused("192.168.0.0/16 is private (RFC 1918)")),
    // AS112, direct delegation (RFC 7534).
    (v4(192, 175, 48, 0), 24, Reachable),
    (v4(198, 18, 0, 0), 15, Refused("198.18.0.0/15 is for benchmarks (RFC 2544)")),
    (v4(198, 51, 100, 0), 24, Refused("198.51.100.0/24 is for documentation (RFC 5737)")),
    (v4(203, 0, 113, 0), 24, Refused("203.0.113.0/24 is for documentation (RFC 5737)")),
    (v4(224, 0, 0, 0), 4, Refused("224.0.0.0/4 is multicast (RFC 5771)")),
    (v4(240, 0, 0, 0), 4, Refused("240.0.0.0/4 is reserved (RFC 1112)")),
    (v4(255, 255, 255, 255), 32, Refused("255.255.255.255/32 is broadcast (RFC 919)")),
];

#[rustfmt::skip]
pub(super) const V6: &[Block<Ipv6Addr>] = &[
    (v6([0, 0, 0, 0], 0), 0, Refused("::/0 outside 2000::/3 is not assigned for public use (RFC 4291)")),
    (v6([0, 0, 0, 0], 0), 96, Embeds(embedded::last_bits)),
    (v6([0, 0, 0, 0], 0), 128, Refused("::/128 is the unspecified address (RFC 4291)")),
    (v6([0, 0, 0, 0], 1), 128, Refused("::1/128 is loopback (RFC 4291)")),
    (Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0), 96, Embeds(embedded::last_bits)),
    (v6([0x64, 0xff9b, 0, 0], 0), 96, Embeds(embedded::last_bits)),
    (v6([0x64, 0xff9b, 1, 0], 0), 48, Embeds(embedded::local_nat64)),
    (v6([0x100, 0, 0, 0], 0), 64, Refused("100::/64 is discarded (RFC 6666)")),
    (v6([0x100, 0, 0, 1], 0), 64, Refused("100:0:0:1::/64 is a dummy prefix (RFC 9780)")),
    (v6([0x2000, 0, 0, 0], 0), 3, Reachable),
    (v6([0x2001, 0, 0, 0], 0), 23, Refused("2001::/23 is reserved for protocol assignments (RFC 2928)")),
    (v6([0x2001, 0, 0, 0], 0), 32, Embeds(embedded::teredo)),
    // Anycast: Port Control Protocol (RFC 7723), TURN (RFC 8155), DNS-SD registration (RFC 9665).
    (v6([0x2001, 1, 0, 0], 1), 128, Reachable),
    (v6([0x2001, 1, 0, 0], 2), 128, Reachable),
    (v6([0x2001, 1, 0, 0], 3), 128, Reachable),
    (v6([0x2001, 2, 0, 0], 0), 48, Refused("2001:2::/48 is for benchmarks (RFC 5180)")),
    // Automatic multicast tunneling (RFC 7450), AS112 (RFC 7535).
    (v6([0x2001, 3, 0, 0], 0), 32, Reachable),
    (v6([0x2001, 4, 0x112, 0], 0), 48, Reachable),
    (v6([0x2001, 0x10, 0, 0], 0), 28, Refused("2001:10::/28 was for ORCHID and is deprecated (RFC 4843)")),
    // ORCHIDv2 (RFC 7343), drones' remote identification (RFC 9374).
    (v6([0x2001, 0x20, 0, 0], 0), 28, Reachable),
    (v6([0x2001, 0x30, 0, 0], 0), 28, Reachable),
    (v6([0x2001, 0xdb8, 0, 0], 0), 32, Refused("2001:db8::/32 is for documentation (RFC 3849)")),
    (v6([0x2002, 0, 0, 0], 0), 16, Embeds(embedded::six_to_four)),
    // AS112, direct delegation (RFC 7534).
    (v6([0x2620, 0x4f, 0x8000, 0], 0), 48, Reachable),
    (v6([0x3fff, 0, 0, 0], 0), 20, Refused("3fff::/20 is for documentation (RFC 9637)")),
    (v6([0x5f00, 0, 0, 0], 0), 16, Refused("5f00::/16 is for segment routing (RFC 9602)")),
    (v6([0xfc00, 0, 0, 0], 0), 7, Refused("fc00::/7 is unique local (RFC 4193)")),
    (v6([0xfd00, 0xec2, 0, 0], 0x254), 128, Refused("fd00:ec2::254/128 is the metadata service of AWS")),
    (v6([0xfd20, 0xce, 0, 0], 0x254), 128, Refused("fd20:ce::254/128 is the metadata service of Google Cloud")),
    (v6([0xfe80, 0, 0, 0], 0), 10, Refused("fe80::/10 is link-local (RFC 4291)")),
    (v6([0xfec0, 0, 0, 0], 0), 10, Refused("fec0::/10 was site-local and is deprecated (RFC 3879)")),
    (v6([0xff00, 0, 0, 0], 0), 8, Refused("ff00::/8 is multicast (RFC 4291)")),
];

/// Returns the decision for an IPv4 address; never [`Verdict::Embeds`].
pub(super) fn find_v4(address: Ipv4Addr) -> Verdict {
    longest(V4, |network, prefix| (network.to_bits() ^ address.to_bits()) & mask_v4(prefix) == 0)
}

/// Returns the decision for an IPv6 address.
pub(super) fn find_v6(address: Ipv6Addr) -> Verdict {
    longest(V6, |network, prefix| (network.to_bits() ^ address.to_bits()) & mask_v6(prefix) == 0)
}

fn longest<Address: Copy>(blocks: &[Block<Address>], holds: impl Fn(Address, u8) -> bool) -> Verdict {
    blocks
        .iter()
        .filter(|(network, prefix, _)| holds(*network, *prefix))
        .max_by_key(|(_, prefix, _)| *prefix)
        // Not reached: both tables have a block of length 0.
        .map_or(Refused("it is in no known address block"), |(_, _, verdict)| *verdict)
}
