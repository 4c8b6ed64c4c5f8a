//! The id of a request in responses and logs.

use std::fmt::Write as _;

use http::{HeaderMap, HeaderName, HeaderValue};
use rdev_core::Entropy;

/// The header that carries the id, in requests and in responses.
pub(crate) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Maximum length of an id that a client sends.
const MAX_LEN: usize = 128;

/// The id of a request: visible ASCII.
#[derive(Debug, Clone)]
pub(crate) struct RequestId(HeaderValue);

impl RequestId {
    /// Returns the client's own id if it is safe to echo and to log, otherwise a new one.
    pub(crate) fn of(headers: &HeaderMap, entropy: &dyn Entropy) -> Self {
        let mut sent = headers.get_all(X_REQUEST_ID).iter();
        match (sent.next(), sent.next()) {
            (Some(value), None) if is_fit(value.as_bytes()) => Self(value.clone()),
            _ => Self::new(entropy),
        }
    }

    fn new(entropy: &dyn Entropy) -> Self {
        let mut text = String::from("req_");
        for byte in entropy.bytes::<16>() {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
        }
        // Hexadecimal digits are valid in a header.
        Self(HeaderValue::try_from(text).unwrap_or(HeaderValue::from_static("req_")))
    }

    /// Returns the id as text.
    pub(crate) fn as_str(&self) -> &str {
        // Both ways to create an id admit only ASCII.
        self.0.to_str().unwrap_or_default()
    }

    /// Returns the id as the value of a header.
    pub(crate) fn into_value(self) -> HeaderValue {
        self.0
    }
}

fn is_fit(bytes: &[u8]) -> bool {
    (1..=MAX_LEN).contains(&bytes.len()) && bytes.iter().all(u8::is_ascii_graphic)
}
