//! Calls of the store: bounded in time, and repeated after a failure.

use std::time::Duration;

/// The longest time that a call may take. A call that takes longer may have been made nevertheless.
pub(super) const CALL_TIMEOUT: Duration = Duration::from_secs(30);

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// A call failed, and the failure is logged.
#[derive(Debug)]
pub(super) struct CallFailed;

/// The pauses between the repetitions of a call.
#[derive(Debug, Default)]
pub(super) struct Backoff(Option<Duration>);

impl Backoff {
    /// Returns the next pause: each is twice the one before, up to a bound.
    pub(super) fn next(&mut self) -> Duration {
        let pause = self.0.map_or(FIRST_PAUSE, |last| (last * 2).min(LONGEST_PAUSE));
        self.0 = Some(pause);
        pause
    }

    /// Returns whether there was no pause.
    pub(super) const fn is_fresh(&self) -> bool {
        self.0.is_none()
    }
}
