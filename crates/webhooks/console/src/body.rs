//! Bodies of requests and responses as text.

use std::borrow::Cow;

use rdev_core::json::indented;

/// The number of bytes of a body that a page shows; the whole is a download.
pub(crate) const MAX_SHOWN: usize = 16 * 1_024;

/// A body as a page shows it.
pub(crate) struct Body {
    /// The text as it is.
    pub(crate) raw: String,
    /// The text with line breaks and indentation, if it is JSON.
    pub(crate) pretty: Option<String>,
    /// The number of bytes of the whole.
    pub(crate) bytes: usize,
    /// Whether the page shows less than there is.
    pub(crate) is_cut: bool,
    /// Whether it is text.
    pub(crate) is_text: bool,
}

impl Body {
    pub(crate) fn new(bytes: &[u8]) -> Self {
        let shown = &bytes[..bytes.len().min(MAX_SHOWN)];
        let text = String::from_utf8_lossy(shown);
        let is_cut = shown.len() < bytes.len();
        // A character may have been cut in two.
        let is_text = matches!(text, Cow::Borrowed(_)) || (is_cut && std::str::from_utf8(bytes).is_ok());
        let is_json = is_text && matches!(text.trim_start().as_bytes().first(), Some(b'{' | b'['));
        let pretty = is_json.then(|| indented(&text));
        Self { raw: text.into_owned(), pretty, bytes: bytes.len(), is_cut, is_text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_body_is_cut_and_a_binary_one_is_recognised() {
        let long = Body::new(format!("\"{}\"", "é".repeat(100_000)).as_bytes());
        assert!(long.is_cut && long.is_text && long.raw.len() <= MAX_SHOWN + 4);
        assert!(!Body::new(&[0xff, 0xfe]).is_text);
        assert!(Body::new(b"<html>").pretty.is_none());
    }
}
