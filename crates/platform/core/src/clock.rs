//! The clock.

use std::time::Duration;

use crate::Timestamp;

/// A source of the time.
pub trait Clock: Send + Sync + 'static {
    /// Returns the current time in UTC.
    fn now(&self) -> Timestamp;

    /// Returns the time since some fixed moment. It advances steadily, even when the clock is set. The
    /// default implementation is for a clock that is never set.
    fn elapsed(&self) -> Duration {
        self.now().since(Timestamp::EPOCH)
    }
}
