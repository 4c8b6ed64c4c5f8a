//! Entity tags: a webhook's version, and the conditions that clients set on it.

use http::HeaderMap;
use http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

/// The strong entity tag of a version, such as `"3"`.
pub(crate) fn etag(version: u64) -> HeaderValue {
    // Digits between quotes are fit for a header.
    HeaderValue::try_from(format!("\"{version}\"")).unwrap_or(HeaderValue::from_static("\"\""))
}

/// What `If-Match` asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum IfMatch {
    /// Nothing: the header is not there, or is `*`.
    Any,
    /// One of these versions. A weak tag names none, since it never matches strongly.
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

    pub(crate) fn holds(&self, current: u64) -> bool {
        match self {
            Self::Any => true,
            Self::OneOf(versions) => versions.contains(&current),
        }
    }
}

/// Whether `If-None-Match` says that the client has that version already.
pub(crate) fn is_known(headers: &HeaderMap, current: u64) -> bool {
    let tags = tags(headers, IF_NONE_MATCH).unwrap_or_default();
    // This comparison is weak: a weak tag of the same text counts.
    tags.iter().any(|tag| *tag == "*" || version(tag.strip_prefix("W/").unwrap_or(tag)) == Some(current))
}

/// The members of a list of tags; none if the header is not there. Our tags hold no commas, so
/// splitting at commas finds every tag that can match.
fn tags(headers: &HeaderMap, name: HeaderName) -> Option<Vec<&str>> {
    if !headers.contains_key(&name) {
        return None;
    }
    let values = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    Some(values.flat_map(|value| value.split(',')).map(str::trim).collect())
}

fn version(tag: &str) -> Option<u64> {
    let digits = tag.strip_prefix('"')?.strip_suffix('"')?;
    let version = digits.parse().ok()?;
    // A tag is its text: "03" and "+3" are not "3".
    (etag(version).as_bytes() == tag.as_bytes()).then_some(version)
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
            ("", false),
        ] {
            assert_eq!(IfMatch::of(&headers(IF_MATCH, value)).holds(3), holds, "{value}");
        }
    }

    #[test]
    fn if_none_match_compares_weakly() {
        assert!(!is_known(&HeaderMap::new(), 3));
        for (value, known) in [("*", true), ("W/\"3\"", true), ("\"1\",\"3\"", true), ("\"1\"", false)] {
            assert_eq!(is_known(&headers(IF_NONE_MATCH, value), 3), known, "{value}");
        }
    }
}
