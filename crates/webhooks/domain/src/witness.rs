//! The witnessed time: the time that has certainly passed.
//!
//! Old data is deleted permanently, so a clock alone must not decide what is old: a clock that is a month
//! ahead when a process starts, or that jumps a month ahead, would delete everything at once. The witnessed
//! time advances no faster than the process runs. A clock that is ahead of it is accepted only after
//! [`TRUST_AFTER`].

use std::time::Duration;

use crate::Timestamp;

/// The time for which a clock must stay ahead of the witnessed time before it is accepted.
pub const TRUST_AFTER: Duration = Duration::from_secs(24 * 60 * 60);

/// The lead of a clock that is accepted at once: a process may have been stopped for that long.
pub const AHEAD_TOLERANCE: Duration = Duration::from_secs(10 * 60);

/// The witnessed time of one process.
#[derive(Debug, Default)]
pub struct Witness {
    seen: Option<Seen>,
}

#[derive(Debug, Clone, Copy)]
struct Seen {
    /// The process's own time, which no change of the clock affects.
    elapsed: Duration,
    at: Timestamp,
    /// When the clock was first found to be ahead.
    ahead_since: Option<Duration>,
}

/// The result of an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Observed {
    /// The time that is known to have passed.
    pub at: Timestamp,
    /// The lead of the clock, if this is the first observation that finds it ahead.
    pub jumped: Option<Duration>,
}

impl Witness {
    /// Observes the clock. `stored` is the result of the last observation of any process, `now` the time of
    /// the clock, and `elapsed` the process's own time, which no change of the clock affects.
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
    fn time_advances_as_fast_as_the_process_runs() {
        let mut witness = Witness::default();
        assert_eq!(witness.observe(None, START, HOUR).at, START);
        assert_eq!(witness.observe(Some(START), START + HOUR, HOUR * 2).at, START + HOUR);
        // The clock jumps ahead.
        let jumped = witness.observe(Some(START + HOUR), START + MONTH, HOUR * 3);
        assert_eq!(jumped, Observed { at: START + HOUR * 2, jumped: Some(MONTH - HOUR * 2) });
        let next = witness.observe(Some(START + HOUR * 2), START + MONTH, HOUR * 4);
        assert_eq!(next, Observed { at: START + HOUR * 3, jumped: None });
        // The clock is set right.
        assert_eq!(witness.observe(Some(next.at), START + HOUR * 4, HOUR * 5).at, START + HOUR * 4);
    }

    #[test]
    fn a_clock_that_is_ahead_at_the_start_is_accepted_after_a_day() {
        let mut witness = Witness::default();
        let at = |hours: u32| START + MONTH + HOUR * hours;
        assert_eq!(witness.observe(Some(START), at(0), HOUR).at, START);
        assert_eq!(witness.observe(Some(START), at(23), HOUR * 24).at, START + HOUR * 23);
        assert_eq!(witness.observe(Some(START), at(24), HOUR * 25).at, at(24));
    }

    #[test]
    fn a_short_stop_is_accepted() {
        let later = START + AHEAD_TOLERANCE;
        assert_eq!(
            Witness::default().observe(Some(START), later, HOUR),
            Observed { at: later, jumped: None }
        );
    }

    #[test]
    fn a_clock_that_is_set_back_is_accepted() {
        let mut witness = Witness::default();
        witness.observe(None, START + MONTH, HOUR);
        assert_eq!(witness.observe(Some(START + MONTH), START, HOUR * 2).at, START);
    }

    #[test]
    fn the_observations_of_other_processes_count() {
        let mut witness = Witness::default();
        witness.observe(Some(START), START, HOUR);
        assert_eq!(witness.observe(Some(START + HOUR), START + HOUR * 2, HOUR).at, START + HOUR);
    }
}
