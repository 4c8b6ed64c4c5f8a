//! Entity tags, and the conditions that clients base on them.
//!
//! The tag of a resource is its version, such as `"3"`. If a response also shows what changes without a new
//! version, this follows the version, as in `"3-rotating"`, so that a tag identifies everything that is shown.
//! `If-Match` compares the version alone: such a change never makes a request fail.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use sha2::{Digest, Sha256};

/// Returns the strong entity tag of a version, with a text for each other thing that the response shows: letters,
/// digits, `_` and `-`.
#[must_use]
pub fn of_version(version: u64, details: &[String]) -> HeaderValue {
    let details: String = details.iter().map(|detail| format!("-{detail}")).collect();
    quoted(&format!("{version}{details}"))
}

/// Returns the strong entity tag of a text that has no version.
#[must_use]
pub fn of_text(text: &str) -> HeaderValue {
    let digest = Sha256::digest(text.as_bytes());
    let digits: String = digest.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    quoted(&digits)
}

fn quoted(tag: &str) -> HeaderValue {
    // Letters, digits, `_` and `-` between quotes are valid in a header.
    HeaderValue::try_from(format!("\"{tag}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// The condition of `If-Match`.
#[derive(Debug, PartialEq, Eq)]
pub enum IfMatch {
    /// No condition: the header is absent or `*`.
    Any,
    /// One of these versions. A weak tag names none, because it never matches strongly.
    OneOf(Vec<u64>),
}

impl IfMatch {
    /// Reads the condition of a request.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Self {
        match tags(headers, IF_MATCH) {
            None => Self::Any,
            Some(tags) if tags == ["*"] => Self::Any,
            Some(tags) => Self::OneOf(tags.iter().filter_map(|tag| version(tag)).collect()),
        }
    }

    /// Returns the required versions; `None` if any version is accepted.
    #[must_use]
    pub fn into_versions(self) -> Option<Vec<u64>> {
        match self {
            Self::Any => None,
            Self::OneOf(versions) => Some(versions),
        }
    }

    /// Returns whether the current version meets the condition.
    #[must_use]
    pub fn holds(&self, current: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&current),
        }
    }
}

/// Returns whether `If-None-Match` shows that the client already has the version with this tag.
#[must_use]
pub fn is_known(headers: &HeaderMap, current: &HeaderValue) -> bool {
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
    let (digits, details) = text.split_once('-').unzip();
    let digits = digits.unwrap_or(text);
    let version: u64 = digits.parse().ok()?;
    // Tags are compared as text: "03" and "+3" are not "3", and "3-" is not one of ours.
    (version.to_string() == digits && details != Some("")).then_some(version)
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
        assert!(!is_known(&HeaderMap::new(), &of_version(3, &[])));
        for (value, known) in [
            ("*", true),
            ("W/\"3\"", true),
            ("\"1\",\"3\"", true),
            ("\"1\"", false),
            ("\"3-open-20-5-1\"", false),
        ] {
            assert_eq!(is_known(&headers(IF_NONE_MATCH, value), &of_version(3, &[])), known, "{value}");
        }
    }
}
