//! The encodings of a secret that are looked for.

use std::collections::HashMap;
use std::sync::Arc;

use super::alphabet::{
    ASCII85, Alphabet, BASE32, BASE32HEX, BASE64, BASE64_ROT13, BASE85, HEX, UUENCODE, Z85, rot13,
};
use super::character::Character;
use super::digits::Digits;
use super::form::Form;
use super::gap::Gap;

/// The shortest form, in characters: others are found in ordinary text.
const MIN_CHARS: usize = 4;

/// The shortest form of numbers, which have several digits each.
const MIN_WORDS: usize = 2;

/// The shortest text that has the further forms, in characters.
const MIN_FURTHER_CHARS: usize = 6;

/// The shortest text that is also found in other case, in characters. A shorter one may be a common word.
const MIN_CASELESS_CHARS: usize = 12;

/// The characters that forms share: most are in many places of a long secret.
#[derive(Default)]
pub(super) struct Shared {
    plain: HashMap<(char, bool), Arc<Character>>,
    numbers: HashMap<Vec<u8>, Arc<Character>>,
}

impl Shared {
    /// Returns the forms that every text has: as it is, in hexadecimal digits and in base64.
    pub(super) fn common(&mut self, text: &str) -> Vec<Form> {
        let mut forms = vec![Form::listed(self.characters(text), Gap::DumpedText)];
        forms.extend(encoded(text));
        forms.retain(|form| form.len() >= MIN_CHARS);
        forms.iter_mut().for_each(|form| form.is_common = true);
        forms
    }

    /// Returns the further forms of a text.
    pub(super) fn further(&mut self, text: &str) -> Vec<Form> {
        if text.chars().count() < MIN_FURTHER_CHARS {
            return Vec::new();
        }
        let bytes: Arc<[u8]> = text.as_bytes().into();
        let digits = |alphabet: &'static Alphabet| Digits::all(&bytes, alphabet);
        let reversed: String = text.chars().rev().collect();
        let turned: String = text.chars().map(rot13).collect();

        let mut forms = vec![Form::listed(self.characters(text), Gap::Separator)];
        let both: String = reversed.chars().map(rot13).collect();
        for other in [&reversed, &turned, &both] {
            forms.push(Form::listed(self.characters(other), Gap::DumpedText));
            forms.push(Form::listed(self.characters(other), Gap::Separator));
        }
        for alphabet in [&*BASE32, &BASE32HEX, &UUENCODE, &ASCII85, &BASE85, &Z85, &BASE64_ROT13] {
            forms.extend(digits(alphabet).map(Form::digits));
        }
        for alphabet in [&*HEX, &BASE64, &BASE32] {
            forms.extend(digits(alphabet).map(Digits::reversed).map(Form::digits));
        }

        // What is encoded twice.
        let mut inner = vec![reversed, turned, percent(text), json(text), between(text, '\0')];
        inner.extend(
            [&*HEX, &BASE64, &BASE32].into_iter().flat_map(|alphabet| digits(alphabet).map(|d| d.text())),
        );
        let other_letters = inner.iter().map(|text| text.replace('+', "-").replace('/', "_"));
        let capitals = digits(&HEX).map(|digits| digits.text().to_ascii_uppercase());
        let others: Vec<_> = other_letters.chain(capitals).collect();
        inner.extend(others);
        inner.sort_unstable();
        inner.dedup();
        inner.retain(|inner| inner != text);
        forms.extend(inner.iter().flat_map(|inner| encoded(inner)));
        forms.retain(|form| form.len() >= MIN_CHARS);
        for size in [1, 2, 4] {
            let numbers = (0..size).map(|skipped| self.numbers(&bytes[skipped..], size));
            let words = numbers.map(|numbers| Form::listed(numbers, Gap::Numbers));
            forms.extend(words.filter(|form| form.len() >= MIN_WORDS));
        }
        forms.push(Form::listed(self.numbers(&bytes, 1), Gap::Separator));
        forms
    }

    /// Returns the characters of a text. Line breaks are ignored everywhere, so those of the text itself too.
    fn characters(&mut self, text: &str) -> Arc<[Arc<Character>]> {
        let ignores_case = text.chars().count() >= MIN_CASELESS_CHARS;
        let unbroken = text.chars().filter(|character| !matches!(character, '\n' | '\r'));
        let shared = |character: char| {
            let made = || Character::plain(character, ignores_case).into();
            Arc::clone(self.plain.entry((character, ignores_case)).or_insert_with(made))
        };
        unbroken.map(shared).collect()
    }

    /// Returns bytes as numbers of so many bytes each, the first of them the lowest.
    fn numbers(&mut self, bytes: &[u8], size: usize) -> Arc<[Arc<Character>]> {
        let number = |word: &[u8]| {
            let made = || Character::number(word).into();
            Arc::clone(self.numbers.entry(word.to_vec()).or_insert_with(made))
        };
        bytes.chunks_exact(size).map(number).collect()
    }
}

/// Returns a text in hexadecimal digits and in base64.
fn encoded(text: &str) -> impl Iterator<Item = Form> {
    let bytes: Arc<[u8]> = text.as_bytes().into();
    [&*HEX, &BASE64].into_iter().flat_map(move |alphabet| Digits::all(&bytes, alphabet)).map(Form::digits)
}

/// Returns a text percent-encoded, as it is in a URL.
fn percent(text: &str) -> String {
    let encoded = |byte: u8| match byte {
        b'-' | b'_' | b'.' | b'~' => char::from(byte).to_string(),
        byte if byte.is_ascii_alphanumeric() => char::from(byte).to_string(),
        byte => format!("%{byte:02X}"),
    };
    text.bytes().map(encoded).collect()
}

/// Returns a text as it is within JSON.
fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// Returns a text with a character between each two.
fn between(text: &str, separator: char) -> String {
    let separated = text.chars().flat_map(|character| [separator, character]);
    separated.skip(1).collect()
}
