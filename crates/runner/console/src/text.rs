//! Text of others, as far as a page shows it.

use rdev_core::json::indented;

/// The number of bytes that a page shows of what people and models write; the whole is a download.
pub(crate) const MAX_PROSE: usize = 16 * 1_024;
/// The number of bytes that a page shows of what tools get and return, and of what no one is meant to read.
pub(crate) const MAX_DETAIL: usize = 4 * 1_024;

/// The beginning of a text.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Cut {
    /// What is shown.
    pub(crate) shown: String,
    /// The number of bytes of the whole.
    pub(crate) bytes: usize,
    /// Whether there is more.
    pub(crate) is_cut: bool,
}

impl Cut {
    /// Returns at most `max` bytes of a text.
    pub(crate) fn new(text: &str, max: usize) -> Self {
        let shown = &text[..text.floor_char_boundary(max)];
        Self { shown: shown.to_owned(), bytes: text.len(), is_cut: shown.len() < text.len() }
    }

    /// Returns at most `max` bytes of a JSON text, indented.
    pub(crate) fn of_json(text: &str, max: usize) -> Self {
        let cut = Self::new(text, max);
        Self { shown: indented(&cut.shown), ..cut }
    }

    /// Adds to the end, up to `max` bytes in all.
    pub(crate) fn push(&mut self, text: &str, max: usize) {
        let room = if self.is_cut { 0 } else { max.saturating_sub(self.shown.len()) };
        let added = Self::new(text, room);
        self.shown.push_str(&added.shown);
        self.bytes += text.len();
        self.is_cut |= added.is_cut;
    }
}

/// Returns the first line of a text that is not blank, at most `max` characters of it.
pub(crate) fn first_line(text: &str, max: usize) -> String {
    // A line may be as long as the text.
    let line = text.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    let mut chars = line.chars();
    let mut shown: String = chars.by_ref().take(max).collect();
    if chars.next().is_some() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        let cut = Cut::new("aéé", 2);
        assert_eq!((cut.shown.as_str(), cut.bytes, cut.is_cut), ("a", 5, true));
        assert!(!Cut::new("aéé", 5).is_cut);
        let mut cut = Cut::new("ab", 4);
        cut.push("cdef", 4);
        cut.push("g", 4);
        assert_eq!((cut.shown.as_str(), cut.bytes, cut.is_cut), ("abcd", 7, true));
    }

    #[test]
    fn the_first_line_is_one_with_text() {
        assert_eq!(first_line("\n  \n fix it \nnow", 10), "fix it");
        assert_eq!(first_line("éééé", 3), "ééé…");
        assert_eq!(first_line(" \n", 3), "");
    }
}
