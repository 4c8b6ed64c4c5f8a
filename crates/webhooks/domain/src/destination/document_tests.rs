//! `docs/DESTINATIONS.md` agrees with the code.

use std::net::IpAddr;

use crate::destination::METADATA_NAMES;
use crate::destination::registry::{Block, V4, V6, Verdict};

const DOCUMENT: &str = include_str!("../../../../../docs/DESTINATIONS.md");

/// Returns the text between a heading and the next.
fn section(heading: &str) -> &'static str {
    let (_, rest) = DOCUMENT.split_once(&format!("\n{heading}\n")).unwrap_or_else(|| panic!("no {heading}"));
    rest.split_once("\n#").map_or(rest, |(section, _)| section)
}

fn rows(heading: &str) -> Vec<[&'static str; 3]> {
    let rows = section(heading).lines().filter_map(|line| line.strip_prefix("| `"));
    rows.map(|row| {
        let mut cells = row.trim_end_matches(" |").split(" | ");
        let block = cells.next().unwrap().trim_end_matches('`');
        [block, cells.next().unwrap(), cells.next().unwrap()]
    })
    .collect()
}

fn check<Address: Copy + Into<IpAddr>>(heading: &str, blocks: &[Block<Address>]) {
    let rows = rows(heading);
    for ([block, verdict, why], (network, prefix, code)) in rows.iter().zip(blocks) {
        let written = format!("{}/{prefix}", (*network).into());
        assert_eq!(*block, written, "the order is that of the code's table");
        let expected = match code {
            Verdict::Reachable => "reached",
            Verdict::Refused(_) => "refused",
            Verdict::Embeds(_) => "as embedded",
        };
        assert_eq!(*verdict, expected, "{block}");
        if let Verdict::Refused(reason) = code {
            let reason = reason.strip_prefix(&written).unwrap().trim_start();
            assert_eq!(*why, reason.strip_prefix("is ").unwrap_or(reason), "{block}");
        }
        assert!(!why.is_empty(), "{block}");
    }
    assert_eq!(rows.len(), blocks.len(), "{heading}");
}

#[test]
fn the_published_tables_are_those_of_the_code() {
    check("### IPv4", V4);
    check("### IPv6", V6);
}

#[test]
fn the_published_names_are_those_of_the_code() {
    let names = section("## Names").lines().filter_map(|line| line.strip_prefix("- `"));
    let names: Vec<_> = names.map(|name| name.trim_end_matches('`')).collect();
    assert_eq!(names, METADATA_NAMES);
}
