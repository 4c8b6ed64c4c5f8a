//! Text as HTML.

use std::fmt::{self, Display, Write as _};

/// A text, escaped.
pub(super) struct Escaped<'a>(pub(super) &'a str);

impl Display for Escaped<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for character in self.0.chars() {
            match character {
                '&' => f.write_str("&amp;")?,
                '<' => f.write_str("&lt;")?,
                '>' => f.write_str("&gt;")?,
                '"' => f.write_str("&quot;")?,
                other => f.write_char(other)?,
            }
        }
        Ok(())
    }
}

/// A line of Markdown as far as descriptions use it: `code` and **strong**.
pub(super) struct Line<'a>(pub(super) &'a str);

impl Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, part) in self.0.split('`').enumerate() {
            if place % 2 == 1 {
                write!(f, "<code>{}</code>", Escaped(part))?;
                continue;
            }
            for (place, part) in part.split("**").enumerate() {
                if place % 2 == 1 {
                    write!(f, "<strong>{}</strong>", Escaped(part))?;
                } else {
                    write!(f, "{}", Escaped(part))?;
                }
            }
        }
        Ok(())
    }
}

/// Paragraphs of such lines, separated by blank lines.
pub(super) struct Paragraphs<'a>(pub(super) &'a str);

impl Display for Paragraphs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let paragraphs = self.0.split("\n\n").map(str::trim).filter(|text| !text.is_empty());
        paragraphs.into_iter().try_for_each(|text| writeln!(f, "<p>{}</p>", Line(text)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_markdown_becomes_markup() {
        let text = "a <b> & `<c> \"**\"` and **so on**\n\nmore";
        let html = "<p>a &lt;b&gt; &amp; <code>&lt;c&gt; &quot;**&quot;</code> and <strong>so on</strong></p>\n<p>more</p>\n";
        assert_eq!(Paragraphs(text).to_string(), html);
    }
}
