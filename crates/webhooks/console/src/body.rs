//! Bodies of requests and responses as text.

use std::borrow::Cow;

/// The number of bytes of a body that a page shows; the whole is a download.
const MAX_SHOWN: usize = 64 * 1_024;

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
        let pretty = is_json.then(|| pretty(&text));
        Self { raw: text.into_owned(), pretty, bytes: bytes.len(), is_cut, is_text }
    }
}

/// Adds line breaks and indentation between the tokens of JSON. It changes no token, so numbers and escapes stay what
/// they were; text that is not JSON comes out readable too.
pub(crate) fn pretty(json: &str) -> String {
    let mut out = String::with_capacity(json.len() * 2);
    let (mut depth, mut in_string, mut is_escaped) = (0_usize, false, false);
    let mut chars = json.chars().peekable();
    while let Some(char) = chars.next() {
        if in_string {
            (in_string, is_escaped) = (is_escaped || char != '"', !is_escaped && char == '\\');
            out.push(char);
            continue;
        }
        match char {
            '"' => {
                in_string = true;
                out.push(char);
            }
            '{' | '[' => {
                out.push(char);
                while chars.next_if(|next| next.is_ascii_whitespace()).is_some() {}
                if let Some(end) = chars.next_if(|next| matches!(next, '}' | ']')) {
                    out.push(end);
                } else {
                    depth += 1;
                    line(&mut out, depth);
                }
            }
            '}' | ']' => {
                depth = depth.saturating_sub(1);
                line(&mut out, depth);
                out.push(char);
            }
            ',' => {
                out.push(char);
                line(&mut out, depth);
            }
            ':' => out.push_str(": "),
            _ if char.is_ascii_whitespace() => {}
            _ => out.push(char),
        }
    }
    out
}

fn line(out: &mut String, depth: usize) {
    // Deeper levels add no more: a hostile body must not grow by its depth.
    out.push('\n');
    for _ in 0..depth.min(20) {
        out.push_str("  ");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_indented_and_its_tokens_stay() {
        let json = r#"{"a":[1.50,{"b":"x,\"{"}],"c":{},"d":[ ]}"#;
        let expected = "{\n  \"a\": [\n    1.50,\n    {\n      \"b\": \"x,\\\"{\"\n    }\n  ],\n  \"c\": {},\n  \"d\": []\n}";
        assert_eq!(pretty(json), expected);
        assert!(pretty(&"[".repeat(10_000)).len() < 1_000_000);
        assert_eq!(pretty("}]\"\\"), "\n}\n]\"\\");
    }

    #[test]
    fn a_long_body_is_cut_and_a_binary_one_is_recognised() {
        let long = Body::new(format!("\"{}\"", "é".repeat(100_000)).as_bytes());
        assert!(long.is_cut && long.is_text && long.raw.len() <= MAX_SHOWN + 4);
        assert!(!Body::new(&[0xff, 0xfe]).is_text);
        assert!(Body::new(b"<html>").pretty.is_none());
    }
}
