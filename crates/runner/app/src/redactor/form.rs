//! The forms in which a secret can appear.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::character::Character;
use super::digits::{Digits, LINE_BREAKS};
use super::gap::{Gap, may_begin_break, separators, skip_separator};

/// The shortest part of a form that is removed without the rest, in characters.
const MIN_PART_CHARS: usize = 8;

/// The shortest beginning of a further form for which a line waits for the next one, in characters.
const MIN_LIKELY_CHARS: usize = 4;

/// A form of a secret: a sequence of characters, and what may stand between them.
#[derive(Clone)]
pub(super) struct Form {
    characters: Characters,
    gap: Gap,
    /// Whether it is one of the few forms that every text of a secret has.
    pub(super) is_common: bool,
}

#[derive(Clone)]
pub(super) enum Characters {
    Listed(Arc<[Arc<Character>]>),
    Digits(Digits),
}

/// What begins at a position.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Found {
    /// Something else.
    Nothing,
    /// A text that ends within the form, after this number of its characters.
    Beginning(usize),
    /// The form, up to this position.
    Whole(usize),
}

/// Memory that every search uses again.
#[derive(Default)]
pub(super) struct Scratch {
    positions: Vec<usize>,
    next: Vec<usize>,
    resumed: Vec<usize>,
    inserted: Vec<(usize, u8)>,
}

impl Form {
    /// Creates a form of these characters.
    pub(super) const fn listed(characters: Arc<[Arc<Character>]>, gap: Gap) -> Self {
        Self { characters: Characters::Listed(characters), gap, is_common: false }
    }

    /// Creates a form of these digits.
    pub(super) fn digits(digits: Digits) -> Self {
        let gap = digits.alphabet().gap;
        Self { characters: Characters::Digits(digits), gap, is_common: false }
    }

    /// Returns the number of characters.
    pub(super) fn len(&self) -> usize {
        match &self.characters {
            Characters::Listed(characters) => characters.len(),
            Characters::Digits(digits) => digits.len(),
        }
    }

    /// Returns the first two bytes of the texts that may begin with the form; no second one if it can be any.
    pub(super) fn openings(&self) -> BTreeSet<(u8, Option<u8>)> {
        let mut openings = BTreeSet::new();
        match &self.characters {
            Characters::Listed(characters) => {
                self.add_openings(&characters[0], &characters[1], &mut openings);
            }
            Characters::Digits(digits) => {
                let mut add = |inserted: &[(usize, u8)]| {
                    let [first, second] = [0, 1].map(|number| digits.digit(number, inserted));
                    self.add_openings(first, second, &mut openings);
                };
                add(&[]);
                for place in digits.insertions(0, &[]).start..digits.insertions(1, &[]).end {
                    for line_break in LINE_BREAKS {
                        add(&inserted_at(place, line_break).collect::<Vec<_>>());
                    }
                }
            }
        }
        openings
    }

    fn add_openings(&self, first: &Character, second: &Character, openings: &mut BTreeSet<(u8, Option<u8>)>) {
        for (byte, next) in first.openings() {
            if next.is_some() || byte == b'\\' {
                openings.insert((byte, next));
                continue;
            }
            openings.extend(second.openings().into_iter().map(|(next, _)| (byte, Some(next))));
            if second.is_space {
                openings.extend([b'\n', b'\r'].map(|next| (byte, Some(next))));
            }
            if self.may_have_gap(1) {
                let gaps = (0..=u8::MAX).filter(|next| self.gap.may_begin_with(*next));
                openings.extend(gaps.map(|next| (byte, Some(next))));
            }
        }
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
        let begin = text.get(position).copied().unwrap_or_default();
        (1..=self.len().saturating_sub(self.least_part())).filter_map(move |first| {
            let may_begin = match &self.characters {
                Characters::Listed(characters) => characters[first].may_begin_with(begin),
                Characters::Digits(digits) => {
                    let beginning = digits.alphabet().beginning_with[usize::from(begin)];
                    beginning >> digits.value(first, &[]) & 1 == 1
                }
            };
            may_begin.then(|| self.find_from(first, text, position, scratch))
        })
    }

    /// Returns the least number of characters at the border of a text that are removed without the rest.
    pub(super) fn least_part(&self) -> usize {
        self.len().div_ceil(2).max(MIN_PART_CHARS)
    }

    /// Returns whether a line that ends after so many characters of the form waits for the next one.
    pub(super) fn is_likely_after(&self, chars: usize) -> bool {
        let least = match &self.characters {
            // One number on each line is usual.
            Characters::Listed(_) if self.gap == Gap::Numbers => 1,
            _ => MIN_LIKELY_CHARS.min(self.len().div_ceil(4)),
        };
        self.is_common || chars >= least
    }

    /// Looks for the form from one of its characters on.
    fn find_from(&self, first: usize, text: &[u8], position: usize, scratch: &mut Scratch) -> Found {
        match &self.characters {
            Characters::Listed(characters) if self.gap == Gap::Separator => {
                find_separated(&characters[first..], text, position, scratch)
            }
            _ => {
                scratch.positions.clear();
                scratch.positions.push(position);
                scratch.inserted.clear();
                self.follow(first, first, text, scratch)
            }
        }
    }

    /// Goes on with a character at the positions in `scratch`.
    fn follow(&self, first: usize, mut number: usize, text: &[u8], scratch: &mut Scratch) -> Found {
        let mut beginning = Found::Nothing;
        let len = match &self.characters {
            Characters::Digits(digits) if !scratch.inserted.is_empty() => digits.len_with(&scratch.inserted),
            _ => self.len(),
        };
        while number < len {
            if self.read(first, number, text, scratch) {
                beginning = Found::Beginning(number - first);
            }
            if scratch.next.is_empty() {
                return self.follow_inserted(first, number, text, scratch).max(beginning);
            }
            scratch.next.sort_unstable();
            scratch.next.dedup();
            std::mem::swap(&mut scratch.positions, &mut scratch.next);
            number += 1;
        }
        scratch.positions.last().map_or(Found::Nothing, |end| Found::Whole(*end))
    }

    /// Reads a character, and what may stand before it, at the positions in `scratch`. Returns whether the text ends within
    /// it.
    fn read(&self, first: usize, number: usize, text: &[u8], scratch: &mut Scratch) -> bool {
        let Scratch { positions, next, resumed, inserted } = scratch;
        let character = match &self.characters {
            Characters::Listed(characters) => &*characters[number],
            Characters::Digits(digits) => digits.digit(number, inserted),
        };
        let mut is_open = false;
        next.clear();
        for start in positions.iter().copied() {
            is_open |= character.read(text, start, number == first, next);
            if number == first {
                continue;
            }
            is_open |= character.read_after_break(text, start, next);
            if self.may_have_gap(number) {
                resumed.clear();
                is_open |= self.gap.skip(text, start, resumed);
                for start in resumed.iter().copied() {
                    is_open |= character.read(text, start, false, next);
                }
            }
        }
        is_open
    }

    /// Goes on with a digit that is not as it should be, if something was inserted before the text was encoded.
    fn follow_inserted(&self, first: usize, number: usize, text: &[u8], scratch: &mut Scratch) -> Found {
        let Characters::Digits(digits) = &self.characters else { return Found::Nothing };
        let mut found = Found::Nothing;
        let positions = std::mem::take(&mut scratch.positions);
        let before = scratch.inserted.len();
        for place in digits.insertions(number, &scratch.inserted) {
            for line_break in LINE_BREAKS {
                scratch.inserted.truncate(before);
                scratch.inserted.extend(inserted_at(place, line_break));
                let character = digits.digit(number, &scratch.inserted);
                let may_be = |start: &usize| {
                    text.get(*start)
                        .is_none_or(|byte| character.may_begin_with(*byte) || may_begin_break(*byte))
                        || self.may_have_gap(number)
                };
                if !positions.iter().any(may_be)
                    || !digits.are_same(first, number, &scratch.inserted, line_break.len())
                {
                    continue;
                }
                scratch.positions.clone_from(&positions);
                if self.read(first, number, text, scratch) {
                    found = found.max(Found::Beginning(number - first));
                }
                if !scratch.next.is_empty() {
                    std::mem::swap(&mut scratch.positions, &mut scratch.next);
                    found = found.max(self.follow(first, number + 1, text, scratch));
                }
            }
        }
        scratch.inserted.truncate(before);
        scratch.positions = positions;
        found
    }

    fn may_have_gap(&self, number: usize) -> bool {
        match &self.characters {
            Characters::Listed(_) => self.gap != Gap::Nothing,
            Characters::Digits(digits) => {
                self.gap != Gap::Nothing && number.is_multiple_of(digits.alphabet().gap_every)
            }
        }
    }
}

/// Returns a line break that was inserted at a place.
fn inserted_at(place: usize, line_break: &[u8]) -> impl Iterator<Item = (usize, u8)> {
    line_break.iter().enumerate().map(move |(after, byte)| (place + after, *byte))
}

/// Looks for characters between which the same separator stands everywhere.
fn find_separated(
    characters: &[Arc<Character>],
    text: &[u8],
    position: usize,
    scratch: &mut Scratch,
) -> Found {
    let Some((first, rest)) = characters.split_first() else { return Found::Nothing };
    let mut ends = std::mem::take(&mut scratch.resumed);
    ends.clear();
    let is_open = first.read(text, position, true, &mut ends);
    let mut found = if is_open { Found::Beginning(0) } else { Found::Nothing };
    for end in ends.iter().copied() {
        let (separators, is_open) = separators(text, end);
        if is_open {
            found = found.max(Found::Beginning(1));
        }
        for separator in separators {
            found = found.max(follow_separated(rest, text, end, separator, scratch));
        }
    }
    scratch.resumed = ends;
    found
}

fn follow_separated(
    rest: &[Arc<Character>],
    text: &[u8],
    end: usize,
    separator: &[u8],
    scratch: &mut Scratch,
) -> Found {
    let Scratch { positions, next, .. } = scratch;
    let mut after = Vec::new();
    let mut beginning = Found::Nothing;
    positions.clear();
    positions.push(end);
    for (number, character) in rest.iter().enumerate() {
        next.clear();
        let mut is_open = false;
        for start in positions.iter().copied() {
            after.clear();
            is_open |= skip_separator(text, start, separator, &mut after);
            for start in after.iter().copied() {
                is_open |= character.read(text, start, false, next);
            }
        }
        if is_open {
            beginning = Found::Beginning(number + 1);
        }
        if next.is_empty() {
            return beginning;
        }
        next.sort_unstable();
        next.dedup();
        std::mem::swap(positions, next);
    }
    positions.last().map_or(Found::Nothing, |end| Found::Whole(*end))
}
