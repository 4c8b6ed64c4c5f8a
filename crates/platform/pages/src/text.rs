//! The escaper of all templates.

use std::fmt::{self, Write};

use askama::filters::Escaper;
use rdev_core::is_invisible;

/// Escapes text for HTML: markup becomes text, and characters that cannot be seen, or that change the order of
/// others, become escapes such as `\u{202e}`. Line breaks and tabs stay.
#[derive(Debug, Clone, Copy, Default)]
pub struct Visible;

impl Escaper for Visible {
    fn write_escaped_str<W: Write>(&self, mut out: W, text: &str) -> fmt::Result {
        let mut plain = 0;
        for (at, char) in text.char_indices() {
            let entity = match char {
                '<' => Some("&lt;"),
                '>' => Some("&gt;"),
                '&' => Some("&amp;"),
                '"' => Some("&quot;"),
                '\'' => Some("&#39;"),
                _ if is_invisible(char) => None,
                _ => continue,
            };
            out.write_str(&text[plain..at])?;
            plain = at + char.len_utf8();
            match entity {
                Some(entity) => out.write_str(entity)?,
                None => write!(out, "\\u{{{:x}}}", u32::from(char))?,
            }
        }
        out.write_str(&text[plain..])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(text: &str) -> String {
        let mut out = String::new();
        Visible.write_escaped_str(&mut out, text).unwrap();
        out
    }

    #[test]
    fn markup_and_invisible_characters_are_text() {
        assert_eq!(shown("<a href='x' b=\"y\">&"), "&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;");
        assert_eq!(shown("user\u{202e}gnp.exe\0\r\u{1b}[0m"), "user\\u{202e}gnp.exe\\u{0}\\u{d}\\u{1b}[0m");
        assert_eq!(shown("a\n\tb é 👩‍💻"), "a\n\tb é 👩‍💻");
    }
}
