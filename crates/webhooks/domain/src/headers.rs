//! The custom headers of a webhook.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// Headers that are sent with every delivery of a webhook, in addition to the standard ones. The values are
/// secrets: they are encrypted at rest, redacted in `Debug`, and never part of a list.
///
/// At most 32 headers; a value has at most 4,096 bytes, only visible ASCII, spaces and tabs. Names that
/// control the connection or that this service sets itself are refused.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct CustomHeaders(HeaderMap);

/// The reason why a header cannot be sent. The message never contains its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CustomHeadersError {
    /// The name does not match HTTP's grammar.
    #[error("is not a header name")]
    Name,
    /// The name is reserved for this service or the connection.
    #[error("must not be set: the header belongs to the connection or to the delivery")]
    Reserved,
    /// The value has a control character, a line break or a byte outside ASCII.
    #[error("must have a value of visible ASCII characters, spaces and tabs only")]
    Value,
    /// The value has more than 4,096 bytes.
    #[error("must have a value of at most {MAX_VALUE_LEN} bytes")]
    ValueTooLong,
    /// The name occurs twice, with case ignored.
    #[error("is given twice; header names are case-insensitive")]
    Duplicate,
    /// There are more than 32 headers.
    #[error("must contain at most {MAX_HEADERS} headers")]
    TooMany,
}

/// The text that replaces a custom header's value wherever it could be seen.
pub const REDACTED: &str = "[redacted]";

const MAX_HEADERS: usize = 32;
const MAX_VALUE_LEN: usize = 4_096;

/// Hop-by-hop, framing, routing and content headers, and those by which a receiver could mistake one party
/// for another.
const RESERVED: &[&str] = &[
    "accept-encoding",
    "connection",
    "content-encoding",
    "content-length",
    "content-type",
    "date",
    "expect",
    "forwarded",
    "host",
    "http2-settings",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "range",
    "te",
    "traceparent",
    "tracestate",
    "trailer",
    "transfer-encoding",
    "upgrade",
    "user-agent",
    "via",
];
const RESERVED_PREFIXES: &[&str] = &["webhook-", "x-rdev-", "x-forwarded-", "proxy-", "sec-"];

impl CustomHeaders {
    /// Adds one header. Fails if it must not be sent.
    pub fn insert(&mut self, name: &str, value: &str) -> Result<(), CustomHeadersError> {
        let name: HeaderName = name.parse().map_err(|_| CustomHeadersError::Name)?;
        if RESERVED.contains(&name.as_str())
            || RESERVED_PREFIXES.iter().any(|prefix| name.as_str().starts_with(prefix))
        {
            return Err(CustomHeadersError::Reserved);
        }
        if value.len() > MAX_VALUE_LEN {
            return Err(CustomHeadersError::ValueTooLong);
        }
        if !value.bytes().all(|byte| matches!(byte, b' '..=b'~' | b'\t')) {
            return Err(CustomHeadersError::Value);
        }
        if self.0.contains_key(&name) {
            return Err(CustomHeadersError::Duplicate);
        }
        if self.0.len() == MAX_HEADERS {
            return Err(CustomHeadersError::TooMany);
        }
        let mut value = HeaderValue::from_str(value).map_err(|_| CustomHeadersError::Value)?;
        value.set_sensitive(true);
        self.0.insert(name, value);
        Ok(())
    }

    /// Sets the given headers, and removes those without a value. Fails with the name of a header that cannot
    /// be set.
    pub fn merge<'a>(
        &mut self,
        changes: &'a [(String, Option<String>)],
    ) -> Result<(), (&'a str, CustomHeadersError)> {
        // Removed headers make room for new ones.
        for (name, _) in changes {
            self.0.remove(name.as_str());
        }
        for (name, value) in changes {
            if let Some(value) = value {
                self.insert(name, value).map_err(|error| (name.as_str(), error))?;
            }
        }
        Ok(())
    }

    /// Returns whether there are no headers.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the names, in the order of insertion.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(HeaderName::as_str)
    }

    /// Returns the headers as they are sent; the values are marked sensitive.
    #[must_use]
    pub fn as_map(&self) -> &HeaderMap {
        &self.0
    }

    /// Returns one `name: value` line for each header, for a store to encrypt. [`Self::from_lines`] is the
    /// inverse.
    #[must_use]
    pub fn to_lines(&self) -> secrecy::SecretString {
        let mut lines = String::new();
        for (name, value) in &self.0 {
            // `insert` accepts only ASCII.
            let value = value.to_str().unwrap_or_default();
            lines.push_str(name.as_str());
            lines.push_str(": ");
            lines.push_str(value);
            lines.push('\n');
        }
        lines.into()
    }

    /// Parses what [`Self::to_lines`] wrote.
    pub fn from_lines(lines: &str) -> Result<Self, CustomHeadersError> {
        let mut headers = Self::default();
        for line in lines.lines() {
            let (name, value) = line.split_once(": ").ok_or(CustomHeadersError::Name)?;
            headers.insert(name, value)?;
        }
        Ok(headers)
    }
}

impl fmt::Debug for CustomHeaders {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn reserved_names_are_refused_in_any_case() {
        for name in
            ["Host", "content-length", "Transfer-Encoding", "CONNECTION", "webhook-id", "X-Rdev-Event"]
        {
            let refused = CustomHeaders::default().insert(name, "x");
            assert_eq!(refused, Err(CustomHeadersError::Reserved), "{name}");
        }
    }

    #[test]
    fn values_with_unsafe_characters_are_refused() {
        for value in ["a\r\nhost: b", "a\nb", "a\0b", "é", "\u{7f}"] {
            let refused = CustomHeaders::default().insert("x-token", value);
            assert_eq!(refused, Err(CustomHeadersError::Value), "{value:?}");
        }
        assert_eq!(CustomHeaders::default().insert("x token", "a"), Err(CustomHeadersError::Name));
    }

    #[test]
    fn headers_are_merged_one_by_one() {
        let changes = |changes: &[(&str, Option<&str>)]| -> Vec<(String, Option<String>)> {
            changes.iter().map(|(name, value)| ((*name).into(), value.map(Into::into))).collect()
        };
        let mut headers = CustomHeaders::default();
        headers.merge(&changes(&[("x-a", Some("1")), ("x-b", Some("2"))])).unwrap();
        headers.merge(&changes(&[("X-A", None), ("x-b", Some("3"))])).unwrap();
        assert_eq!(headers.names().collect::<Vec<_>>(), ["x-b"]);
        assert_eq!(headers.as_map()["x-b"], "3");
        let wrong = changes(&[("host", Some("x"))]);
        assert_eq!(headers.merge(&wrong), Err(("host", CustomHeadersError::Reserved)));
    }

    #[test]
    fn debug_hides_values() {
        let mut headers = CustomHeaders::default();
        headers.insert("x-token", "s3cret").unwrap();
        assert_eq!(headers.insert("X-Token", "b"), Err(CustomHeadersError::Duplicate));
        assert_eq!(format!("{headers:?}"), "{\"x-token\"}");
        assert!(!format!("{:?}", headers.as_map()).contains("s3cret"));
    }

    /// Names that are reserved or nearly so, and any other text.
    fn any_name() -> impl Strategy<Value = String> {
        let reserved = prop::sample::select([RESERVED, RESERVED_PREFIXES].concat());
        prop_oneof![
            reserved.prop_map(str::to_uppercase),
            ("(webhook|x-rdev|proxy|host|te)[-_: ]?", "\\PC{0,4}").prop_map(|(a, b)| a + &b),
            any::<String>(),
        ]
    }

    proptest! {
        #[test]
        fn only_valid_unreserved_headers_are_accepted(name in any_name(), value: String) {
            let mut headers = CustomHeaders::default();
            if headers.insert(&name, &value).is_ok() {
                let taken = name.to_ascii_lowercase();
                prop_assert_eq!(headers.names().collect::<Vec<_>>(), [taken.as_str()]);
                prop_assert!(!taken.is_empty() && taken.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':'));
                prop_assert!(!RESERVED.contains(&taken.as_str()));
                prop_assert!(!RESERVED_PREFIXES.iter().any(|prefix| taken.starts_with(prefix)));
                prop_assert!(value.bytes().all(|byte| byte == b'\t' || (b' '..=b'~').contains(&byte)));
            } else {
                prop_assert!(headers.is_empty());
            }
        }

        #[test]
        fn lines_round_trip(given in prop::collection::vec(("[a-z-]{1,12}", "\\PC{0,20}"), 0..40)) {
            let mut headers = CustomHeaders::default();
            for (name, value) in given {
                let _ = headers.insert(&name, &value);
            }
            let lines = headers.to_lines();
            prop_assert_eq!(CustomHeaders::from_lines(lines.expose_secret()).unwrap(), headers);
        }
    }
}
