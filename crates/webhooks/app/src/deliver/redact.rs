//! Redaction of custom header values in captured responses: some endpoints echo the request.

use std::borrow::Cow;

use bytes::Bytes;
use http::HeaderValue;
use memchr::memmem;
use rdev_webhooks_domain::{CapturedResponse, CustomHeaders, REDACTED, RESPONSE_BODY_LIMIT};

/// Shortest value to redact. A shorter one is no secret and may occur anywhere.
const MIN_SECRET_LEN: usize = 8;
/// Maximum number of values to search for, whole values first: other deliveries wait for the search.
const MAX_SECRETS: usize = 128;
/// Shortest prefix of a value to redact at the end of a cut body.
const MIN_PIECE_LEN: usize = 4;

/// Redacts the values of a webhook's custom headers in its response: each value as sent, each of its words,
/// and the JSON encoding of both. Values shorter than eight bytes stay, and so do values that an endpoint
/// encodes in another way.
///
/// `is_cut` says that the body may end in the middle of a value.
pub(super) fn redact(response: &mut CapturedResponse, is_cut: bool, sent: &CustomHeaders) {
    if sent.as_map().is_empty() {
        return;
    }
    let secrets = secrets(sent);
    let finders: Vec<_> = secrets.iter().map(|secret| memmem::Finder::new(secret.as_bytes())).collect();
    for (_, value) in &mut response.headers {
        if let Some(redacted) = without(value.as_bytes(), &finders, false) {
            *value = String::from_utf8_lossy(&redacted).into_owned();
        }
    }
    if let Some(mut redacted) = without(&response.body, &finders, is_cut || response.truncated) {
        response.truncated |= redacted.len() > RESPONSE_BODY_LIMIT;
        redacted.truncate(RESPONSE_BODY_LIMIT);
        response.body = Bytes::from(redacted);
    }
}

/// Returns the texts to search for, the longest first, so that none hides a longer one.
fn secrets(sent: &CustomHeaders) -> Vec<Cow<'_, str>> {
    // Custom headers are ASCII.
    let values = || sent.as_map().values().filter_map(|value: &HeaderValue| value.to_str().ok());
    let texts = values().chain(values().flat_map(str::split_ascii_whitespace));
    let mut secrets: Vec<Cow<'_, str>> = Vec::new();
    for text in texts.filter(|text| text.len() >= MIN_SECRET_LEN).take(MAX_SECRETS) {
        secrets.push(Cow::Borrowed(text));
        if let Ok(json) = serde_json::to_string(text)
            && json.len() > text.len() + 2
        {
            secrets.push(Cow::Owned(json[1..json.len() - 1].to_owned()));
        }
    }
    secrets.sort_unstable_by(|one, other| other.len().cmp(&one.len()).then_with(|| one.cmp(other)));
    secrets.dedup();
    secrets
}

/// Returns the text without the secrets, or `None` if it contains none. A cut text may end with a piece of a
/// secret.
fn without(text: &[u8], secrets: &[memmem::Finder<'_>], is_cut: bool) -> Option<Vec<u8>> {
    let mut redacted: Option<Vec<u8>> = None;
    for finder in secrets {
        let secret = finder.needle();
        let current = redacted.as_deref().unwrap_or(text);
        let mut kept = Vec::new();
        let mut from = 0;
        for at in finder.find_iter(current) {
            kept.extend_from_slice(&current[from..at]);
            kept.extend_from_slice(REDACTED.as_bytes());
            from = at + secret.len();
        }
        let rest = &current[from..];
        let piece = if is_cut { piece_at_end(rest, secret) } else { 0 };
        if from == 0 && piece == 0 {
            continue;
        }
        kept.extend_from_slice(&rest[..rest.len() - piece]);
        if piece > 0 {
            kept.extend_from_slice(REDACTED.as_bytes());
        }
        redacted = Some(kept);
    }
    redacted
}

/// Returns the number of bytes at the end of the text that are a proper prefix of the secret.
fn piece_at_end(text: &[u8], secret: &[u8]) -> usize {
    let longest = secret.len().saturating_sub(1).min(text.len());
    (MIN_PIECE_LEN..=longest).rev().find(|length| text.ends_with(&secret[..*length])).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn headers(values: &[&str]) -> CustomHeaders {
        let mut headers = CustomHeaders::default();
        for (n, value) in values.iter().enumerate() {
            headers.insert(&format!("x-{n}"), value).unwrap();
        }
        headers
    }

    fn redacted(values: &[&str], body: &str, truncated: bool) -> String {
        let mut response = CapturedResponse {
            status: 200,
            headers: vec![("x-echo".to_owned(), body.to_owned())],
            body: Bytes::copy_from_slice(body.as_bytes()),
            truncated: false,
        };
        redact(&mut response, truncated, &headers(values));
        if !truncated {
            assert_eq!(response.headers[0].1.as_bytes(), response.body);
        }
        String::from_utf8(response.body.to_vec()).unwrap()
    }

    #[test]
    fn values_are_redacted_wherever_they_occur() {
        for (values, body, expected) in [
            (
                &["s3cret-token"] as &[&str],
                "a s3cret-token, s3cret-tokens3cret-token",
                "a [redacted], [redacted][redacted]",
            ),
            (
                &["Bearer s3cret-token"],
                r#"{"a":"Bearer s3cret-token","t":"s3cret-token"}"#,
                r#"{"a":"[redacted]","t":"[redacted]"}"#,
            ),
            (
                &["a\"quoted\\one"],
                r#"{"a":"a\"quoted\\one"} a"quoted\one"#,
                r#"{"a":"[redacted]"} [redacted]"#,
            ),
            (&["12345678", "0123456789"], "0123456789 12345678", "[redacted] [redacted]"),
            (&["prod"], "prod", "prod"),
            (&[], "anything", "anything"),
        ] {
            assert_eq!(redacted(values, body, false), expected);
        }
    }

    #[test]
    fn a_piece_of_a_value_at_the_cut_is_redacted() {
        assert_eq!(redacted(&["s3cret-token"], "a s3cret-toke", true), "a [redacted]");
        assert_eq!(redacted(&["s3cret-token"], "a s3cret-token", true), "a [redacted]");
        assert_eq!(redacted(&["s3cret-token"], "a s3c", true), "a s3c");
        assert_eq!(redacted(&["abcdabcdabcd"], "abcdabcdabcd", true), "[redacted]");
        assert_eq!(redacted(&["s3cret-token"], "a s3cret-toke", false), "a s3cret-toke");
    }

    #[test]
    fn a_body_that_grows_over_the_limit_is_truncated() {
        let mut response = CapturedResponse {
            body: "12345678".repeat(RESPONSE_BODY_LIMIT / 8).into(),
            ..Default::default()
        };
        redact(&mut response, false, &headers(&["12345678"]));
        assert_eq!((response.body.len(), response.truncated), (RESPONSE_BODY_LIMIT, true));
    }

    proptest! {
        #[test]
        fn no_value_is_left(value in "[!-~]{8,40}", around in prop::collection::vec("[ -~]{0,20}", 1..5)) {
            let found = redacted(&[&value], &around.join(&value), false);
            // The text around a value may form the value together with the replacement.
            prop_assume!(!around.concat().contains(&value[..1]) && !REDACTED.contains(&value[..1]));
            prop_assert!(!found.contains(&value), "{found}");
        }
    }
}
