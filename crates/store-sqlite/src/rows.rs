//! Rows, and what they are in the domain.

pub(crate) mod attempt;
pub(crate) mod delivery;
pub(crate) mod webhook;

use std::time::Duration;

use rdev_webhooks_domain::Timestamp;

/// Nanoseconds as they are stored; what is longer than 292 years is cut to that.
pub(crate) fn nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// A moment as it is stored.
pub(crate) fn micros(at: Timestamp) -> i64 {
    at.as_micros()
}
