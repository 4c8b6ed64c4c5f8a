//! The cost of the patterns of a schema.
//!
//! The engine matches in a time proportional to the text and to the pattern written out without
//! repetitions: `[ab]{10000}` is ten thousand characters. So that length is counted and bounded.

use regex_syntax::hir::{Class, Hir, HirKind, Look};

/// The maximum length of a pattern, in bytes.
pub(super) const MAX_LEN: usize = 2_000;
/// The maximum number of steps of a pattern for each byte of text.
pub(super) const MAX_STEPS: u64 = 400;
/// The maximum memory of the compiled patterns of a schema.
pub(super) const MAX_BYTES: u64 = 24 << 20;

/// The memory of a compiled pattern in use: its engine's caches, for as many threads as check at the same
/// time.
const CACHE_BYTES: u64 = 192 * 1_024;
/// The memory of a state of a compiled pattern, in all of its forms together.
const STATE_BYTES: u64 = 72;
/// The number of states of a range of characters beyond ASCII.
const STATES_PER_RANGE: u64 = 3;
/// The memory of a state in the form that only patterns with groups have, and the maximum of all states.
const GROUP_STATE_BYTES: u64 = 4 * 1_024;
const MAX_GROUP_BYTES: u64 = 1 << 20;

/// The cost of a pattern.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cost {
    /// The maximum number of steps for each byte of text.
    pub(super) steps: u64,
    /// The memory of the compiled pattern.
    pub(super) bytes: u64,
}

/// Returns the cost of a pattern; `None` if it cannot be used.
pub(super) fn cost(pattern: &str) -> Option<Cost> {
    let hir = regex_syntax::parse(&jsonschema_regex::to_rust_regex(pattern).ok()?).ok()?;
    let states = states(&hir);
    let groups = match hir.properties().explicit_captures_len() {
        0 => 0,
        _ => states.saturating_mul(GROUP_STATE_BYTES).min(MAX_GROUP_BYTES),
    };
    let bytes = states.saturating_mul(STATE_BYTES).saturating_add(groups + CACHE_BYTES);
    let steps = if is_anchored_repetition(&hir) { 1 } else { positions(&hir).max(1) };
    Some(Cost { steps, bytes })
}

/// Returns the number of characters of a pattern written out without repetitions.
fn positions(hir: &Hir) -> u64 {
    measure(hir, &|_| 1)
}

/// Returns the approximate number of states of the compiled pattern.
fn states(hir: &Hir) -> u64 {
    measure(hir, &|class| match class {
        Class::Bytes(_) => 1,
        Class::Unicode(class) => {
            let beyond_ascii = class.iter().filter(|range| !range.end().is_ascii()).count();
            1 + beyond_ascii as u64 * STATES_PER_RANGE
        }
    })
}

fn measure(hir: &Hir, of_class: &impl Fn(&Class) -> u64) -> u64 {
    match hir.kind() {
        HirKind::Empty => 0,
        HirKind::Look(_) => 1,
        HirKind::Literal(literal) => literal.0.len() as u64,
        HirKind::Class(class) => of_class(class),
        HirKind::Repetition(repetition) => {
            let times = repetition.max.unwrap_or_else(|| repetition.min.saturating_add(1));
            // The repetition has a state of its own besides.
            measure(&repetition.sub, of_class).saturating_mul(times.into()).saturating_add(1)
        }
        HirKind::Capture(capture) => measure(&capture.sub, of_class),
        HirKind::Concat(parts) | HirKind::Alternation(parts) => {
            parts.iter().map(|part| measure(part, of_class)).fold(0, u64::saturating_add)
        }
    }
}

/// Returns true if a pattern is one class of characters, repeated from the beginning to the end, like
/// `^.{1,1000}$`: a match is at one position of it at a time.
fn is_anchored_repetition(hir: &Hir) -> bool {
    let HirKind::Concat(parts) = hir.kind() else {
        return false;
    };
    let [first, middle, last] = parts.as_slice() else {
        return false;
    };
    let is = |hir: &Hir, look| *hir.kind() == HirKind::Look(look);
    let is_class = |hir: &Hir| matches!(hir.kind(), HirKind::Class(_));
    is(first, Look::Start)
        && is(last, Look::End)
        && matches!(middle.kind(), HirKind::Repetition(repetition) if is_class(&repetition.sub))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(pattern: &str) -> u64 {
        cost(pattern).unwrap().steps
    }

    #[test]
    fn repetitions_count_as_often_as_they_repeat() {
        assert!(steps("^ord-[0-9]+$") < 12);
        assert!((255..260).contains(&steps("^[a-z][a-z0-9-]{1,254}$")));
        assert!(steps("a[ab]{10000}c") > 10_000);
        assert!(steps("((\\p{L}{1,100}){1,100}){1,100}") >= 1_000_000);
        assert!(steps("(a{1000}|b){1000}") >= 1_000_000);
        assert!(steps(&"(?:a|b)".repeat(200)) >= 200);
        assert_eq!(steps("^.{1,1000}$"), 1);
        assert_eq!(steps("^[^/]*$"), 1);
        assert!(steps("^[ab]{0,1000}b{0,1000}$") >= 2_000);
    }

    #[test]
    fn memory_counts_classes_and_groups() {
        let bytes = |pattern| cost(pattern).unwrap().bytes;
        assert!(bytes("\\p{L}{1,100}") > 5 * bytes("[a-z]{1,100}"));
        assert!(bytes("([a-z]{1,100})") > 2 * bytes("(?:[a-z]{1,100})"));
    }

    #[test]
    fn an_unusable_pattern_has_no_cost() {
        for pattern in ["(", "(?=a)b", "(a)\\1"] {
            assert_eq!(cost(pattern), None, "{pattern}");
        }
    }
}
