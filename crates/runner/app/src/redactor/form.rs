//! The forms in which a secret can appear.

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The longest line break with indentation within a secret, in bytes. It bounds what a stream holds back.
const MAX_BREAK: usize = 128;

/// The most backslashes before an escaped character: JSON within JSON, six times.
const MAX_BACKSLASHES: usize = 64;

/// The shortest form, in characters: others are found in ordinary text.
const MIN_CHARS: usize = 4;

/// A form of a secret: a sequence of characters, each with the ways in which it can be written.
#[derive(Clone)]
pub(super) struct Form {
    characters: Vec<Character>,
}

#[derive(Clone)]
struct Character {
    /// The ways to write it: itself, percent-encoded, in base64 of either alphabet.
    literals: Vec<Vec<u8>>,
    /// What may follow a run of backslashes: itself, `n`, `u00e9`.
    escaped: Vec<Vec<u8>>,
    ignores_case: bool,
}

/// What begins at a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The form, up to this position.
    Whole(usize),
    /// A text that ends within the form.
    Beginning,
    /// Something else.
    Nothing,
}

impl Form {
    /// Returns all forms of a secret.
    pub(super) fn all(secret: &str) -> Vec<Self> {
        // Breaks are ignored everywhere, so those of the secret itself too.
        let plain =
            secret.chars().filter(|character| !matches!(character, '\n' | '\r')).map(Character::plain);
        let digits: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
        let mut forms = vec![
            Self { characters: plain.collect() },
            Self { characters: digits.chars().map(Character::digit).collect() },
        ];
        // As a part of a longer text a secret begins at any of three places within four characters.
        for skipped in 0..3 {
            let shifted = [&[0; 2][..skipped], secret.as_bytes()].concat();
            let encoded = STANDARD_NO_PAD.encode(&shifted);
            // The characters at the borders depend on the neighbours too.
            let from = (skipped * 8).div_ceil(6);
            let to = shifted.len() * 8 / 6;
            forms.push(Self { characters: encoded[from..to].chars().map(Character::base64).collect() });
        }
        forms.retain(|form| form.characters.len() >= MIN_CHARS);
        forms
    }

    /// Returns whether a text that begins with this byte may begin with the form.
    pub(super) fn may_begin_with(&self, byte: u8) -> bool {
        let first = &self.characters[0];
        let begins = |way: &Vec<u8>| first.same(way, 0, byte);
        first.literals.iter().any(begins) || (byte == b'\\' && !first.escaped.is_empty())
    }

    /// Looks for the form at this position.
    pub(super) fn find(&self, text: &[u8], position: usize, scratch: &mut Scratch) -> Found {
        let Scratch { positions, next } = scratch;
        let mut is_open = false;
        positions.clear();
        positions.push(position);
        for (number, character) in self.characters.iter().enumerate() {
            next.clear();
            for position in positions.iter().copied() {
                is_open |= character.read(text, position, number == 0, next);
                if number > 0 {
                    let start = after_break(text, position);
                    is_open |= is_unfinished_break(&text[start..]);
                    if start != position {
                        is_open |= character.read(text, start, false, next);
                    }
                }
            }
            if next.is_empty() {
                return if is_open { Found::Beginning } else { Found::Nothing };
            }
            next.sort_unstable();
            next.dedup();
            std::mem::swap(positions, next);
        }
        positions.last().map_or(Found::Nothing, |end| Found::Whole(*end))
    }
}

/// Memory that every search uses again.
#[derive(Default)]
pub(super) struct Scratch {
    positions: Vec<usize>,
    next: Vec<usize>,
}

impl Character {
    fn plain(character: char) -> Self {
        let mut buffer = [0; 4];
        let bytes = character.encode_utf8(&mut buffer).as_bytes();
        let percent: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units);
        // The backslash before the first is that of the run.
        let unicode: Vec<_> = units.iter().map(|unit| format!("u{unit:04x}")).collect();
        let mut literals = vec![bytes.to_vec(), percent.into_bytes()];
        if character == ' ' {
            literals.push(b"+".to_vec());
        }
        let mut escaped = vec![bytes.to_vec(), unicode.join("\\").into_bytes()];
        if character == '\t' {
            escaped.push(b"t".to_vec());
        }
        Self { literals, escaped, ignores_case: false }
    }

    fn digit(digit: char) -> Self {
        Self { literals: vec![digit.to_string().into_bytes()], escaped: Vec::new(), ignores_case: true }
    }

    fn base64(character: char) -> Self {
        let ways: &[&[u8]] = match character {
            '+' => &[b"+", b"-", b"%2b"],
            '/' => &[b"/", b"_", b"%2f"],
            _ => &[&[character as u8]],
        };
        let escaped = if character == '/' { vec![b"/".to_vec()] } else { Vec::new() };
        Self { literals: ways.iter().map(|way| way.to_vec()).collect(), escaped, ignores_case: false }
    }

    /// Returns whether a byte of a text is this byte of a way.
    fn same(&self, way: &[u8], number: usize, found: u8) -> bool {
        // The digits of an encoding may be capitals.
        let is_encoded = way.len() > 1 && way.is_ascii();
        let wanted = way[number];
        wanted == found || ((self.ignores_case || is_encoded) && wanted.eq_ignore_ascii_case(&found))
    }

    /// Adds the positions after each way to write the character at `start`. Returns whether the text ends
    /// within one of them.
    fn read(&self, text: &[u8], start: usize, is_first: bool, after: &mut Vec<usize>) -> bool {
        let mut is_open = false;
        for way in &self.literals {
            is_open |= self.read_way(text, way, start, false, after);
        }
        // Within a run of backslashes nothing begins that did not begin with the run.
        let is_within = is_first && start > 0 && text[start - 1] == b'\\';
        if text.get(start) == Some(&b'\\') && !is_within {
            let run = text[start..].iter().take(MAX_BACKSLASHES).take_while(|byte| **byte == b'\\').count();
            for way in &self.escaped {
                is_open |= self.read_way(text, way, start + run, true, after);
            }
        }
        is_open
    }

    /// Adds the position after this way. It may be broken between its bytes, and before the first if something of the
    /// character stands before it.
    fn read_way(
        &self,
        text: &[u8],
        way: &[u8],
        start: usize,
        is_begun: bool,
        after: &mut Vec<usize>,
    ) -> bool {
        let mut at = start;
        for number in 0..way.len() {
            let is_next = |at: usize| text.get(at).map(|found| self.same(way, number, *found));
            if number > 0 || is_begun {
                let resumed = after_break(text, at);
                if is_next(at) == Some(false) && (resumed > at || is_unfinished_break(&text[at..])) {
                    if is_next(resumed) == Some(false) {
                        return is_unfinished_break(&text[resumed..]);
                    }
                    at = resumed;
                }
            }
            match is_next(at) {
                None => return true,
                Some(false) => return false,
                Some(true) => at += 1,
            }
        }
        after.push(at);
        false
    }
}

/// The ways to write a line break: as such, in JSON, and percent-encoded.
const BREAKS: [&[u8]; 6] = [b"\n", b"\r", b"\\n", b"\\r", b"%0A", b"%0D"];

/// Returns whether a text ends within a line break.
fn is_unfinished_break(text: &[u8]) -> bool {
    matches!(text, b"\\" | b"%" | b"%0")
}

/// Returns the position after line breaks and indentation.
fn after_break(text: &[u8], position: usize) -> usize {
    let mut at = position;
    while at - position < MAX_BREAK {
        let rest = &text[at..];
        let found = match rest.first() {
            Some(b'\n' | b'\r' | b'\\' | b'%') => BREAKS.iter().find(|written| {
                rest.get(..written.len()).is_some_and(|start| start.eq_ignore_ascii_case(written))
            }),
            _ => None,
        };
        at += match found {
            Some(written) => written.len(),
            None if at > position && matches!(rest.first(), Some(b' ' | b'\t')) => 1,
            None => break,
        };
    }
    at
}
