//! The forms that may begin at a position, by the bytes there.

use super::form::Form;
use super::gap::resumptions;

/// Numbers of forms by the first two bytes of a text.
#[derive(Clone, Default)]
pub(super) struct Index {
    by_first: Vec<Vec<u32>>,
    /// Where the forms of each pair begin in `by_pair`.
    starts: Vec<u32>,
    by_pair: Vec<u32>,
}

impl Index {
    /// Creates the index of these forms.
    pub(super) fn new(forms: &[Form]) -> Self {
        let mut by_first = vec![Vec::new(); 1 << 8];
        let mut pairs = Vec::new();
        for (number, form) in (0_u32..).zip(forms) {
            for (first, second) in form.openings() {
                let known: &mut Vec<u32> = &mut by_first[usize::from(first)];
                if known.last() != Some(&number) {
                    known.push(number);
                }
                pairs.extend(second.map(|second| (pair(first, second), number)));
            }
        }
        pairs.sort_unstable();
        let starts = (0..=1 << 16).scan(0, |start, pair| {
            *start += pairs[*start..].iter().take_while(|(other, _)| usize::from(*other) < pair).count();
            u32::try_from(*start).ok()
        });
        Self {
            by_first,
            starts: starts.collect(),
            by_pair: pairs.into_iter().map(|(_, number)| number).collect(),
        }
    }

    /// Returns the numbers of the forms that may begin at a position.
    pub(super) fn at<'a>(&'a self, text: &[u8], position: usize, at_line_end: &'a mut Vec<u32>) -> &'a [u32] {
        let first = text[position];
        let next = position + 1;
        match text.get(next) {
            Some(b'\n' | b'\r') if first != b'\\' => {
                // Each byte of the indentation may be the second one, and the byte behind it.
                at_line_end.clear();
                let resumed = resumptions(text, next).filter(|next| text.get(*next) != text.get(*next - 1));
                for next in std::iter::once(next).chain(resumed) {
                    match text.get(next) {
                        Some(second) if !may_begin_escape(*second) => {
                            at_line_end.extend(self.of_pair(pair(first, *second)));
                        }
                        _ => return &self.by_first[usize::from(first)],
                    }
                }
                at_line_end.sort_unstable();
                at_line_end.dedup();
                at_line_end
            }
            Some(second) if first != b'\\' && !may_begin_escape(*second) => {
                self.of_pair(pair(first, *second))
            }
            _ => &self.by_first[usize::from(first)],
        }
    }

    fn of_pair(&self, pair: u16) -> &[u32] {
        let pair = usize::from(pair);
        &self.by_pair[self.starts[pair] as usize..self.starts[pair + 1] as usize]
    }
}

/// Returns whether a line break that is written with other characters may begin with this byte.
const fn may_begin_escape(byte: u8) -> bool {
    matches!(byte, b'%' | b'=' | b'\\')
}

fn pair(first: u8, second: u8) -> u16 {
    u16::from_be_bytes([first, second])
}
