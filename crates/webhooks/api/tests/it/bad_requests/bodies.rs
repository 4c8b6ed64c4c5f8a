//! Bodies that are invalid before their members are read.

use super::{Bad, invalid, refused};
use crate::scene::{EVENT, WEBHOOK};

fn body(path: &str, body: impl Into<Vec<u8>>, status: u16, code: &'static str) -> Bad {
    let method = if path.starts_with("/webhooks/") { "PATCH" } else { "POST" };
    Bad { status, code, ..invalid(method, path, body, &[]) }
}

pub(super) fn not_json() -> Vec<Bad> {
    let mut table = vec![];
    for path in ["/webhooks", "/events", "/webhooks/{whk}"] {
        for text in [
            "",
            " ",
            "{",
            "{\"url\":}",
            "{\"url\":\"https://example.com/\",}",
            "{'url':1}",
            "{url:1}",
            "nul",
            "NaN",
            "{\"a\":01}",
            "{\"a\":+1}",
            "{\"a\":.5}",
            "{\"a\":\"\\x\"}",
            "{\"a\":\"\\u12\"}",
            "{\"a\":\"line\nbreak\"}",
            "{\"a\":\"\0\"}",
            "{} {}",
            "{}x",
            "\u{feff}{}",
            "// comment\n{}",
            "[1,2",
            "\"",
        ] {
            table.push(body(path, text, 400, "malformed_json"));
        }
        table.push(body(path, b"{\"url\":\"\xff\"}".to_vec(), 400, "malformed_json"));
        table.push(body(path, b"\xed\xa0\x80".to_vec(), 400, "malformed_json"));
        table.push(body(path, "[".repeat(200_000), 400, "malformed_json"));
        table.push(body(path, "[".repeat(101) + &"]".repeat(101), 400, "malformed_json"));
        table.push(body(path, " ".repeat(256 * 1024 + 1), 413, "body_too_large"));
        for other in ["1", "null", "true", "\"text\"", "[]", "[{}]"] {
            table.push(Bad { places: vec![""], ..body(path, other, 422, "validation_failed") });
        }
    }
    table
}

pub(super) fn of_other_media_types() -> Vec<Bad> {
    let mut table = vec![];
    for path in ["/webhooks", "/events"] {
        let good = if path == "/events" { EVENT } else { WEBHOOK };
        for headers in [
            vec![],
            vec![("content-type", "")],
            vec![("content-type", "text/plain")],
            vec![("content-type", "application/x-www-form-urlencoded")],
            vec![("content-type", "application/json; charset=iso-8859-1")],
            vec![("content-type", "application/merge-patch+json")],
            vec![("content-type", "application/json"), ("content-type", "application/json")],
            vec![("content-type", "application/json"), ("content-encoding", "gzip")],
        ] {
            let bad = refused("POST", path, 415, "unsupported_media_type");
            table.push(Bad { headers, body: good.into(), ..bad });
        }
    }
    table
}

/// A declared length that is too long, before any of the body is read.
pub(super) fn too_long() -> Vec<Bad> {
    vec![Bad {
        headers: vec![("content-type", "application/json"), ("content-length", "262145")],
        ..refused("POST", "/events", 413, "body_too_large")
    }]
}
