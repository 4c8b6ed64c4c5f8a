//! Clocks that a test moves.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::Clock;
use tokio::time::Instant;

/// A clock that stands still until it is told to move. Share it in an `Arc`.
#[derive(Debug)]
pub struct ManualClock(Mutex<Timestamp>);

impl ManualClock {
    /// A clock that shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self(Mutex::new(now))
    }

    /// Moves the clock forward.
    pub fn advance(&self, by: Duration) {
        self.change(|now| now + by);
    }

    /// Sets the clock, back if need be.
    pub fn set(&self, now: Timestamp) {
        self.change(|_| now);
    }

    fn change(&self, change: impl FnOnce(Timestamp) -> Timestamp) {
        let mut now = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *now = change(*now);
    }
}

impl Default for ManualClock {
    /// A clock that shows 2025-01-15T10:30:00Z.
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_736_937_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A clock that goes with tokio's, so that it stands still while that is paused and moves when that
/// is advanced.
#[derive(Debug)]
pub struct TokioClock {
    base: Timestamp,
    started: Instant,
}

impl TokioClock {
    /// A clock that shows `base` now.
    #[must_use]
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, started: Instant::now() }
    }
}

impl Default for TokioClock {
    /// A clock that shows 2025-01-15T10:30:00Z now.
    fn default() -> Self {
        Self::starting_at(ManualClock::default().now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.base + self.started.elapsed()
    }
}
