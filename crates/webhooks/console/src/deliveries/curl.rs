//! A request as a command for the shell.

use std::fmt::Write;

use crate::body::MAX_SHOWN;

/// Returns a command that sends a request again. `file` is the name of the file from which it reads a body of more than
/// [`MAX_SHOWN`] bytes.
pub(super) fn command(url: &str, headers: &[(String, String)], body: &str, file: &str) -> String {
    let mut text = format!("curl -sS -i -X POST {}", quoted(url));
    for (name, value) in headers {
        // Writing to a String cannot fail.
        let _ = write!(text, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    let data = if body.len() > MAX_SHOWN { format!("@{file}") } else { body.to_owned() };
    let _ = write!(text, " \\\n  --data-binary {}", quoted(&data));
    text
}

/// Quotes a text for a POSIX shell.
fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_a_request_leaves_its_quotes() {
        let headers = [("x-a".to_owned(), "b'$(id)".to_owned())];
        let text = command("https://example.com/?a=b&c", &headers, "{\"a\":\"'; rm -rf / #\"}", "f");
        let words = "curl -sS -i -X POST 'https://example.com/?a=b&c' \\\n  -H 'x-a: b'\\''$(id)' \\\n  --data-binary \
                     '{\"a\":\"'\\''; rm -rf / #\"}'";
        assert_eq!(text, words);
        let long = "x".repeat(MAX_SHOWN + 1);
        let text = command("https://example.com/", &[], &long, "dlv_1.json");
        assert_eq!(text, "curl -sS -i -X POST 'https://example.com/' \\\n  --data-binary '@dlv_1.json'");
    }
}
