//! The store's time.
//!
//! It follows the clock, but a step of the clock reaches it only together with all waiting times: see
//! [`rebase`](crate::rebase). Between two steps it advances steadily, and never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::Clock;

/// The difference from which on the clock counts as set; a smaller difference is compensated by running
/// slightly slower or faster.
pub(crate) const STEP: Duration = Duration::from_secs(60);

/// A steady time on a clock that may be set.
pub(crate) struct StoreClock {
    source: Arc<dyn Clock>,
    /// The store's time less the source's elapsed time, in microseconds.
    offset: AtomicI64,
    /// The source's elapsed time at the last check, in microseconds.
    followed_at: AtomicI64,
}

impl StoreClock {
    pub(crate) fn new(source: Arc<dyn Clock>) -> Self {
        let elapsed = micros(source.elapsed());
        let offset = source.now().as_micros().saturating_sub(elapsed);
        Self { source, offset: AtomicI64::new(offset), followed_at: AtomicI64::new(elapsed) }
    }

    /// Returns the store's time.
    pub(crate) fn now(&self) -> Timestamp {
        let elapsed = micros(self.source.elapsed());
        Timestamp::from_micros(elapsed.saturating_add(self.offset.load(Ordering::SeqCst)))
    }

    /// Returns the elapsed time since some moment, which no step changes.
    pub(crate) fn elapsed(&self) -> Duration {
        self.source.elapsed()
    }

    /// Follows the clock. If the clock was set, returns the step in microseconds. Only the writer calls this.
    ///
    /// If the clock has fallen behind a little, the store's time runs at half speed until they agree.
    pub(crate) fn follow(&self) -> Option<i64> {
        let elapsed = micros(self.source.elapsed());
        let passed = elapsed.saturating_sub(self.followed_at.swap(elapsed, Ordering::SeqCst)).max(0);
        let ahead = self.source.now().as_micros().saturating_sub(self.now().as_micros());
        if ahead.unsigned_abs() > STEP.as_micros().try_into().unwrap_or(u64::MAX) {
            return Some(ahead);
        }
        self.shift(ahead.max(-passed / 2));
        None
    }

    /// Applies a step, once all waiting times have moved.
    pub(crate) fn shift(&self, by: i64) {
        self.offset.fetch_add(by, Ordering::SeqCst);
    }
}

fn micros(duration: Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX)
}
