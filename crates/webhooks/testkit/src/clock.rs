//! Clocks that a test controls.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::Clock;
use tokio::time::Instant;

/// A clock that stands still until the test moves it. Share it in an `Arc`.
#[derive(Debug)]
pub struct ManualClock(Mutex<Shown>);

/// The time that a clock shows, and the time that has passed.
#[derive(Debug, Clone, Copy)]
struct Shown {
    now: Timestamp,
    elapsed: Duration,
}

impl ManualClock {
    /// Creates a clock that shows `now`.
    #[must_use]
    pub const fn new(now: Timestamp) -> Self {
        Self(Mutex::new(Shown { now, elapsed: Duration::ZERO }))
    }

    /// Lets time pass.
    pub fn advance(&self, by: Duration) {
        self.change(|shown| Shown { now: shown.now + by, elapsed: shown.elapsed + by });
    }

    /// Sets the clock, backwards too, without letting time pass.
    pub fn set(&self, now: Timestamp) {
        self.change(|shown| Shown { now, ..shown });
    }

    fn shown(&self) -> Shown {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(Shown) -> Shown) {
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *shown = change(*shown);
    }
}

impl Default for ManualClock {
    /// Creates a clock that shows 2025-01-15T10:30:00Z.
    fn default() -> Self {
        Self::new(Timestamp::from_millis(1_736_937_000_000))
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.shown().now
    }

    fn elapsed(&self) -> Duration {
        self.shown().elapsed
    }
}

/// A clock that follows tokio's clock: it stands still while that is paused and moves when that is advanced.
#[derive(Debug)]
pub struct TokioClock {
    base: Timestamp,
    started: Instant,
}

impl TokioClock {
    /// Creates a clock that shows `base` now.
    #[must_use]
    pub fn starting_at(base: Timestamp) -> Self {
        Self { base, started: Instant::now() }
    }
}

impl Default for TokioClock {
    /// Creates a clock that shows 2025-01-15T10:30:00Z now.
    fn default() -> Self {
        Self::starting_at(ManualClock::default().now())
    }
}

impl Clock for TokioClock {
    fn now(&self) -> Timestamp {
        self.base + self.started.elapsed()
    }
}
