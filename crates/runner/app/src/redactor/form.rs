//! The forms in which a secret can appear.

use std::collections::HashMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD_NO_PAD;

/// The longest line break with indentation within a secret, in bytes. It bounds what a stream holds back.
const MAX_BREAK: usize = 128;

/// The most backslashes before an escaped character: JSON within JSON, six times.
const MAX_BACKSLASHES: usize = 64;

/// The most parts into which line breaks divide the backslashes before a character.
const MAX_RUN_PARTS: usize = 4;

/// The shortest form, in characters: others are found in ordinary text.
const MIN_CHARS: usize = 4;

/// The shortest part of a form that is removed without the rest, in characters.
const MIN_PART_CHARS: usize = 8;

/// A form of a secret: a sequence of characters, each with the ways in which it can be written.
#[derive(Clone)]
pub(super) struct Form {
    characters: Vec<Arc<Character>>,
}

/// The characters of several forms. Most are in many places of a long secret, which share them.
#[derive(Default)]
pub(super) struct Alphabet {
    plain: HashMap<char, Arc<Character>>,
    digits: HashMap<char, Arc<Character>>,
    /// Digits at which a further byte begins.
    further: HashMap<char, Arc<Character>>,
    base64: HashMap<char, Arc<Character>>,
}

#[derive(Clone)]
struct Character {
    /// Whether a line break can stand in its place.
    is_space: bool,
    /// The ways to write it: itself, percent-encoded, as a reference of HTML, in base64 of either alphabet.
    literals: Vec<Vec<u8>>,
    /// What may follow a run of backslashes: itself, `n`, `u00e9`, `xc3\xa9`.
    escaped: Vec<Vec<u8>>,
    ignores_case: bool,
}

/// What begins at a position.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The form, up to this position.
    Whole(usize),
    /// A text that ends within the form, after this number of its characters.
    Beginning(usize),
    /// Something else.
    Nothing,
}

impl Form {
    /// Returns all forms of a secret.
    pub(super) fn all(secret: &str, alphabet: &mut Alphabet) -> Vec<Self> {
        let Alphabet { plain, digits, further, base64 } = alphabet;
        let form = |known: &mut HashMap<char, Arc<Character>>, text: &str, make: fn(char) -> Character| {
            Self { characters: text.chars().map(|character| shared(known, character, make)).collect() }
        };
        // Breaks are ignored everywhere, so those of the secret itself too.
        let unbroken: String = secret.chars().filter(|character| !matches!(character, '\n' | '\r')).collect();
        let hexadecimal = secret.bytes().map(|byte| format!("{byte:02x}")).collect::<String>();
        let digit = |(number, digit): (usize, char)| match number {
            0 => shared(digits, digit, Character::digit),
            _ if number % 2 == 0 => shared(further, digit, Character::further_digit),
            _ => shared(digits, digit, Character::digit),
        };
        let hexadecimal = Self { characters: hexadecimal.chars().enumerate().map(digit).collect() };
        let mut forms = vec![form(plain, &unbroken, Character::plain), hexadecimal];
        // As a part of a longer text a secret begins at any of three places within four characters.
        for skipped in 0..3 {
            let shifted = [&[0; 2][..skipped], secret.as_bytes()].concat();
            let encoded = STANDARD_NO_PAD.encode(&shifted);
            // The characters at the borders depend on the neighbours too.
            let from = (skipped * 8).div_ceil(6);
            let to = shifted.len() * 8 / 6;
            forms.push(form(base64, &encoded[from..to], Character::base64));
        }
        forms.retain(|form| form.characters.len() >= MIN_CHARS);
        forms
    }

    /// Returns whether a text that begins with this byte may begin with the form.
    pub(super) fn may_begin_with(&self, byte: u8) -> bool {
        self.characters[0].may_begin_with(byte)
    }

    /// Looks for the form at this position.
    pub(super) fn find(&self, text: &[u8], position: usize, scratch: &mut Scratch) -> Found {
        self.find_from(0, text, position, scratch)
    }

    /// Looks at this position for each ending of the form that is removed by itself.
    pub(super) fn find_endings(
        &self,
        text: &[u8],
        position: usize,
        scratch: &mut Scratch,
    ) -> impl Iterator<Item = Found> {
        let begins_with = text.get(position).copied();
        (1..=self.characters.len().saturating_sub(self.least_part())).filter_map(move |first| {
            let may_begin = begins_with.is_some_and(|byte| self.characters[first].may_begin_with(byte));
            may_begin.then(|| self.find_from(first, text, position, scratch))
        })
    }

    /// Returns the least number of characters at the border of a text that are removed without the rest.
    pub(super) fn least_part(&self) -> usize {
        self.characters.len().div_ceil(2).max(MIN_PART_CHARS)
    }

    /// Looks for the form from one of its characters on.
    fn find_from(&self, first: usize, text: &[u8], position: usize, scratch: &mut Scratch) -> Found {
        let Scratch { positions, next } = scratch;
        let mut beginning = None;
        positions.clear();
        positions.push(position);
        for (number, character) in self.characters[first..].iter().enumerate() {
            next.clear();
            let mut is_open = false;
            for start in positions.iter().copied() {
                is_open |= character.read(text, start, number == 0, next);
                if number > 0 {
                    is_open |= character.read_after_break(text, start, next);
                }
            }
            if is_open {
                beginning = Some(number);
            }
            if next.is_empty() {
                return beginning.map_or(Found::Nothing, Found::Beginning);
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
        let again = percent.replace('%', "%25");
        let mut literals = vec![bytes.to_vec(), percent.into_bytes(), again.into_bytes()];
        let code = u32::from(character);
        literals.extend([format!("&#{code};"), format!("&#x{code:x};")].map(String::into_bytes));
        literals.extend(reference(character).map(|name| format!("&{name};").into_bytes()));
        if character == ' ' {
            literals.push(b"+".to_vec());
        }
        let hexadecimal: Vec<_> = bytes.iter().map(|byte| format!("x{byte:02x}")).collect();
        let octal: Vec<_> = bytes.iter().map(|byte| format!("{byte:03o}")).collect();
        let mut escaped = vec![bytes.to_vec()];
        escaped.extend([unicode, hexadecimal, octal].map(|units| units.join("\\").into_bytes()));
        if character == '\t' {
            escaped.push(b"t".to_vec());
        }
        Self { is_space: matches!(character, ' ' | '\t'), literals, escaped, ignores_case: false }
    }

    fn digit(digit: char) -> Self {
        let literals = vec![digit.to_string().into_bytes()];
        Self { is_space: false, literals, escaped: Vec::new(), ignores_case: true }
    }

    /// A digit at which a byte begins. Something may stand between it and the byte before.
    fn further_digit(digit: char) -> Self {
        let before = ["", ":", " ", "-", ",", ", ", "0x", " 0x", ",0x", ", 0x"];
        let literals = before.iter().map(|before| format!("{before}{digit}").into_bytes()).collect();
        Self { literals, ..Self::digit(digit) }
    }

    fn base64(character: char) -> Self {
        let ways: &[&[u8]] = match character {
            '+' => &[b"+", b"-", b"%2b"],
            '/' => &[b"/", b"_", b"%2f"],
            _ => &[&[character as u8]],
        };
        let escaped = if character == '/' { vec![b"/".to_vec()] } else { Vec::new() };
        let literals = ways.iter().map(|way| way.to_vec()).collect();
        Self { is_space: false, literals, escaped, ignores_case: false }
    }

    /// Returns whether a text that begins with this byte may begin with the character.
    fn may_begin_with(&self, byte: u8) -> bool {
        let begins = |way: &Vec<u8>| self.same(way, 0, byte);
        self.literals.iter().any(begins) || (byte == b'\\' && !self.escaped.is_empty())
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
            is_open |= self.read_way(text, way, start, after);
        }
        // Within a run of backslashes nothing begins that did not begin with the run.
        let is_within = is_first && start > 0 && text[start - 1] == b'\\';
        if self.escaped.is_empty() || is_within {
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
            is_open |= self.read_escaped(text, at, after);
            for resumed in broken_within.chain(broken_after) {
                is_open |= self.read_escaped(text, resumed, after);
                at = resumed;
            }
            is_open |= is_unfinished_break(&text[at..]);
        }
        is_open
    }

    /// Adds the positions after the character that stands after a line break at `start`, or that is the break
    /// itself. Returns whether the text ends within it.
    fn read_after_break(&self, text: &[u8], start: usize, after: &mut Vec<usize>) -> bool {
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

    fn read_escaped(&self, text: &[u8], start: usize, after: &mut Vec<usize>) -> bool {
        self.escaped.iter().fold(false, |is_open, way| is_open | self.read_way(text, way, start, after))
    }

    /// Adds the position after this way, which may be broken between its bytes.
    fn read_way(&self, text: &[u8], way: &[u8], start: usize, after: &mut Vec<usize>) -> bool {
        self.read_rest(text, way, 0, start, after)
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

/// Returns a character that forms share.
fn shared(
    known: &mut HashMap<char, Arc<Character>>,
    character: char,
    make: fn(char) -> Character,
) -> Arc<Character> {
    Arc::clone(known.entry(character).or_insert_with(|| make(character).into()))
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

/// Returns the length of the run of backslashes with which a text begins.
fn backslashes(text: &[u8]) -> usize {
    text.iter().take(MAX_BACKSLASHES).take_while(|byte| **byte == b'\\').count()
}

/// Returns whether a text ends within a line break.
fn is_unfinished_break(text: &[u8]) -> bool {
    let run = backslashes(text);
    (run > 0 && run == text.len()) || matches!(text, b"%" | b"%0")
}

/// Returns the positions at which a text may go on after line breaks at `position`, with the indentation and the
/// marks of quoted or changed lines that follow; none if there is no line break.
fn resumptions(text: &[u8], position: usize) -> impl Iterator<Item = usize> {
    std::iter::successors(after_break(text, position), move |at| {
        if *at - position >= MAX_BREAK {
            return None;
        }
        let is_indentation = || matches!(text.get(*at), Some(b' ' | b'\t' | b'+' | b'-' | b'>'));
        after_break(text, *at)
            .or_else(|| after_escape(text, *at, b"t"))
            .or_else(|| is_indentation().then_some(*at + 1))
    })
}

/// Returns the position after a line break: one as such, as an escape, or percent-encoded.
fn after_break(text: &[u8], position: usize) -> Option<usize> {
    match text.get(position..)? {
        [b'\n' | b'\r', ..] => Some(position + 1),
        [b'%', b'0', b'a' | b'A' | b'd' | b'D', ..] => Some(position + 3),
        _ => after_escape(text, position, b"nr"),
    }
}

/// Returns the position after backslashes and one of these letters.
fn after_escape(text: &[u8], position: usize, letters: &[u8]) -> Option<usize> {
    let end = position + backslashes(text.get(position..)?);
    (end > position && letters.contains(text.get(end)?)).then_some(end + 1)
}
