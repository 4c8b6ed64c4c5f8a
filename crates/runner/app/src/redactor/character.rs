//! The characters of a form, each with the ways in which it can be written.

use super::gap::{backslashes, is_unfinished_break, resumptions};

/// The most parts into which line breaks divide the backslashes before a character.
const MAX_RUN_PARTS: usize = 4;

/// A character, or a number, with the ways to write it.
#[derive(Default)]
pub(super) struct Character {
    /// Whether a line break can stand in its place.
    pub(super) is_space: bool,
    /// The ways that begin as they read: itself, a letter of another alphabet, the digits of a number.
    plain: Vec<Vec<u8>>,
    /// The ways that begin with `%`, `&` or `=`: percent-encoded, as a reference of HTML, quoted-printable.
    encoded: Vec<Vec<u8>>,
    /// What may follow a run of backslashes: itself, `n`, `u00e9`, `xc3\xa9`.
    escaped: Vec<Vec<u8>>,
    ignores_case: bool,
}

impl Character {
    /// Creates a character of a text.
    pub(super) fn plain(character: char, ignores_case: bool) -> Self {
        let mut buffer = [0; 4];
        let bytes = character.encode_utf8(&mut buffer).as_bytes();
        let percent: String = bytes.iter().map(|byte| format!("%{byte:02x}")).collect();
        let quoted: String = bytes.iter().map(|byte| format!("={byte:02x}")).collect();
        let mut units = [0; 2];
        let units = character.encode_utf16(&mut units);
        // The backslash before the first is that of the run.
        let unicode: Vec<_> = units.iter().map(|unit| format!("u{unit:04x}")).collect();
        let again = percent.replace('%', "%25");
        let code = u32::from(character);
        let mut encoded = vec![percent, again, quoted, format!("&#{code};"), format!("&#x{code:x};")];
        encoded.extend(reference(character).map(|name| format!("&{name};")));
        let mut plain = vec![bytes.to_vec()];
        plain.extend((character == ' ').then(|| b"+".to_vec()));
        let hexadecimal: Vec<_> = bytes.iter().map(|byte| format!("x{byte:02x}")).collect();
        let octal: Vec<_> = bytes.iter().map(|byte| format!("{byte:03o}")).collect();
        let mut escaped = vec![bytes.to_vec()];
        escaped.extend([unicode, hexadecimal, octal].map(|units| units.join("\\").into_bytes()));
        escaped.extend((character == '\t').then(|| b"t".to_vec()));
        let is_space = matches!(character, ' ' | '\t');
        let encoded = encoded.into_iter().map(String::into_bytes).collect();
        Self { is_space, plain, encoded, escaped, ignores_case }
    }

    /// Creates a digit of an encoding, which is one of these letters.
    pub(super) fn digit(letters: &[char], ignores_case: bool) -> Self {
        let mut digit = Self { ignores_case, ..Self::default() };
        for letter in letters {
            if letter.is_ascii_alphanumeric() {
                digit.plain.push(vec![*letter as u8]);
            } else {
                let letter = Self::plain(*letter, false);
                digit.plain.extend(letter.plain);
                digit.encoded.extend(letter.encoded);
                digit.escaped.extend(letter.escaped);
            }
        }
        digit
    }

    /// Creates a number of these bytes, the first of them the lowest.
    pub(super) fn number(bytes: &[u8]) -> Self {
        let value = bytes.iter().rev().fold(0_u32, |value, byte| value << 8 | u32::from(*byte));
        let mut ways = vec![value.to_string()];
        match bytes.len() {
            1 => {
                let (octal, binary) = (format!("{value:o}"), format!("{value:08b}"));
                ways.extend([format!("{value:03o}"), octal, format!("0b{binary}"), binary]);
            }
            2 => ways.extend([format!("{value:06o}"), format!("{value:04x}")]),
            _ => ways.extend([format!("{value:011o}"), format!("{value:08x}")]),
        }
        let plain = ways.into_iter().map(String::into_bytes).collect();
        Self { plain, ..Self::default() }
    }

    /// Returns whether a text that begins with this byte may begin with the character.
    pub(super) fn may_begin_with(&self, byte: u8) -> bool {
        let begins = |way: &Vec<u8>| self.same(way, 0, byte);
        self.plain.iter().any(begins)
            || (matches!(byte, b'%' | b'&' | b'=') && self.encoded.iter().any(begins))
            || (byte == b'\\' && !self.escaped.is_empty())
    }

    /// Returns the first two bytes of each way to write the character; the second only if it is one of the way.
    pub(super) fn openings(&self) -> Vec<(u8, Option<u8>)> {
        let mut openings = Vec::new();
        for way in self.plain.iter().chain(&self.encoded) {
            let either = |number: usize| {
                let byte = way[number];
                let either = [byte.to_ascii_lowercase(), byte.to_ascii_uppercase()];
                either.into_iter().filter(move |byte| self.same(way, number, *byte))
            };
            for first in either(0) {
                if way.len() == 1 {
                    openings.push((first, None));
                } else {
                    openings.extend(either(1).map(|second| (first, Some(second))));
                }
            }
        }
        openings.extend((!self.escaped.is_empty()).then_some((b'\\', None)));
        openings
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
    pub(super) fn read(&self, text: &[u8], start: usize, is_first: bool, after: &mut Vec<usize>) -> bool {
        let Some(begin) = text.get(start).copied() else { return true };
        let mut is_open = self.read_any(&self.plain, text, start, after);
        if matches!(begin, b'%' | b'&' | b'=') {
            is_open |= self.read_any(&self.encoded, text, start, after);
        }
        // Within a run of backslashes nothing begins that did not begin with the run.
        let is_within = is_first && start > 0 && text[start - 1] == b'\\';
        if begin != b'\\' || self.escaped.is_empty() || is_within {
            return is_open;
        }
        // Line breaks may divide the run.
        let mut at = start;
        for _ in 0..MAX_RUN_PARTS {
            let run = backslashes(&text[at..]);
            if run == 0 {
                break;
            }
            // The end of the run may be that of an escaped line break. One before a secret is no part of it.
            let is_divided = !is_first || run > 1;
            let broken_within = is_divided.then(|| resumptions(text, at)).into_iter().flatten();
            let broken_after = resumptions(text, at + run);
            at += run;
            is_open |= self.read_any(&self.escaped, text, at, after);
            for resumed in broken_within.chain(broken_after) {
                is_open |= self.read_any(&self.escaped, text, resumed, after);
                at = resumed;
            }
            is_open |= is_unfinished_break(&text[at..]);
        }
        is_open
    }

    /// Adds the positions after the character that stands after a line break at `start`, or that is the break
    /// itself. Returns whether the text ends within it.
    pub(super) fn read_after_break(&self, text: &[u8], start: usize, after: &mut Vec<usize>) -> bool {
        let (mut is_open, mut last) = (false, start);
        for resumed in resumptions(text, start) {
            is_open |= self.read(text, resumed, false, after);
            if self.is_space {
                after.push(resumed);
            }
            last = resumed;
        }
        is_open || is_unfinished_break(&text[last..])
    }

    /// Adds the positions after each of these ways, which may be broken between their bytes.
    fn read_any(&self, ways: &[Vec<u8>], text: &[u8], start: usize, after: &mut Vec<usize>) -> bool {
        ways.iter().fold(false, |is_open, way| is_open | self.read_rest(text, way, 0, start, after))
    }

    /// Adds the positions after the rest of a way. A backslash goes on with a way, or begins a line break.
    fn read_rest(&self, text: &[u8], way: &[u8], number: usize, at: usize, after: &mut Vec<usize>) -> bool {
        if number == way.len() {
            after.push(at);
            return false;
        }
        let resumed = (number > 0).then(|| resumptions(text, at).last()).flatten();
        [Some(at), resumed].into_iter().flatten().fold(false, |is_open, at| {
            is_open
                | match text.get(at) {
                    None => true,
                    // Within JSON there are several backslashes before each part, too.
                    Some(b'\\') if number > 0 && way[number] == b'\\' => {
                        let run = backslashes(&text[at..]);
                        let is_open = run > 1 && self.read_rest(text, way, number + 1, at + run, after);
                        is_open | self.read_rest(text, way, number + 1, at + 1, after)
                    }
                    Some(found) if self.same(way, number, *found) => {
                        self.read_rest(text, way, number + 1, at + 1, after)
                    }
                    Some(_) => number > 0 && is_unfinished_break(&text[at..]),
                }
        })
    }
}

/// Returns the name of a character in HTML, where texts are written with it.
const fn reference(character: char) -> Option<&'static str> {
    match character {
        '&' => Some("amp"),
        '<' => Some("lt"),
        '>' => Some("gt"),
        '"' => Some("quot"),
        '\'' => Some("apos"),
        _ => None,
    }
}
