//! A request as a command for the shell.

use std::fmt::Write;

/// Returns a command that sends a request again.
pub(super) fn command(url: &str, headers: &[(String, String)], body: &str) -> String {
    let mut text = format!("curl -sS -i -X POST {}", quoted(url));
    for (name, value) in headers {
        // Writing to a String cannot fail.
        let _ = write!(text, " \\\n  -H {}", quoted(&format!("{name}: {value}")));
    }
    let _ = write!(text, " \\\n  --data-binary {}", quoted(body));
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
        let text = command("https://example.com/?a=b&c", &headers, "{\"a\":\"'; rm -rf / #\"}");
        let words = "curl -sS -i -X POST 'https://example.com/?a=b&c' \\\n  -H 'x-a: b'\\''$(id)' \\\n  --data-binary \
                     '{\"a\":\"'\\''; rm -rf / #\"}'";
        assert_eq!(text, words);
    }
}
