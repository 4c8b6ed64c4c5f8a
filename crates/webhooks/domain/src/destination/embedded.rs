//! The IPv4 addresses that an IPv6 address leads to.

use std::net::{Ipv4Addr, Ipv6Addr};

/// Returns the last 32 bits, for `::a.b.c.d` (RFC 4291 section 2.5.5.1), `::ffff:a.b.c.d` (2.5.5.2) and
/// `64:ff9b::a.b.c.d` (RFC 6052).
pub(super) fn last_bits(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    vec![at(address, [12, 13, 14, 15])]
}

/// Returns the 32 bits behind `2002:` of a 6to4 address (RFC 3056).
pub(super) fn six_to_four(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    vec![at(address, [2, 3, 4, 5])]
}

/// Returns the server and the client, whose bits are inverted, of a Teredo address (RFC 4380).
pub(super) fn teredo(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let client = !at(address, [12, 13, 14, 15]).to_bits();
    vec![at(address, [4, 5, 6, 7]), client.into()]
}

/// Returns the addresses in an address of local-use NAT64, `64:ff9b:1::/48` (RFC 8215). The length of the
/// operator's prefix is unknown, so every place where RFC 6052 (section 2.2) can put an address is examined.
/// An address from a wrong place is mostly padding, that is in `0.0.0.0/8`, where nothing can be reached;
/// it counts only if no other is found.
pub(super) fn local_nat64(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let mut found: Vec<_> = [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]]
        .into_iter()
        .map(|places| at(address, places))
        .filter(|embedded| embedded.octets()[0] != 0)
        .collect();
    if found.is_empty() {
        found.push(at(address, [12, 13, 14, 15]));
    }
    found
}

fn at(address: Ipv6Addr, places: [usize; 4]) -> Ipv4Addr {
    let octets = address.octets();
    places.map(|place| octets[place]).into()
}
