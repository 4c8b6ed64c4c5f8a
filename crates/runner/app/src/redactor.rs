//! The removal of secrets from everything that is stored or sent.

mod alphabet;
mod character;
mod digits;
mod encodings;
mod form;
mod gap;
mod index;

use std::collections::BTreeSet;

use encodings::Shared;
use form::{Form, Found, Scratch};
use index::Index;

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The shortest secret that is removed, in characters. Shorter texts are everywhere.
pub const MIN_SECRET_CHARS: usize = rdev_runner_domain::MIN_CREDENTIAL_CHARS;

/// The shortest line of a secret that is removed by itself, in characters.
const MIN_LINE_CHARS: usize = 8;

/// The most bytes of the secrets and their lines that are found in all forms, the shortest first. It bounds the time that
/// the search takes. Longer ones are found as they are, in hexadecimal digits and in base64.
const MAX_FURTHER_BYTES: usize = 8 << 10;

/// Removes the secrets of a run from texts.
///
/// A secret is found
///
/// - as it is, reversed, in ROT13, in other case, and with the same separator between all characters; any of its
///   characters may be percent-encoded (also twice), quoted-printable, or escaped as in JSON (also JSON within JSON),
///   in C or in HTML;
/// - in base64, base32, base85 and uuencode, also as a part of a longer text, and in hexadecimal digits;
/// - as numbers: its bytes, or words of two or four of them, decimal, octal, hexadecimal or binary, and in dumps, as
///   `xxd`, `hexdump` and `od` write them;
/// - in hexadecimal digits or base64 of itself in one of these or in hexadecimal digits, base32 or base64, reversed, in
///   ROT13, percent-encoded, escaped as in JSON, or in UTF-16.
///
/// Line breaks within it, with the indentation that follows, or in place of its spaces, do not hide it. Each longer line
/// of a secret with several lines is a secret too.
///
/// The other part of a secret may stand in another text. So a text loses the beginning of a secret at its end,
/// and the ending of one at its beginning, if it is at least half of the secret and eight characters long.
#[derive(Clone, Default)]
pub struct Redactor {
    forms: Vec<Form>,
    index: Index,
}

impl std::fmt::Debug for Redactor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Redactor").finish_non_exhaustive()
    }
}

impl Redactor {
    /// Creates a redactor for these secrets. Those that are shorter than [`MIN_SECRET_CHARS`] are ignored.
    #[must_use]
    pub fn new<'a>(secrets: impl IntoIterator<Item = &'a str>) -> Self {
        let mut texts = BTreeSet::new();
        for secret in secrets.into_iter().map(str::trim) {
            let is_long = |text: &&str, chars| text.chars().count() >= chars;
            texts.extend(Some(secret).filter(|secret| is_long(secret, MIN_SECRET_CHARS)));
            texts.extend(secret.lines().map(str::trim).filter(|line| is_long(line, MIN_LINE_CHARS)));
        }
        let mut texts: Vec<_> = texts.into_iter().collect();
        texts.sort_by_key(|text| text.len());
        let (mut shared, mut forms, mut bytes) = (Shared::default(), Vec::new(), 0);
        for text in texts {
            forms.extend(shared.common(text));
            bytes += text.len();
            if bytes <= MAX_FURTHER_BYTES {
                forms.extend(shared.further(text));
            }
        }
        let index = if forms.is_empty() { Index::default() } else { Index::new(&forms) };
        Self { forms, index }
    }

    /// Returns whether there is nothing to remove.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Returns whether the end of a line is likely the beginning of a secret.
    pub(crate) fn is_open(&self, line: &str) -> bool {
        self.scan(line, false, End::Line).1 < line.len()
    }

    /// Returns the text without the secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.scan(text, true, End::Text).0
    }

    /// Begins a text that comes in pieces.
    #[must_use]
    pub const fn stream(&self) -> RedactedStream<'_> {
        RedactedStream { redactor: self, held: String::new(), is_start: true }
    }

    /// Returns the clean text, and the position from which on the text may be the beginning of a secret. At
    /// the end of a text, no beginning is left open.
    fn scan(&self, text: &str, is_start: bool, end_of: End) -> (String, usize) {
        if self.is_empty() {
            return (text.to_owned(), text.len());
        }
        let (bytes, mut scratch, mut at_line_end) = (text.as_bytes(), Scratch::default(), Vec::new());
        let mut clean = String::with_capacity(text.len());
        // What lies before `at` is searched, and written up to `written`. A secret may overlap with the one that is hidden.
        let (mut at, mut written, mut hidden) = (0, 0, None);
        // The ending of a secret is one only at the beginning of a text, which is not released without it.
        let mut is_ending = false;
        if is_start {
            match self.find_ending(bytes, end_of == End::Text, &mut scratch) {
                Ending::Open => return (clean, 0),
                Ending::Found { start, end } => (at, hidden, is_ending) = (start, Some((start, end)), true),
                Ending::Missing => {}
            }
        }
        while at < bytes.len() {
            if let Some((start, end)) = hidden.filter(|(_, end)| *end <= at) {
                clean.push_str(&text[written..start]);
                clean.push_str(REDACTED);
                (written, hidden, is_ending) = (end, None, false);
            }
            let mut end = None;
            for form in self.index.at(bytes, at, &mut at_line_end) {
                let form = &self.forms[*form as usize];
                match form.find(bytes, at, &mut scratch) {
                    Found::Whole(found) => end = end.max(Some(found)),
                    Found::Beginning(chars) if end_of.waits_for(form, chars) => {
                        let open = hidden.map_or(at, |(start, _)| if is_ending { 0 } else { start });
                        clean.push_str(&text[written..open]);
                        return (clean, open);
                    }
                    Found::Beginning(chars) if end_of == End::Text && chars >= form.least_part() => {
                        end = Some(bytes.len());
                    }
                    Found::Beginning(_) | Found::Nothing => {}
                }
            }
            if let Some(found) = end {
                hidden =
                    Some(hidden.map_or((at, found), |(start, end): (usize, usize)| (start, end.max(found))));
            }
            at += 1;
        }
        if let Some((start, end)) = hidden {
            clean.push_str(&text[written..start]);
            clean.push_str(REDACTED);
            written = end;
        }
        clean.push_str(&text[written..]);
        (clean, at)
    }

    /// Looks for the ending of a secret at the beginning of a text.
    fn find_ending(&self, text: &[u8], is_end: bool, scratch: &mut Scratch) -> Ending {
        let start = text.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
        if start == text.len() && !is_end {
            return Ending::Open;
        }
        let mut end = start;
        let is_long = |form: &&Form| !is_end || text.len() - start >= form.least_part();
        for form in self.forms.iter().filter(is_long) {
            for found in form.find_endings(text, start, scratch) {
                match found {
                    Found::Whole(found) => end = end.max(found),
                    Found::Beginning(_) if !is_end => return Ending::Open,
                    Found::Beginning(chars) if chars >= form.least_part() => end = text.len(),
                    Found::Beginning(_) | Found::Nothing => {}
                }
            }
        }
        if end > start { Ending::Found { start, end } } else { Ending::Missing }
    }
}

/// What the end of a text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// The end of the whole.
    Text,
    /// The end of a line, which another may follow.
    Line,
    /// The end of a piece, which others follow.
    Piece,
}

impl End {
    /// Returns whether a text that ends after so many characters of a form is decided by what follows.
    fn waits_for(self, form: &Form, chars: usize) -> bool {
        match self {
            Self::Text => false,
            Self::Line => form.is_likely_after(chars),
            Self::Piece => true,
        }
    }
}

/// The ending of a secret at the beginning of a text, after white space.
enum Ending {
    /// The ending lies here.
    Found { start: usize, end: usize },
    /// There is none.
    Missing,
    /// Later parts of the text decide.
    Open,
}

/// A text that comes in pieces, without secrets. What may be the beginning of a secret is held back until it
/// is known.
pub struct RedactedStream<'a> {
    redactor: &'a Redactor,
    held: String,
    /// Whether nothing was released.
    is_start: bool,
}

impl std::fmt::Debug for RedactedStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RedactedStream").finish_non_exhaustive()
    }
}

impl RedactedStream<'_> {
    /// Takes the next piece, and returns what is known to be clean.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let (clean, rest) = self.redactor.scan(&self.held, self.is_start, End::Piece);
        self.held.drain(..rest);
        self.is_start &= rest == 0;
        clean
    }

    /// Returns whether something is held back.
    pub(crate) const fn is_holding(&self) -> bool {
        !self.held.is_empty()
    }

    /// Returns the number of the last bytes that are held back.
    pub(crate) const fn held_bytes(&self) -> usize {
        self.held.len()
    }

    /// Returns the rest of the text.
    #[must_use]
    pub fn finish(self) -> String {
        self.redactor.scan(&self.held, self.is_start, End::Text).0
    }
}
