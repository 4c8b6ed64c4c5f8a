//! Properties of every address and every host.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use proptest::prelude::*;
use url::Host;

use super::tests::public_only;
use crate::destination::registry::{Block, V4, V6, Verdict};
use crate::{Cidr, DestinationPolicy, EndpointUrl};

/// Returns every IPv6 form of an IPv4 address.
fn embeddings(address: Ipv4Addr) -> Vec<Ipv6Addr> {
    let bits = u128::from(address.to_bits());
    let base = |text: &str| text.parse::<Ipv6Addr>().unwrap().to_bits();
    let public = u128::from(Ipv4Addr::new(8, 8, 8, 8).to_bits());
    [
        base("::ffff:0:0") | bits,
        base("::") | bits,
        base("64:ff9b::") | bits,
        base("64:ff9b:1::") | bits,
        base("2002::") | bits << 80,
        base("2002::1:2:3:4:5") | bits << 80,
        // Teredo: as the client behind a public server, and as the server.
        base("2001::") | public << 64 | (bits ^ 0xffff_ffff),
        base("2001::") | bits << 64 | (public ^ 0xffff_ffff),
    ]
    .map(Ipv6Addr::from)
    .to_vec()
}

fn any_v4() -> impl Strategy<Value = Ipv4Addr> {
    let near_a_block = (0..V4.len(), any::<u32>(), any::<bool>()).prop_map(|(index, noise, outside)| {
        let (network, prefix, _) = V4[index];
        let inside = network.to_bits() | noise.checked_shr(prefix.into()).unwrap_or(0);
        Ipv4Addr::from(if outside { network.to_bits().wrapping_sub(1) } else { inside })
    });
    prop_oneof![any::<u32>().prop_map(Ipv4Addr::from), near_a_block]
}

proptest! {
    #[test]
    fn embeddings_are_judged_alike(address in any_v4(), opened in any_v4()) {
        let open = DestinationPolicy::new(vec![opened.to_string().parse().unwrap()]);
        for policy in [public_only(), open] {
            let plain = policy.judge(address.into()).map_err(|refused| refused.reason);
            for embedding in embeddings(address) {
                // `::` and `::1` are not embeddings but addresses of their own, refused like 0/8.
                if embedding.to_bits() > 1 {
                    let judged = policy.judge(embedding.into()).map_err(|refused| refused.reason);
                    prop_assert_eq!(judged, plain, "{}", embedding);
                }
            }
        }
    }

    #[test]
    fn local_nat64_hides_no_address_in_any_of_its_places(address in any_v4(), subnet in any::<u64>()) {
        prop_assume!(public_only().judge(address.into()).is_err() && address.octets()[0] != 0);
        let [a, b, c, d] = address.octets();
        for places in [[6, 7, 9, 10], [7, 9, 10, 11], [9, 10, 11, 12], [12, 13, 14, 15]] {
            let mut octets = [0; 16];
            octets[8..].copy_from_slice(&subnet.to_be_bytes());
            octets[..6].copy_from_slice(&[0, 0x64, 0xff, 0x9b, 0, 1]);
            for (place, octet) in places.into_iter().zip([a, b, c, d]) {
                octets[place] = octet;
            }
            prop_assert!(public_only().judge(IpAddr::from(octets)).is_err());
        }
    }

    #[test]
    fn an_opened_block_changes_nothing_outside_itself(bits: u32, prefix in 0..=32u8, address: u32) {
        let network = Ipv4Addr::from(bits & crate::destination::cidr::mask_v4(prefix));
        let block: Cidr = format!("{network}/{prefix}").parse().unwrap();
        let address = IpAddr::V4(address.into());
        let policy = DestinationPolicy::new(vec![block]);
        let expected = if block.contains(address) { Ok(()) } else { public_only().judge(address) };
        prop_assert_eq!(policy.judge(address), expected);
    }

    #[test]
    fn any_text_is_a_block_or_refused(text in "[0-9a-f:./]{0,24}") {
        if let Ok(block) = text.parse::<Cidr>() {
            prop_assert_eq!(block.to_string().parse::<Cidr>(), Ok(block));
        }
    }

    #[test]
    fn judging_agrees_with_a_slow_walk_of_the_table(address in any_address(), opened in any_block()) {
        for opened in [None, Some(opened)] {
            let policy = DestinationPolicy::new(opened.iter().map(|(_, block)| *block).collect());
            let opened: Vec<_> = opened.into_iter().map(|(prefix, _)| prefix).collect();
            prop_assert_eq!(policy.judge(address).is_ok(), passes(address, &opened), "{}", address);
        }
    }

    #[test]
    fn an_ipv4_address_is_judged_alike_in_every_notation(
        address in any_v4(), parts in 1..=4usize, radices in any::<[u8; 4]>(),
    ) {
        let host = disguised(address, parts, radices);
        let url: EndpointUrl = format!("http://{host}/").parse().unwrap();
        prop_assert_eq!(url.host(), Host::<&str>::Ipv4(address), "{}", host);
        prop_assert_eq!(public_only().judge_host(&url.host()).is_ok(), passes(address.into(), &[]));
    }

    #[test]
    fn no_host_of_a_url_hides_an_address(host in any_host()) {
        let Ok(url) = format!("http://{host}/").parse::<EndpointUrl>() else {
            return Ok(());
        };
        let passed = public_only().judge_host(&url.host()).is_ok();
        match url.host() {
            Host::Ipv4(address) => prop_assert_eq!(passed, passes(address.into(), &[])),
            Host::Ipv6(address) => prop_assert_eq!(passed, passes(address.into(), &[])),
            Host::Domain(name) => {
                let bare = name.trim_end_matches('.').to_lowercase();
                prop_assert!(bare.parse::<IpAddr>().is_err(), "{}", name);
                let local = bare == "localhost" || bare.ends_with(".localhost");
                prop_assert!(!(local && passed), "{}", name);
            }
        }
    }
}

/// Generates a block as its leading binary digits and as a [`Cidr`].
fn any_block() -> impl Strategy<Value = (String, Cidr)> {
    (any_address(), 0..=128usize).prop_map(|(address, length)| {
        let address = address.to_canonical();
        let digits = digits(address);
        let length = length.min(digits.len());
        let prefix = digits[..length].to_owned();
        let network = format!("{prefix:0<width$}", width = digits.len());
        let network = match address {
            IpAddr::V4(_) => IpAddr::from(Ipv4Addr::from(u32::from_str_radix(&network, 2).unwrap())),
            IpAddr::V6(_) => IpAddr::from(Ipv6Addr::from(u128::from_str_radix(&network, 2).unwrap())),
        };
        let family = if address.is_ipv4() { "4" } else { "6" };
        (format!("{family}{prefix}"), format!("{network}/{length}").parse().unwrap())
    })
}

fn any_address() -> impl Strategy<Value = IpAddr> {
    let near_a_block = (0..V6.len(), any::<u128>(), any::<bool>()).prop_map(|(index, noise, outside)| {
        let (network, prefix, _) = V6[index];
        let inside = network.to_bits() | noise.checked_shr(prefix.into()).unwrap_or(0);
        Ipv6Addr::from(if outside { network.to_bits().wrapping_sub(1) } else { inside })
    });
    let embedding = (any_v4(), any::<prop::sample::Index>())
        .prop_map(|(address, index)| *index.get(&embeddings(address)));
    prop_oneof![
        any_v4().prop_map(IpAddr::from),
        any::<u128>().prop_map(|bits| Ipv6Addr::from(bits).into()),
        near_a_block.prop_map(IpAddr::from),
        embedding.prop_map(IpAddr::from),
    ]
}

fn any_host() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        prop::sample::select(vec![
            "127.0.0.1",
            "127.1",
            "0x7f",
            "0177",
            "2130706433",
            "localhost",
            "LOCALHOST",
            ".",
            "..",
            "\u{3002}",
            "[::1]",
            "[::ffff:127.0.0.1]",
            "[",
            "]",
            "%31",
            "%2e",
            "%00",
            "@",
            ":",
            "\u{ff11}\u{ff12}",
            "\u{24b6}",
            "1",
            "\u{ad}",
            "xn--",
            "a",
            "-",
            "_",
            "0",
            "/",
            "\\",
            "?",
            "#",
            "\t",
        ])
        .prop_map(str::to_owned),
        ".{0,3}",
    ];
    prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat())
}

/// Writes an address in a form that `inet_aton` accepts: one to four parts, each decimal, octal or
/// hexadecimal.
fn disguised(address: Ipv4Addr, parts: usize, radices: [u8; 4]) -> String {
    let octets = address.octets();
    let last = octets[parts - 1..].iter().fold(0, |number, octet| number << 8 | u32::from(*octet));
    let numbers = octets[..parts - 1].iter().map(|octet| u32::from(*octet)).chain([last]);
    let written = numbers.zip(radices).map(|(number, radix)| match radix % 4 {
        0 => format!("{number}"),
        1 => format!("0{number:o}"),
        2 => format!("0x{number:x}"),
        _ => format!("0X{number:08X}"),
    });
    written.collect::<Vec<_>>().join(".")
}

/// Judges an address again, without masks and shifts: addresses are texts of binary digits, a block contains
/// those that begin with its own digits, and an embedded address is cut out by its position.
fn passes(address: IpAddr, opened: &[String]) -> bool {
    const MAPPED: usize = 80;
    let digits = digits(address);
    if address.is_ipv6() && digits[..96] == format!("{}{}", "0".repeat(MAPPED), "1".repeat(16)) {
        return passes_v4(&digits[96..], opened);
    }
    if address.is_ipv4() {
        return passes_v4(&digits, opened);
    }
    if opened.iter().any(|block| format!("6{digits}").starts_with(block)) {
        return true;
    }
    let (network, prefix, verdict) = longest(V6, &digits);
    let last = digits[96..].to_owned();
    let embedded = match (verdict, format!("{network}/{prefix}").as_str()) {
        (Verdict::Reachable, _) => return true,
        (Verdict::Refused(_), _) => return false,
        (_, "::/96" | "::ffff:0.0.0.0/96" | "64:ff9b::/96") => vec![last],
        (_, "2002::/16") => vec![digits[16..48].to_owned()],
        (_, "2001::/32") => {
            let client = last.chars().map(|digit| if digit == '0' { '1' } else { '0' });
            vec![digits[32..64].to_owned(), client.collect()]
        }
        (_, "64:ff9b:1::/48") => {
            // Bits 64 to 71 are skipped, and an address in 0.0.0.0/8 is padding if there is another.
            let skipped = [&digits[..64], &digits[72..]].concat();
            let places = [&skipped[48..80], &skipped[56..88], &skipped[64..96], &last];
            let found: Vec<_> = places
                .into_iter()
                .filter(|place| !place.starts_with("00000000"))
                .map(str::to_owned)
                .collect();
            if found.is_empty() { vec![last] } else { found }
        }
        (_, other) => panic!("{other} embeds addresses in a way that is not written here"),
    };
    embedded.iter().all(|address| passes_v4(address, opened))
}

fn passes_v4(digits: &str, opened: &[String]) -> bool {
    opened.iter().any(|block| format!("4{digits}").starts_with(block))
        || matches!(longest(V4, digits).2, Verdict::Reachable)
}

fn longest<'a, Address: Copy + Into<IpAddr>>(
    blocks: &'a [Block<Address>],
    address: &str,
) -> &'a Block<Address> {
    let holding = blocks.iter().filter(|(network, prefix, _)| {
        address.starts_with(&digits((*network).into())[..usize::from(*prefix)])
    });
    holding.max_by_key(|(_, prefix, _)| *prefix).unwrap()
}

fn digits(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => format!("{:032b}", address.to_bits()),
        IpAddr::V6(address) => format!("{:0128b}", address.to_bits()),
    }
}
