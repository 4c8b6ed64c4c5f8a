//! The removal of secrets from everything that is stored or sent.

mod form;

use form::{Form, Found};

/// What stands in place of a secret.
pub const REDACTED: &str = "[redacted]";

/// The shortest secret that is removed, in characters. Shorter texts are everywhere.
pub const MIN_SECRET_CHARS: usize = 4;

/// Removes the secrets of a run from texts.
///
/// A secret is found as it is, with any of its characters percent-encoded or escaped as in JSON (also JSON
/// within JSON), in hexadecimal digits, and in base64, there also as a part of a longer text. Line breaks
/// within it, with the indentation that follows, do not hide it.
#[derive(Clone, Default)]
pub struct Redactor {
    forms: Vec<Form>,
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
        let long = secrets.into_iter().filter(|secret| secret.trim().chars().count() >= MIN_SECRET_CHARS);
        Self { forms: long.flat_map(|secret| Form::all(secret.trim())).collect() }
    }

    /// Returns the text without the secrets.
    #[must_use]
    pub fn redact(&self, text: &str) -> String {
        self.scan(text, true).0
    }

    /// Begins a text that comes in pieces.
    #[must_use]
    pub const fn stream(&self) -> RedactedStream<'_> {
        RedactedStream { redactor: self, held: String::new() }
    }

    /// Returns the clean text, and the position from which on the text may be the beginning of a secret. At
    /// the end of a text, no beginning is left open.
    fn scan(&self, text: &str, is_end: bool) -> (String, usize) {
        let (mut clean, mut at) = (String::with_capacity(text.len()), 0);
        while let Some(character) = text[at..].chars().next() {
            let mut end = None;
            for form in self.forms.iter().filter(|form| form.may_begin_with(character)) {
                match form.find(&text[at..]) {
                    Found::Whole(length) => end = end.max(Some(at + length)),
                    Found::Beginning if !is_end => return (clean, at),
                    Found::Beginning | Found::Nothing => {}
                }
            }
            match end {
                Some(end) => {
                    clean.push_str(REDACTED);
                    at = end;
                }
                None => {
                    clean.push(character);
                    at += character.len_utf8();
                }
            }
        }
        (clean, at)
    }
}

/// A text that comes in pieces, without secrets. What may be the beginning of a secret is held back until it
/// is known.
#[derive(Debug)]
pub struct RedactedStream<'a> {
    redactor: &'a Redactor,
    held: String,
}

impl RedactedStream<'_> {
    /// Takes the next piece, and returns what is known to be clean.
    pub fn push(&mut self, piece: &str) -> String {
        self.held.push_str(piece);
        let (clean, rest) = self.redactor.scan(&self.held, false);
        self.held.drain(..rest);
        clean
    }

    /// Returns the rest of the text.
    #[must_use]
    pub fn finish(self) -> String {
        self.redactor.redact(&self.held)
    }
}
