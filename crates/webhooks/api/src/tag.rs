//! Entity tags, and the conditions that clients base on them.
//!
//! A webhook's tag is its version, such as `"3"`. While its endpoint fails, the tag also contains what is
//! shown of the circuit, such as `"3-open-21-1736937005000000-1736937000000000"`, so that a tag identifies
//! everything that is shown. While two secrets sign, `-rotating` follows the version. An endpoint's health
//! never makes a change fail: `If-Match` compares the version alone.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use crate::views::WebhookView;

/// Returns the strong entity tag of a webhook whose endpoint is healthy or still unknown.
pub(crate) fn etag(version: u64) -> HeaderValue {
    header(&format!("\"{version}\""))
}

/// Returns the strong entity tag of a webhook as it is shown.
pub(crate) fn etag_of(shown: &WebhookView<'_>) -> HeaderValue {
    let (version, circuit) = (shown.version(), shown.circuit());
    let rotating = if shown.is_rotating() { "-rotating" } else { "" };
    header(&match circuit.is_well() {
        true => format!("\"{version}{rotating}\""),
        false => format!("\"{version}{rotating}-{circuit}\""),
    })
}

fn header(tag: &str) -> HeaderValue {
    // Letters, digits, `_` and `-` between quotes are valid in a header.
    HeaderValue::try_from(tag).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The condition of `If-Match`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// No condition: the header is absent or `*`.
    Any,
    /// One of these versions. A weak tag names none, because it never matches strongly.
    OneOf(Vec<u64>),
}

impl IfMatch {
    pub(crate) fn of(headers: &HeaderMap) -> Self {
        match tags(headers, IF_MATCH) {
            None => Self::Any,
            Some(tags) if tags == ["*"] => Self::Any,
            Some(tags) => Self::OneOf(tags.iter().filter_map(|tag| version(tag)).collect()),
        }
    }

    /// Returns the required versions; `None` if any version is accepted.
    pub(crate) fn into_versions(self) -> Option<Vec<u64>> {
        match self {
            Self::Any => None,
            Self::OneOf(versions) => Some(versions),
        }
    }

    pub(crate) fn holds(&self, current: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&current),
        }
    }
}

/// Returns whether `If-None-Match` shows that the client already has the version with this tag.
pub(crate) fn is_known(headers: &HeaderMap, current: &HeaderValue) -> bool {
    let tags = tags(headers, IF_NONE_MATCH).unwrap_or_default();
    // The comparison is weak: a weak tag with the same text matches.
    tags.iter()
        .any(|tag| *tag == "*" || tag.strip_prefix("W/").unwrap_or(tag).as_bytes() == current.as_bytes())
}

/// Returns the members of a list of tags; `None` if the header is absent. Our tags contain no commas, so
/// splitting at commas finds every tag that can match.
fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&str>> {
    if !headers.contains_key(&name) {
        return None;
    }
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    Some(values.flat_map(|value| value.split(',')).map(str::trim).collect())
}

fn version(tag: &str) -> Option<u64> {
    let text = tag.strip_prefix('"')?.strip_suffix('"')?;
    let (digits, circuit) = text.split_once('-').unzip();
    let digits = digits.unwrap_or(text);
    let version: u64 = digits.parse().ok()?;
    // Tags are compared as text: "03" and "+3" are not "3", and "3-" is not one of ours.
    (version.to_string() == digits && circuit != Some("")).then_some(version)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(name: HeaderName, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())])
    }

    #[test]
    fn if_match_compares_strongly() {
        assert!(IfMatch::of(&HeaderMap::new()).holds(3));
        for (value, holds) in [
            ("*", true),
            ("\"3\"", true),
            ("\"2\", \"3\"", true),
            ("W/\"3\"", false),
            ("\"03\"", false),
            ("3", false),
            ("\"4\"", false),
            ("\"3-open-20-5-1\"", true),
            ("\"4-open-20-5-1\"", false),
            ("\"3-rotating\"", true),
            ("\"3-rotating-open-20-5-1\"", true),
            ("\"3-\"", false),
            ("\"-3\"", false),
            ("", false),
        ] {
            assert_eq!(IfMatch::of(&headers(IF_MATCH, value)).holds(3), holds, "{value}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        assert!(!is_known(&HeaderMap::new(), &etag(3)));
        for (value, known) in [
            ("*", true),
            ("W/\"3\"", true),
            ("\"1\",\"3\"", true),
            ("\"1\"", false),
            ("\"3-open-20-5-1\"", false),
        ] {
            assert_eq!(is_known(&headers(IF_NONE_MATCH, value), &etag(3)), known, "{value}");
        }
    }
}
