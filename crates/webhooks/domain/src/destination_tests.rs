use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use url::Host;

use super::registry::{Block, V4, V6, Verdict};
use super::*;
use crate::EndpointUrl;

const FORBIDDEN: &str = include_str!("destination/forbidden-destinations.txt");

pub(super) fn public_only() -> DestinationPolicy {
    DestinationPolicy::default()
}

fn opening(blocks: &[&str]) -> DestinationPolicy {
    DestinationPolicy::new(blocks.iter().map(|block| block.parse().unwrap()).collect())
}

fn judge(policy: &DestinationPolicy, address: &str) -> Result<(), RefusedDestination> {
    policy.judge(address.parse().unwrap())
}

#[test]
fn every_forbidden_destination_is_refused_by_the_url_or_by_the_policy() {
    let lines = FORBIDDEN.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    let mut seen = 0;
    for line in lines {
        seen += 1;
        if let Ok(url) = line.parse::<EndpointUrl>() {
            let judged = public_only().judge_host(&url.host());
            assert!(judged.is_err(), "{line} passed");
        }
    }
    assert_eq!(seen, 38, "the whole list was read");
}

#[test]
fn ordinary_public_destinations_pass() {
    let comment = FORBIDDEN.lines().skip_while(|line| !line.contains("must be allowed")).skip(1);
    let mut seen = 0;
    for text in comment.flat_map(|line| line.trim_start_matches('#').split_whitespace()) {
        seen += 1;
        let url: EndpointUrl = text.parse().unwrap();
        assert_eq!(public_only().judge_host(&url.host()), Ok(()), "{text}");
    }
    assert_eq!(seen, 5, "the whole list was read");
}

#[test]
fn a_refusal_names_the_block_and_the_embedded_address() {
    let refused = judge(&public_only(), "64:ff9b::a9fe:a9fe").unwrap_err();
    assert_eq!(
        refused.to_string(),
        "64:ff9b::a9fe:a9fe (which embeds 169.254.169.254) is not an allowed destination: \
         169.254.169.254/32 is the metadata service of cloud providers"
    );
    let refused = judge(&public_only(), "4000::1").unwrap_err();
    assert!(refused.reason.contains("not assigned"), "{refused}");
}

#[test]
fn metadata_services_are_refused_by_address_and_by_name() {
    for address in [
        "169.254.169.254",
        "169.254.170.2",
        "168.63.129.16",
        "100.100.100.200",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    ] {
        assert!(judge(&public_only(), address).is_err(), "{address}");
    }
    for name in ["metadata.google.internal", "METADATA.google.internal.", "metadata", "instance-data"] {
        let host = Host::Domain(name);
        assert!(public_only().judge_host(&host).is_err(), "{name}");
        assert!(opening(&["169.254.0.0/16"]).judge_host(&host).is_ok());
    }
}

#[test]
fn localhost_may_be_resolved_only_where_loopback_is_open() {
    for name in ["localhost", "localhost.", "LocalHost", "a.b.localhost."] {
        let host = Host::Domain(name);
        assert!(public_only().judge_host(&host).is_err(), "{name}");
        assert!(opening(&["10.0.0.0/8"]).judge_host(&host).is_err());
        for block in ["127.0.0.0/8", "127.0.0.1", "::1", "0.0.0.0/0"] {
            assert_eq!(opening(&[block]).judge_host(&host), Ok(()), "{name} {block}");
        }
    }
    for name in ["localhost.example.com", "mylocalhost", "metadata.example.com"] {
        assert_eq!(public_only().judge_host(&Host::Domain(name)), Ok(()));
    }
}

#[test]
fn an_address_disguised_as_a_name_is_judged_as_an_address() {
    for name in ["127.0.0.1", "127.0.0.1.", "::1", ""] {
        assert!(public_only().judge_host(&Host::Domain(name)).is_err());
    }
}

#[test]
fn an_opened_block_opens_exactly_itself() {
    let policy = opening(&["127.0.0.0/8", "fd12::/16"]);
    for address in ["127.0.0.1", "127.255.255.255", "::ffff:127.0.0.1", "fd12::1"] {
        assert_eq!(judge(&policy, address), Ok(()), "{address}");
    }
    for address in ["128.0.0.0", "8.8.8.8"] {
        assert!(judge(&policy, address).is_ok(), "{address} is public");
    }
    for address in ["126.0.0.0", "10.0.0.1", "::1", "fd13::1", "fd11:ffff::1"] {
        let alone = judge(&public_only(), address);
        assert_eq!(judge(&policy, address), alone, "{address}");
    }
    assert!(judge(&opening(&["::ffff:127.0.0.0/104"]), "127.1.2.3").is_ok());
    assert!(judge(&opening(&["::/0"]), "::ffff:127.0.0.1").is_err());
}

#[test]
fn blocks_are_read_and_written() {
    for (text, written) in [
        ("10.0.0.0/8", "10.0.0.0/8"),
        ("127.0.0.1", "127.0.0.1/32"),
        ("::1", "::1/128"),
        ("0.0.0.0/0", "0.0.0.0/0"),
        ("FD00::/8", "fd00::/8"),
        ("::ffff:10.0.0.0/104", "10.0.0.0/8"),
        ("::/0", "::/0"),
    ] {
        assert_eq!(text.parse::<Cidr>().unwrap().to_string(), written);
    }
    let max = 32;
    for (text, error) in [
        ("", CidrError::Address),
        ("localhost", CidrError::Address),
        ("127.1/8", CidrError::Address),
        ("10.0.0.0/33", CidrError::Prefix { max }),
        ("10.0.0.0/", CidrError::Prefix { max }),
        ("10.0.0.0/+8", CidrError::Prefix { max }),
        ("10.0.0.0/8/8", CidrError::Prefix { max }),
        ("::/129", CidrError::Prefix { max: 128 }),
    ] {
        assert_eq!(text.parse::<Cidr>(), Err(error), "{text}");
    }
    assert_eq!(
        "10.1.2.3/8".parse::<Cidr>().unwrap_err().to_string(),
        "has bits set beyond its prefix length; write 10.0.0.0/8 for the block that contains it"
    );
}

#[test]
fn the_tables_are_well_formed() {
    fn check<Address: Copy + Into<IpAddr>>(blocks: &[Block<Address>]) {
        for (index, (network, prefix, verdict)) in blocks.iter().enumerate() {
            let written = format!("{}/{prefix}", (*network).into());
            // A block has no host bits.
            let block: Cidr = written.parse().unwrap_or_else(|error| panic!("{written} {error}"));
            if let Verdict::Refused(reason) = verdict {
                assert_eq!(reason.split(' ').next(), Some(written.as_str()));
            }
            for (other, length, _) in &blocks[index + 1..] {
                let same = format!("{}/{length}", (*other).into()).parse() == Ok(block);
                assert!(!same, "{written} is listed twice");
            }
        }
    }
    check(V4);
    check(V6);
}

/// Returns the first and the last address of a block, and the ones before and after it.
fn edges(network: u128, prefix: u8, bits: u8) -> ([u128; 2], [Option<u128>; 2]) {
    let all = u128::MAX >> (128 - bits);
    let size = all.checked_shr(prefix.into()).unwrap_or(0);
    let last = network + size;
    let behind = (last < all).then(|| last + 1);
    ([network, last], [network.checked_sub(1), behind])
}

/// Finds the block that decides, in the slow but simple way: tries every length from the longest.
fn decides<Address: Copy + Into<IpAddr>>(blocks: &[Block<Address>], address: IpAddr) -> &Block<Address> {
    (0..=128u8)
        .rev()
        .find_map(|length| {
            blocks.iter().find(|(network, prefix, _)| {
                let written = format!("{}/{prefix}", (*network).into());
                *prefix == length && written.parse::<Cidr>().unwrap().contains(address)
            })
        })
        .unwrap()
}

#[test]
fn every_ipv4_block_begins_and_ends_where_its_length_says() {
    for (network, prefix, verdict) in V4 {
        let (inside, beside) = edges(network.to_bits().into(), *prefix, 32);
        let at = |bits: u128| Ipv4Addr::from(u32::try_from(bits).unwrap());
        for address in inside.map(at) {
            let (.., deciding) = decides(V4, address.into());
            let refused = public_only().judge(address.into()).map_err(|refused| refused.reason);
            match deciding {
                Verdict::Refused(reason) => assert_eq!(refused, Err(*reason), "{address}"),
                _ => assert_eq!(refused, Ok(()), "{address}"),
            }
            if matches!(verdict, Verdict::Refused(_)) {
                assert!(refused.is_err(), "{address} of {network}/{prefix}");
            }
        }
        for address in beside.into_iter().flatten().map(at) {
            let (other, length, deciding) = decides(V4, address.into());
            assert!((other, length) != (network, prefix), "{address}");
            let passes = public_only().judge(address.into()).is_ok();
            assert_eq!(passes, matches!(deciding, Verdict::Reachable), "{address}");
        }
    }
}

#[test]
fn every_ipv6_block_begins_and_ends_where_its_length_says() {
    for (network, prefix, _) in V6 {
        let (inside, beside) = edges(network.to_bits(), *prefix, 128);
        let beside = beside.into_iter().flatten();
        for address in inside.into_iter().chain(beside).map(Ipv6Addr::from) {
            if address.to_ipv4_mapped().is_some() {
                continue; // Never looked up as IPv6; `embeddings_are_judged_alike` has them.
            }
            let passes = public_only().judge(address.into());
            match decides(V6, address.into()).2 {
                Verdict::Reachable => assert_eq!(passes, Ok(()), "{address}"),
                Verdict::Refused(reason) => {
                    assert_eq!(passes.unwrap_err().reason, reason, "{address}");
                }
                Verdict::Embeds(addresses) => {
                    let all = addresses(address)
                        .into_iter()
                        .all(|embedded| public_only().judge(embedded.into()).is_ok());
                    assert_eq!(passes.is_ok(), all, "{address}");
                }
            }
        }
    }
}
