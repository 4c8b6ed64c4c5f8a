//! Members of webhooks.

use super::{Bad, invalid};

/// Returns a valid webhook with one member set to this JSON.
fn with(member: &str, value: &str) -> String {
    let mut members =
        vec![("url", r#""https://example.com/""#.to_owned()), ("events", r#"["*"]"#.to_owned())];
    members.retain(|(name, _)| *name != member);
    members.push((member, value.to_owned()));
    let members: Vec<_> = members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
    format!("{{{}}}", members.join(","))
}

/// Adds the same fault for the creation and the update of a webhook.
fn both(table: &mut Vec<Bad>, member: &str, value: &str, places: &[&'static str]) {
    table.push(invalid("POST", "/webhooks", with(member, value), places));
    table.push(invalid("PATCH", "/webhooks/{whk}", format!("{{\"{member}\":{value}}}"), places));
}

fn list(element: &str, count: usize) -> String {
    format!("[{}]", vec![element; count].join(","))
}

/// Returns requests with one fault, or with faults that belong together.
pub(super) fn members() -> Vec<Bad> {
    let mut table = vec![];
    let long_url = format!("\"https://example.com/{}\"", "a".repeat(2_048));
    let long_text = format!("\"{}\"", "é".repeat(1_001));
    let patterns = list("\"*\"", 101);
    let many_bad = list("1", 10_000);
    let projects = list("\"p\"", 101);
    let waits = list("1", 50);
    let header_names: Vec<_> = (0..33).map(|n| format!("\"x-{n}\":\"\"")).collect();
    let headers = format!("{{{}}}", header_names.join(","));
    let header_names: Vec<_> = (0..100).map(|n| format!("\"x-{n}\":\"\"")).collect();
    let many_headers = format!("{{{}}}", header_names.join(","));
    let pairs: Vec<_> = (0..51).map(|n| format!("\"x-{n}\":\"\"")).collect();
    let pairs = format!("{{{}}}", pairs.join(","));
    let long_key = format!("{{\"{}\":\"1\"}}", "é".repeat(41));
    let long_key_at: &str = format!("/metadata/{}", "é".repeat(41)).leak();
    let long_value = format!("{{\"a\":\"{}\"}}", "é".repeat(501));
    let long_header = format!("{{\"x-a\":\"{}\"}}", "a".repeat(4_097));
    for (member, value, places) in [
        ("url", "1", &["/url"] as &[&'static str]),
        ("url", "null", &["/url"]),
        ("url", "{}", &["/url"]),
        ("url", "\"\"", &["/url"]),
        ("url", "\"example.com\"", &["/url"]),
        ("url", "\"ftp://example.com/\"", &["/url"]),
        ("url", "\"file:///etc/passwd\"", &["/url"]),
        ("url", "\"https://user:pw@example.com/\"", &["/url"]),
        ("url", "\"https://example.com/#a\"", &["/url"]),
        ("url", "\"https://example.com:0/\"", &["/url"]),
        ("url", "\"https://example.com:65536/\"", &["/url"]),
        ("url", "\"\\ud800\"", &["/url"]),
        ("url", "\"https://forbidden.example/\"", &["/url"]),
        ("url", "\"http://127.1/\"", &["/url"]),
        ("url", &long_url, &["/url"]),
        ("events", "null", &["/events"]),
        ("events", "[]", &["/events"]),
        ("events", "\"*\"", &["/events"]),
        ("events", "{}", &["/events"]),
        ("events", "[1]", &["/events/0"]),
        ("events", "[null,\"*\",[]]", &["/events/0", "/events/2"]),
        ("events", "[\"a b\"]", &["/events/0"]),
        ("events", "[\"\"]", &["/events/0"]),
        ("events", "[\"*.completed\"]", &["/events/0"]),
        ("events", "[\"*\",\"command.complete\",\"commands.*\"]", &["/events/1", "/events/2"]),
        ("events", "[\"webhook.test\"]", &["/events/0"]),
        ("events", "[\"no.such\",1,\"no.such\"]", &["/events/0", "/events/1", "/events/2"]),
        ("events", "[\"\\udc00\"]", &["/events/0"]),
        ("events", &patterns, &["/events"]),
        ("events", &many_bad, &["/events"]),
        ("description", "1", &["/description"]),
        ("description", "[]", &["/description"]),
        ("description", "\"a\\u0000b\"", &["/description"]),
        ("description", "\"a\\u001bb\"", &["/description"]),
        ("description", "\"\\udfff\"", &["/description"]),
        ("description", &long_text, &["/description"]),
        ("projects", "\"p\"", &["/projects"]),
        (
            "projects",
            "[1,\"\",\" a\",\"a\\n\"]",
            &["/projects/0", "/projects/1", "/projects/2", "/projects/3"],
        ),
        ("projects", &projects, &["/projects"]),
        ("expires_at", "1", &["/expires_at"]),
        ("expires_at", "\"tomorrow\"", &["/expires_at"]),
        ("expires_at", "\"2025-01-15\"", &["/expires_at"]),
        ("expires_at", "\"2024-01-15T10:30:00Z\"", &["/expires_at"]),
        ("format", "1", &["/format"]),
        ("format", "\"\"", &["/format"]),
        ("format", "\"Slack\"", &["/format"]),
        ("metadata", "[]", &["/metadata"]),
        ("metadata", "\"a\"", &["/metadata"]),
        ("metadata", "{\"a\":1,\"b\":\"1\",\"c\":{}}", &["/metadata/a", "/metadata/c"]),
        ("metadata", "{\"\":\"1\"}", &["/metadata/"]),
        ("metadata", "{\"a\\n\":\"1\"}", &["/metadata/a\n"]),
        ("metadata", "{\"a/~b\":\"\\u0000\"}", &["/metadata/a~1~0b"]),
        ("metadata", "{\"a\":\"1\",\"a\":\"2\"}", &["/metadata/a"]),
        ("metadata", &pairs, &["/metadata"]),
        ("metadata", &many_headers, &["/metadata"]),
        ("metadata", &long_key, &[long_key_at]),
        ("metadata", &long_value, &["/metadata/a"]),
        ("headers", "[]", &["/headers"]),
        ("headers", "\"a: b\"", &["/headers"]),
        ("headers", "{\"x-a\":1}", &["/headers/x-a"]),
        ("headers", "{\"host\":\"a\"}", &["/headers/host"]),
        ("headers", "{\"Content-Length\":\"1\"}", &["/headers/Content-Length"]),
        (
            "headers",
            "{\"webhook-id\":\"1\",\"X-Rdev-Event\":\"1\"}",
            &["/headers/X-Rdev-Event", "/headers/webhook-id"],
        ),
        ("headers", "{\"x a\":\"1\",\"\":\"1\"}", &["/headers/", "/headers/x a"]),
        ("headers", "{\"x/~a\":\"1\"}", &["/headers/x~1~0a"]),
        ("headers", "{\"x-a\":\"1\\r\\nx-b: 2\"}", &["/headers/x-a"]),
        ("headers", "{\"x-a\":\"\\u0000\"}", &["/headers/x-a"]),
        ("headers", "{\"x-a\":\"1\",\"X-A\":\"2\"}", &["/headers/X-A"]),
        ("headers", "{\"x-a\":\"1\",\"x-a\":\"2\"}", &["/headers/x-a"]),
        ("headers", &headers, &["/headers"]),
        ("headers", &many_headers, &["/headers"]),
        ("headers", &long_header, &["/headers/x-a"]),
        ("retry", "3", &["/retry"]),
        ("retry", "[]", &["/retry"]),
        ("retry", "{\"max_attempts\":0}", &["/retry/max_attempts"]),
        ("retry", "{\"max_attempts\":51}", &["/retry/max_attempts"]),
        ("retry", "{\"max_attempts\":2.5}", &["/retry/max_attempts"]),
        ("retry", "{\"max_attempts\":-1}", &["/retry/max_attempts"]),
        ("retry", "{\"max_attempts\":1e400}", &["/retry/max_attempts"]),
        ("retry", "{\"max_attempts\":99999999999999999999999}", &["/retry/max_attempts"]),
        ("retry", "{\"max_attempts\":\"3\"}", &["/retry/max_attempts"]),
        (
            "retry",
            "{\"initial_backoff_ms\":0,\"multiplier\":0.5,\"max_backoff_ms\":86400001}",
            &["/retry/initial_backoff_ms", "/retry/max_backoff_ms", "/retry/multiplier"],
        ),
        ("retry", "{\"multiplier\":1e999}", &["/retry/multiplier"]),
        ("retry", "{\"initial_backoff_ms\":10,\"max_backoff_ms\":5}", &["/retry/max_backoff_ms"]),
        ("retry", "{\"schedule_ms\":[1],\"max_attempts\":2}", &["/retry/schedule_ms"]),
        ("retry", "{\"schedule_ms\":1}", &["/retry/schedule_ms"]),
        (
            "retry",
            "{\"schedule_ms\":[-1,1.5,86400001,\"1\"]}",
            &["/retry/schedule_ms/0", "/retry/schedule_ms/1", "/retry/schedule_ms/2", "/retry/schedule_ms/3"],
        ),
        ("retry", &format!("{{\"schedule_ms\":{waits}}}"), &["/retry/schedule_ms"]),
        ("retry", "{\"attempts\":3,\"multiplier\":\"2\"}", &["/retry/attempts", "/retry/multiplier"]),
        ("rate_limit", "0", &["/rate_limit"]),
        ("rate_limit", "-1", &["/rate_limit"]),
        ("rate_limit", "10001", &["/rate_limit"]),
        ("rate_limit", "1e999", &["/rate_limit"]),
        ("rate_limit", "\"10\"", &["/rate_limit"]),
        ("max_in_flight", "0", &["/max_in_flight"]),
        ("max_in_flight", "1001", &["/max_in_flight"]),
        ("max_in_flight", "1.5", &["/max_in_flight"]),
        ("max_in_flight", "true", &["/max_in_flight"]),
        ("timeout_ms", "99", &["/timeout_ms"]),
        ("timeout_ms", "60001", &["/timeout_ms"]),
        ("timeout_ms", "-5000", &["/timeout_ms"]),
        ("timeout_ms", "\"5s\"", &["/timeout_ms"]),
        ("signing", "\"none\"", &["/signing"]),
        ("signing", "1", &["/signing"]),
        ("enabled", "\"true\"", &["/enabled"]),
        ("enabled", "1", &["/enabled"]),
        ("secret", "\"whsec_x\"", &["/secret"]),
        ("id", "\"whk_01h455vb4pex5vsknk084sn02q\"", &["/id"]),
        ("URL", "\"https://example.com/\"", &["/URL"]),
        ("", "1", &["/"]),
        ("a/b~c", "1", &["/a~1b~0c"]),
        ("\\ud800", "1", &["/\\ud800"]),
    ] {
        both(&mut table, member, value, places);
    }
    table
}

/// Returns requests with many faults at once.
pub(super) fn many_faults() -> Vec<Bad> {
    let body = r#"{"url":"http://127.0.0.1/","events":["nope","command.*",7],"colour":"red","timeout_ms":1,
        "retry":{"max_attempts":0,"delay":1},"enabled":true,"enabled":false}"#;
    let places = [
        "/colour",
        "/enabled",
        "/events/0",
        "/events/2",
        "/retry/delay",
        "/retry/max_attempts",
        "/timeout_ms",
        "/url",
    ];
    vec![
        invalid("POST", "/webhooks", body, &places),
        invalid("PATCH", "/webhooks/{whk}", body, &places),
        invalid("POST", "/webhooks", "{}", &["/events", "/url"]),
        invalid("POST", "/webhooks", r#"{"a":1}"#, &["/a", "/events", "/url"]),
        invalid("PATCH", "/webhooks/{whk}", r#"{"signing":"ed25519"}"#, &["/signing"]),
        invalid("PATCH", "/webhooks/{whk}", r#"{"signing":"none"}"#, &["/signing"]),
        invalid("PATCH", "/webhooks/{whk}", r#"{"format":"slack"}"#, &["/format"]),
        invalid(
            "PATCH",
            "/webhooks/{whk}",
            r#"{"signing":1,"url":null,"events":null}"#,
            &["/events", "/signing", "/url"],
        ),
        invalid("POST", "/webhooks", with("headers", r#"{"x-a":null}"#), &["/headers/x-a"]),
        invalid("POST", "/webhooks", with("metadata", r#"{"a":null}"#), &["/metadata/a"]),
        invalid("POST", "/webhooks", with("secret", "1"), &["/secret"]),
        invalid("POST", "/webhooks", with("secret", r#""""#), &["/secret"]),
        invalid("POST", "/webhooks", with("secret", r#""sesame""#), &["/secret"]),
        invalid("POST", "/webhooks", with("secret", r#""whsec_c2hvcnQ=""#), &["/secret"]),
        invalid(
            "POST",
            "/webhooks",
            with("secret", r#""whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaS""#),
            &["/secret"],
        ),
        invalid(
            "PATCH",
            "/webhooks/{whk}",
            r#"{"secret":"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"}"#,
            &["/secret"],
        ),
        invalid(
            "POST",
            "/webhooks/{whk}/secret/rotate",
            r#"{"secret":[],"overlap_seconds":-1}"#,
            &["/overlap_seconds", "/secret"],
        ),
        invalid("POST", "/webhooks/{whk}/secret/rotate", r#"{"secret":"whsec_"}"#, &["/secret"]),
    ]
}
