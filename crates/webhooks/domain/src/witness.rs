//! How far time has passed, as far as anybody was there to see it.
//!
//! What is old goes for good, so a clock alone must not decide what is old: one that is a month ahead when a process
//! starts, or that steps a month ahead, would remove everything at once. A witness advances no faster than the
//! process lives. Only a clock that stays ahead for [`TRUST_AFTER`] is believed.

use std::time::Duration;

use crate::Timestamp;

/// How long a clock must stay ahead of what was seen before it is believed.
pub const TRUST_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// A clock that is ahead by no more than this is believed at once: a process may have been stopped for so long.
pub const AHEAD_TOLERANCE: Duration = Duration::from_secs(10 * 60);

/// What one process has seen of the time.
#[derive(Debug, Default)]
pub struct Witness {
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The process's own time, which no step of a clock changes.
    elapsed: Duration,
    at: Timestamp,
    /// Since when the clock has been ahead.
    ahead_since: Option<Duration>,
}

/// What a look at the clock came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// How far time is known to have passed.
    pub at: Timestamp,
    /// By how much the clock is ahead of that, if this is the first look that finds it so.
    pub jumped: Option<Duration>,
}

impl Witness {
    /// Takes a look: `stored` is what was kept of the last look, anybody's; `now` is what the clock shows, and `elapsed`
    /// the process's own time, which no step of the clock changes.
    pub fn observe(&mut self, stored: Option<Timestamp>, now: Timestamp, elapsed: Duration) -> Observed {
        let stored = stored.unwrap_or(now);
        let own = self.seen.map(|seen| seen.at + elapsed.saturating_sub(seen.elapsed));
        let reached = own.map_or(stored, |own| own.max(stored)).min(now);
        let ahead = now.since(reached);
        let before = self.seen.and_then(|seen| seen.ahead_since);
        let ahead_since = (ahead > AHEAD_TOLERANCE).then(|| before.unwrap_or(elapsed));
        let is_trusted = ahead_since.is_some_and(|since| elapsed.saturating_sub(since) >= TRUST_AFTER);
        let ahead_since = ahead_since.filter(|_| !is_trusted);
        let at = if ahead_since.is_none() { now } else { reached };
        self.seen = Some(Seen { elapsed, at, ahead_since });
        Observed { at, jumped: ahead_since.filter(|_| before.is_none()).map(|_| ahead) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Timestamp = Timestamp::from_millis(1_736_937_000_000);
    const HOUR: Duration = Duration::from_secs(60 * 60);
    const MONTH: Duration = Duration::from_secs(30 * 24 * 60 * 60);

    #[test]
    fn time_passes_as_fast_as_the_process_lives() {
        let mut witness = Witness::default();
        assert_eq!(witness.observe(None, START, HOUR).at, START);
        assert_eq!(witness.observe(Some(START), START + HOUR, HOUR * 2).at, START + HOUR);
        // The clock steps ahead.
        let jumped = witness.observe(Some(START + HOUR), START + MONTH, HOUR * 3);
        assert_eq!(jumped, Observed { at: START + HOUR * 2, jumped: Some(MONTH - HOUR * 2) });
        let next = witness.observe(Some(START + HOUR * 2), START + MONTH, HOUR * 4);
        assert_eq!(next, Observed { at: START + HOUR * 3, jumped: None });
        // And is set right.
        assert_eq!(witness.observe(Some(next.at), START + HOUR * 4, HOUR * 5).at, START + HOUR * 4);
    }

    #[test]
    fn a_start_with_a_clock_ahead_is_not_believed_for_a_day() {
        let mut witness = Witness::default();
        let at = |hours: u32| START + MONTH + HOUR * hours;
        assert_eq!(witness.observe(Some(START), at(0), HOUR).at, START);
        assert_eq!(witness.observe(Some(START), at(23), HOUR * 24).at, START + HOUR * 23);
        assert_eq!(witness.observe(Some(START), at(24), HOUR * 25).at, at(24));
    }

    #[test]
    fn a_short_stop_is_believed() {
        let later = START + AHEAD_TOLERANCE;
        assert_eq!(
            Witness::default().observe(Some(START), later, HOUR),
            Observed { at: later, jumped: None }
        );
    }

    #[test]
    fn a_clock_that_is_set_back_is_believed() {
        let mut witness = Witness::default();
        witness.observe(None, START + MONTH, HOUR);
        assert_eq!(witness.observe(Some(START + MONTH), START, HOUR * 2).at, START);
    }

    #[test]
    fn what_another_process_has_seen_counts() {
        let mut witness = Witness::default();
        witness.observe(Some(START), START, HOUR);
        assert_eq!(witness.observe(Some(START + HOUR), START + HOUR * 2, HOUR).at, START + HOUR);
    }
}
