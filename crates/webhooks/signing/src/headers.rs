//! The three headers of a signed webhook.

/// The header with the webhook's id. It is the same for every attempt, so receivers recognise a repeated
/// delivery by it.
pub const HEADER_ID: &str = "webhook-id";

/// The header with the time of the attempt, in Unix seconds.
pub const HEADER_TIMESTAMP: &str = "webhook-timestamp";

/// The header with the signatures, separated by spaces.
pub const HEADER_SIGNATURE: &str = "webhook-signature";

/// The headers that a [`Verifier`](crate::Verifier) needs, as they arrived; `None` for one that is missing or
/// not text.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Headers<'a> {
    /// The value of [`HEADER_ID`].
    pub id: Option<&'a str>,
    /// The value of [`HEADER_TIMESTAMP`].
    pub timestamp: Option<&'a str>,
    /// The value of [`HEADER_SIGNATURE`].
    pub signature: Option<&'a str>,
}

impl<'a> Headers<'a> {
    /// Takes the headers from a request: `lookup` is called with each name in lower case.
    ///
    /// With the `http` crate that is
    /// `Headers::from_lookup(|name| request.headers().get(name)?.to_str().ok())`.
    ///
    /// ```
    /// use std::collections::HashMap;
    ///
    /// use rdev_webhooks_signing::Headers;
    ///
    /// let request = HashMap::from([("webhook-id", "evt_1"), ("webhook-timestamp", "1736937000")]);
    /// let headers = Headers::from_lookup(|name| request.get(name).copied());
    /// assert_eq!(headers.id, Some("evt_1"));
    /// assert_eq!(headers.signature, None);
    /// ```
    pub fn from_lookup(mut lookup: impl FnMut(&'static str) -> Option<&'a str>) -> Self {
        Self {
            id: lookup(HEADER_ID),
            timestamp: lookup(HEADER_TIMESTAMP),
            signature: lookup(HEADER_SIGNATURE),
        }
    }
}
