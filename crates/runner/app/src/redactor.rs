//! The removal of secrets from everything that is stored or sent.

mod form;

use std::collections::BTreeSet;

use form::{Alphabet, Form, Found, Scratch};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The shortest secret that is removed, in characters. Shorter texts are everywhere.
pub const MIN_SECRET_CHARS: usize = rdev_runner_domain::MIN_CREDENTIAL_CHARS;

/// The shortest line of a secret that is removed by itself, in characters.
const MIN_LINE_CHARS: usize = 8;

/// Removes the secrets of a run from texts.
///
/// A secret is found as it is, with any of its characters percent-encoded (also twice), escaped as in JSON (also JSON
/// within JSON), in C or in HTML, in hexadecimal digits (also with something between the bytes), and in base64, there
/// also as a part of a longer text. Line breaks
/// within it, with the indentation that follows, or in place of its spaces, do not hide it. Each longer line
/// of a secret with several lines is a secret too.
///
/// The other part of a secret may stand in another text. So a text loses the beginning of a secret at its end,
/// and the ending of one at its beginning, if it is at least half of the secret and eight characters long.
#[derive(Clone, Default)]
pub struct Redactor {
    forms: Vec<Form>,
    /// The forms that a text with this first byte may begin with, by their numbers.
    beginnings: Vec<Vec<usize>>,
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
        let mut alphabet = Alphabet::default();
        let forms: Vec<_> = texts.into_iter().flat_map(|text| Form::all(text, &mut alphabet)).collect();
        let begin_with = |byte: u8| {
            let numbered = forms.iter().enumerate();
            numbered.filter(|(_, form)| form.may_begin_with(byte)).map(|(number, _)| number).collect()
        };
        let beginnings = (0..=u8::MAX).map(begin_with).collect();
        Self { forms, beginnings }
    }

    /// Returns whether there is nothing to remove.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Returns whether the end of the text may be the beginning of a secret.
    pub(crate) fn is_open(&self, text: &str) -> bool {
        self.scan(text, false, false).1 < text.len()
    }

    /// Returns the text without the secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.scan(text, true, true).0
    }

    /// Begins a text that comes in pieces.
    #[must_use]
    pub const fn stream(&self) -> RedactedStream<'_> {
        RedactedStream { redactor: self, held: String::new(), is_start: true }
    }

    /// Returns the clean text, and the position from which on the text may be the beginning of a secret. At
    /// the end of a text, no beginning is left open.
    fn scan(&self, text: &str, is_start: bool, is_end: bool) -> (String, usize) {
        if self.is_empty() {
            return (text.to_owned(), text.len());
        }
        let (bytes, mut scratch) = (text.as_bytes(), Scratch::default());
        let mut clean = String::with_capacity(text.len());
        // What lies before `at` is clean, and written up to `written`.
        let (mut at, mut written) = (0, 0);
        if is_start {
            match self.find_ending(bytes, is_end, &mut scratch) {
                Ending::Open => return (clean, 0),
                Ending::Found { start, end } => {
                    clean.push_str(&text[..start]);
                    clean.push_str(REDACTED);
                    (at, written) = (end, end);
                }
                Ending::Missing => {}
            }
        }
        while let Some(byte) = bytes.get(at) {
            let mut end = None;
            for form in self.beginnings.get(usize::from(*byte)).into_iter().flatten() {
                let form = &self.forms[*form];
                match form.find(bytes, at, &mut scratch) {
                    Found::Whole(found) => end = end.max(Some(found)),
                    Found::Beginning(_) if !is_end => {
                        clean.push_str(&text[written..at]);
                        return (clean, at);
                    }
                    Found::Beginning(chars) if chars >= form.least_part() => end = Some(bytes.len()),
                    Found::Beginning(_) | Found::Nothing => {}
                }
            }
            at += 1;
            if let Some(end) = end {
                clean.push_str(&text[written..at - 1]);
                clean.push_str(REDACTED);
                (at, written) = (end, end);
            }
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
        for form in &self.forms {
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
        let (clean, rest) = self.redactor.scan(&self.held, self.is_start, false);
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
        self.redactor.scan(&self.held, self.is_start, true).0
    }
}
