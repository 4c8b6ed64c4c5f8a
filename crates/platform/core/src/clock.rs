//! The time.

use std::time::Duration;

use crate::Timestamp;

/// Where the time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The time now, in UTC.
    fn now(&self) -> Timestamp;

    /// The time since some fixed moment, which passes steadily though the clock is set. By default that of a clock
    /// that never is.
    fn elapsed(&self) -> Duration {
        self.now().since(Timestamp::EPOCH)
    }
}
