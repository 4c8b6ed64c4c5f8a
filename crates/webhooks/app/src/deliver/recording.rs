//! Backpressure from the settler: while outcomes wait too long to be recorded, nothing is claimed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Recording time after which a batch is late: it may outlast the leases of the outcomes behind it.
const LATE_AFTER: Duration = Duration::from_secs(10);

/// The state of the settler's backlog, for the scheduler. Clones share it.
///
/// While the database is unavailable leases expire, and their deliveries can be claimed again, even if their
/// outcomes wait to be recorded. So after a batch that failed or was late nothing is claimed until the
/// backlog is empty.
#[derive(Debug, Clone, Default)]
pub(super) struct Recording(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    /// When the recording of the current batch began.
    since: Option<Instant>,
    is_behind: bool,
}

impl Recording {
    /// Records the start of a batch.
    pub(super) fn begin(&self) {
        self.change(|state| state.since = Some(Instant::now()));
    }

    /// Records a failed try. The batch is tried again.
    pub(super) fn failed(&self) {
        self.change(|state| state.is_behind = true);
    }

    /// Records the end of a batch. `is_empty` says that no other outcome waits.
    pub(super) fn end(&self, is_empty: bool) {
        self.change(|state| {
            state.is_behind |= state.is_late(Instant::now());
            state.is_behind &= !is_empty;
            state.since = None;
        });
    }

    /// True if nothing may be claimed.
    pub(super) fn is_behind(&self, now: Instant) -> bool {
        let state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        state.is_behind || state.is_late(now)
    }

    fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

impl State {
    fn is_late(&self, now: Instant) -> bool {
        self.since.is_some_and(|since| now.saturating_duration_since(since) >= LATE_AFTER)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_failure_the_whole_backlog_is_recorded_first() {
        let recording = Recording::default();
        let is_behind = || recording.is_behind(Instant::now());
        recording.begin();
        assert!(!is_behind());
        recording.failed();
        assert!(is_behind());
        recording.end(false);
        recording.begin();
        assert!(is_behind(), "another batch is waiting");
        recording.end(true);
        assert!(!is_behind());
    }

    #[tokio::test(start_paused = true)]
    async fn a_late_batch_counts_as_failed() {
        let recording = Recording::default();
        recording.begin();
        tokio::time::advance(LATE_AFTER).await;
        assert!(recording.is_behind(Instant::now()));
        recording.end(false);
        assert!(recording.is_behind(Instant::now()));
        recording.begin();
        recording.end(true);
        assert!(!recording.is_behind(Instant::now()));
    }
}
