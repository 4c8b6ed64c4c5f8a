//! The forms in which a secret can appear.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The longest line break with indentation within a secret, in bytes. It bounds what a stream holds back.
const MAX_BREAK: usize = 128;

/// The most backslashes before an escaped character: JSON within JSON, five times.
const MAX_BACKSLASHES: usize = 32;

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
    literals: Vec<String>,
    /// What may follow a run of backslashes: itself, `n`, `u00e9`.
    escaped: Vec<String>,
    ignores_case: bool,
}

/// What begins at a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The form, with this length in bytes.
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

    pub(super) fn may_begin_with(&self, character: char) -> bool {
        let first = &self.characters[0];
        let begins = |way: &String| way.chars().next().is_some_and(|way| first.same(way, character));
        character == '\\' || first.literals.iter().any(begins)
    }

    /// Looks for the form at the beginning of a text.
    pub(super) fn find(&self, text: &str) -> Found {
        let mut positions = BTreeSet::from([0]);
        let mut is_open = false;
        for (number, character) in self.characters.iter().enumerate() {
            let mut next = BTreeSet::new();
            for position in &positions {
                let start = if number == 0 { *position } else { after_break(text, *position) };
                is_open |= character.read(&text[*position..], *position, &mut next);
                is_open |= number > 0 && is_unfinished_break(&text[start..]);
                if start != *position {
                    is_open |= character.read(&text[start..], start, &mut next);
                }
            }
            if next.is_empty() {
                return if is_open { Found::Beginning } else { Found::Nothing };
            }
            positions = next;
        }
        positions.last().map_or(Found::Nothing, |end| Found::Whole(*end))
    }
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
        let mut literals = vec![character.to_string(), percent];
        if character == ' ' {
            literals.push("+".to_owned());
        }
        let mut escaped = vec![character.to_string(), unicode.join("\\")];
        if character == '\t' {
            escaped.push("t".to_owned());
        }
        Self { literals, escaped, ignores_case: false }
    }

    fn digit(digit: char) -> Self {
        Self { literals: vec![digit.to_string()], escaped: Vec::new(), ignores_case: true }
    }

    fn base64(character: char) -> Self {
        let ways: &[&str] = match character {
            '+' => &["+", "-", "%2b"],
            '/' => &["/", "_", "%2f"],
            _ => {
                return Self {
                    literals: vec![character.to_string()],
                    escaped: Vec::new(),
                    ignores_case: false,
                };
            }
        };
        let literals = ways.iter().map(|way| (*way).to_owned()).collect();
        Self { literals, escaped: vec!["/".to_owned()], ignores_case: false }
    }

    fn same(&self, way: char, found: char) -> bool {
        way == found || (self.ignores_case && way.eq_ignore_ascii_case(&found))
    }

    /// Adds the positions after each way to write the character that `text`, which begins at `start`, begins
    /// with. Returns whether the text ends within one of them.
    fn read(&self, text: &str, start: usize, after: &mut BTreeSet<usize>) -> bool {
        let mut is_open = false;
        for way in &self.literals {
            is_open |= self.read_way(text, way, start, after);
        }
        let backslashes = text.bytes().take(MAX_BACKSLASHES).take_while(|byte| *byte == b'\\').count();
        if backslashes > 0 {
            is_open |= backslashes == text.len();
            for way in &self.escaped {
                is_open |= self.read_way(&text[backslashes..], way, start + backslashes, after);
            }
        }
        is_open
    }

    fn read_way(&self, text: &str, way: &str, start: usize, after: &mut BTreeSet<usize>) -> bool {
        // The digits of an encoding may be capitals.
        let is_encoded = way.len() > 1 && way.is_ascii();
        let mut found = text.chars();
        for expected in way.chars() {
            match found.next() {
                None => return true,
                Some(found) if self.same(expected, found) => {}
                Some(found) if is_encoded && expected.eq_ignore_ascii_case(&found) => {}
                Some(_) => return false,
            }
        }
        after.insert(start + text.len() - found.as_str().len());
        false
    }
}

/// The ways to write a line break: as such, in JSON, and percent-encoded.
const BREAKS: [&str; 6] = ["\n", "\r", "\\n", "\\r", "%0A", "%0D"];

/// Returns whether a text ends within a line break.
fn is_unfinished_break(text: &str) -> bool {
    let is_beginning = |written: &str| written.get(..text.len()).is_some_and(|start| start == text);
    !text.is_empty() && BREAKS.iter().any(|written| text.len() < written.len() && is_beginning(written))
}

/// Returns the position after line breaks and indentation.
fn after_break(text: &str, position: usize) -> usize {
    let mut at = position;
    let mut has_break = false;
    while at - position < MAX_BREAK {
        let rest = &text[at..];
        let found = BREAKS.iter().find(|written| {
            rest.get(..written.len()).is_some_and(|start| start.eq_ignore_ascii_case(written))
        });
        let length = match found {
            Some(written) => {
                has_break = true;
                written.len()
            }
            None if has_break && rest.starts_with([' ', '\t']) => 1,
            None => break,
        };
        at += length;
    }
    at
}
