//! The alphabets of the encodings that write bytes as digits.

use std::sync::LazyLock;

use super::character::Character;
use super::gap::Gap;

const UPPER: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZ";
const LOWER: &str = "abcdefghijklmnopqrstuvwxyz";
const NUMERALS: &str = "0123456789";

/// The digits of an encoding, in the order of their values.
pub(super) struct Alphabet {
    pub(super) radix: Radix,
    pub(super) digits: Vec<Character>,
    /// The first letter of each digit.
    pub(super) letters: Vec<char>,
    /// The digits with which a text may begin, by its first byte: bit n stands for the digit n.
    pub(super) beginning_with: Vec<u128>,
    /// What may stand between two digits, at every place whose number is a multiple of `gap_every`.
    pub(super) gap: Gap,
    pub(super) gap_every: usize,
}

/// How an encoding takes bytes apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Radix {
    /// A digit has so many bits, at most eight.
    Bits(usize),
    /// Four bytes are a number of five digits to the base 85.
    Base85,
}

impl Alphabet {
    /// Creates an alphabet of these letters. `also` are further letters of the last digits.
    fn new(radix: Radix, letters: impl IntoIterator<Item = char>, also: &str, ignores_case: bool) -> Self {
        let letters: Vec<_> = letters.into_iter().collect();
        let first_with_other = letters.len() - also.chars().count();
        let others = |number: usize| number.checked_sub(first_with_other).and_then(|n| also.chars().nth(n));
        let digits: Vec<_> = letters
            .iter()
            .enumerate()
            .map(|(number, letter)| {
                let ways: Vec<_> = std::iter::once(*letter).chain(others(number)).collect();
                Character::digit(&ways, ignores_case)
            })
            .collect();
        let beginning_with = |byte: u8| {
            let begins = digits.iter().map(|digit| digit.may_begin_with(byte)).enumerate();
            begins.fold(0, |bits, (number, begins)| bits | u128::from(begins) << number)
        };
        let beginning_with = (0..=u8::MAX).map(beginning_with).collect();
        Self { radix, digits, letters, beginning_with, gap: Gap::Nothing, gap_every: 1 }
    }

    fn with_gap(self, gap: Gap, gap_every: usize) -> Self {
        Self { gap, gap_every, ..self }
    }
}

/// Hexadecimal digits. Something may stand between the bytes.
pub(super) static HEX: LazyLock<Alphabet> = LazyLock::new(|| {
    let letters = [NUMERALS, "abcdef"].concat();
    Alphabet::new(Radix::Bits(4), letters.chars(), "", true).with_gap(Gap::Numbers, 2)
});

/// Base64, also with the letters for URLs and file names.
pub(super) static BASE64: LazyLock<Alphabet> = LazyLock::new(|| {
    let letters = [UPPER, LOWER, NUMERALS, "+/"].concat();
    Alphabet::new(Radix::Bits(6), letters.chars(), "-_", false)
});

/// Base64 whose letters are changed by ROT13.
pub(super) static BASE64_ROT13: LazyLock<Alphabet> = LazyLock::new(|| {
    let letters = BASE64.letters.iter().map(|letter| rot13(*letter));
    Alphabet::new(Radix::Bits(6), letters, "-_", false)
});

/// Base32.
pub(super) static BASE32: LazyLock<Alphabet> = LazyLock::new(|| {
    let letters = [UPPER, "234567"].concat();
    Alphabet::new(Radix::Bits(5), letters.chars(), "", true)
});

/// Base32 with the letters that keep the order of the bytes.
pub(super) static BASE32HEX: LazyLock<Alphabet> = LazyLock::new(|| {
    let letters = [NUMERALS, UPPER].concat();
    Alphabet::new(Radix::Bits(5), letters.chars().take(32), "", true)
});

/// Uuencode. The letter of the digit 0 is a backquote, or a space.
pub(super) static UUENCODE: LazyLock<Alphabet> = LazyLock::new(|| {
    let letters = std::iter::once('`').chain('!'..='_');
    let mut alphabet = Alphabet::new(Radix::Bits(6), letters, "", false).with_gap(Gap::LineLength, 1);
    alphabet.digits[0] = Character::digit(&['`', ' '], false);
    alphabet
});

/// Base85 of Adobe and of Python's `a85encode`.
pub(super) static ASCII85: LazyLock<Alphabet> =
    LazyLock::new(|| Alphabet::new(Radix::Base85, '!'..='u', "", false));

/// Base85 of RFC 1924 and of Git.
pub(super) static BASE85: LazyLock<Alphabet> = LazyLock::new(|| {
    let letters = [NUMERALS, UPPER, LOWER, "!#$%&()*+-;<=>?@^_`{|}~"].concat();
    Alphabet::new(Radix::Base85, letters.chars(), "", false)
});

/// Base85 of ZeroMQ.
pub(super) static Z85: LazyLock<Alphabet> = LazyLock::new(|| {
    let letters = [NUMERALS, LOWER, UPPER, ".-:+=^!/*?&<>()[]{}@%$#"].concat();
    Alphabet::new(Radix::Base85, letters.chars(), "", false)
});

/// Returns the letter that ROT13 puts in place of another.
pub(super) fn rot13(letter: char) -> char {
    let turned = |from: u8, base: u8| char::from((from - base + 13) % 26 + base);
    match letter {
        'a'..='z' => turned(letter as u8, b'a'),
        'A'..='Z' => turned(letter as u8, b'A'),
        _ => letter,
    }
}
