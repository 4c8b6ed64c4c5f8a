//! A secret as the digits of an encoding.

use std::ops::Range;
use std::sync::Arc;

use super::alphabet::{Alphabet, Radix};
use super::character::Character;

/// Bytes that stand between those of a secret, by their places in the whole: line breaks.
pub(super) type Inserted = [(usize, u8)];

/// What stands between the bytes of a text that was broken into lines before it was encoded.
pub(super) const LINE_BREAKS: [&[u8]; 2] = [b"\n", b"\r\n"];

/// The most bytes between those of a secret.
const MAX_INSERTED: usize = 64;

/// The digits that depend on a secret alone, if it is a part of an encoded text. Nothing but their values are computed,
/// because there are many forms of a long secret.
#[derive(Clone)]
pub(super) struct Digits {
    bytes: Arc<[u8]>,
    alphabet: &'static Alphabet,
    /// The bit, or for [`Radix::Base85`] the byte, at which the first digit begins.
    start: usize,
    is_reversed: bool,
    len: usize,
}

impl Digits {
    /// Returns the digits for each place that the bytes can have in an encoded text.
    pub(super) fn all(bytes: &Arc<[u8]>, alphabet: &'static Alphabet) -> impl Iterator<Item = Self> + use<> {
        let starts = match alphabet.radix {
            Radix::Base85 => (0..4).step_by(1),
            Radix::Bits(bits @ (4 | 8)) => (0..bits).step_by(bits),
            Radix::Bits(6) => (0..6).step_by(2),
            Radix::Bits(bits) => (0..bits).step_by(1),
        };
        let bytes = Arc::clone(bytes);
        starts.map(move |start| {
            let mut digits = Self { bytes: Arc::clone(&bytes), alphabet, start, is_reversed: false, len: 0 };
            digits.len = digits.len_with(&[]);
            digits
        })
    }

    /// Returns the digits in the opposite order.
    pub(super) fn reversed(self) -> Self {
        Self { is_reversed: true, ..self }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    pub(super) const fn alphabet(&self) -> &'static Alphabet {
        self.alphabet
    }

    /// Returns the digits as a text.
    pub(super) fn text(&self) -> String {
        (0..self.len).map(|number| self.alphabet.letters[self.value(number, &[])]).collect()
    }

    pub(super) fn digit(&self, number: usize, inserted: &Inserted) -> &'static Character {
        &self.alphabet.digits[self.value(number, inserted)]
    }

    /// Returns the number of the digits with these bytes between those of the secret.
    pub(super) fn len_with(&self, inserted: &Inserted) -> usize {
        let bytes = self.bytes.len() + inserted.len();
        match self.alphabet.radix {
            Radix::Bits(bits) => (bytes * 8).saturating_sub(self.start) / bits,
            Radix::Base85 => {
                let known = bytes.saturating_sub(self.start);
                let (groups, rest) = (known / 4, known % 4);
                let of_rest = |unknown: u8| {
                    let mut group = [unknown; 4];
                    for (place, byte) in group.iter_mut().enumerate().take(rest) {
                        *byte = self.byte(self.start + groups * 4 + place, inserted);
                    }
                    base85(group)
                };
                // The first digits of a group do not depend on its last bytes.
                let (least, greatest) = (of_rest(0), of_rest(u8::MAX));
                groups * 5 + least.iter().zip(&greatest).take_while(|(a, b)| rest > 0 && a == b).count()
            }
        }
    }

    /// Returns the value of a digit.
    pub(super) fn value(&self, number: usize, inserted: &Inserted) -> usize {
        let number = if self.is_reversed { self.len - 1 - number } else { number };
        match self.alphabet.radix {
            Radix::Bits(bits) => {
                let bit = self.start + number * bits;
                let byte = |at| u16::from(self.byte(at, inserted));
                let two = byte(bit / 8) << 8 | byte(bit / 8 + 1);
                usize::from(two >> (16 - bit % 8 - bits)) & ((1 << bits) - 1)
            }
            Radix::Base85 => {
                let group = self.start + number / 5 * 4;
                let digits = base85([0, 1, 2, 3].map(|place| self.byte(group + place, inserted)));
                usize::from(digits[number % 5])
            }
        }
    }

    /// Returns the places at which something may have been inserted so that a digit is not as it would be otherwise.
    pub(super) fn insertions(&self, number: usize, inserted: &Inserted) -> Range<usize> {
        if self.is_reversed || inserted.len() >= MAX_INSERTED {
            return 0..0;
        }
        let after_last = inserted.last().map_or(1, |(place, _)| place + 1);
        let Range { start, end } = self.bytes_of(number);
        start.max(after_last)..end.min(self.bytes.len() + inserted.len())
    }

    /// Returns whether the digits from `first` up to `number` are the same with the last inserted bytes, which are so many,
    /// as without them.
    pub(super) fn are_same(&self, first: usize, number: usize, inserted: &Inserted, last: usize) -> bool {
        let (before, last) = inserted.split_at(inserted.len() - last);
        let place = last.first().map_or(0, |(place, _)| *place);
        let mut numbers = first.max(self.first_with(place))..number;
        numbers.all(|number| self.value(number, before) == self.value(number, inserted))
    }

    /// Returns the bytes on which a digit depends.
    fn bytes_of(&self, number: usize) -> Range<usize> {
        match self.alphabet.radix {
            Radix::Bits(bits) => {
                let bit = self.start + number * bits;
                bit / 8..(bit + bits).div_ceil(8)
            }
            Radix::Base85 => {
                let group = self.start + number / 5 * 4;
                group..group + 4
            }
        }
    }

    /// Returns the first digit that depends on a byte.
    fn first_with(&self, byte: usize) -> usize {
        match self.alphabet.radix {
            Radix::Bits(bits) => (byte * 8).saturating_sub(self.start) / bits,
            Radix::Base85 => byte.saturating_sub(self.start) / 4 * 5,
        }
    }

    /// Returns a byte of the secret with what was inserted, and zeros behind it.
    fn byte(&self, at: usize, inserted: &Inserted) -> u8 {
        let before = inserted.partition_point(|(place, _)| *place < at);
        match inserted.get(before) {
            Some((place, byte)) if *place == at => *byte,
            _ => self.bytes.get(at - before).copied().unwrap_or(0),
        }
    }
}

/// Returns the digits of a group of bytes to the base 85.
fn base85(group: [u8; 4]) -> [u8; 5] {
    let mut rest = u32::from_be_bytes(group);
    let mut digits = [0; 5];
    for digit in digits.iter_mut().rev() {
        *digit = (rest % 85) as u8;
        rest /= 85;
    }
    digits
}
