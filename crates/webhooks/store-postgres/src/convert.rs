//! Conversion between the domain's values and Postgres's.

use std::time::Duration;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::Timestamp;

/// Converts a moment, exactly: both count microseconds.
pub(crate) fn to_sql_time(at: Timestamp) -> DateTime<Utc> {
    // A Timestamp lies in the years 1 to 9999; chrono represents them all.
    DateTime::from_timestamp_micros(at.as_micros()).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Reverses [`to_sql_time`].
pub(crate) fn from_sql_time(at: DateTime<Utc>) -> Timestamp {
    Timestamp::from_micros(at.timestamp_micros())
}

/// Converts a duration exactly, up to 292 years.
pub(crate) fn to_nanos(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX)
}

/// Reverses [`to_nanos`]; a negative number, which is never written, becomes zero.
pub(crate) fn from_nanos(nanos: i64) -> Duration {
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(0))
}

/// Converts microseconds to a duration; a negative number becomes zero.
pub(crate) fn from_micros(micros: i64) -> Duration {
    Duration::from_micros(u64::try_from(micros).unwrap_or(0))
}

/// Converts a duration that is to be added to the database's time, rounded up so that nothing is due early;
/// at most a thousand years, which Postgres can still add.
pub(crate) fn to_micros_up(duration: Duration) -> i64 {
    const THOUSAND_YEARS: u128 = 1_000 * 366 * 24 * 60 * 60 * 1_000_000;
    let micros = duration.as_nanos().div_ceil(1_000).min(THOUSAND_YEARS);
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// Converts a count that a store wrote: never negative, and never near the limit.
pub(crate) fn to_u32(count: i32) -> u32 {
    u32::try_from(count).unwrap_or(0)
}

/// Converts a count or a limit for Postgres, which has no unsigned numbers.
pub(crate) fn to_i32(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}

/// Returns a text that Postgres can hold: it refuses the character NUL, which becomes the replacement
/// character.
pub(crate) fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

/// Converts values to an array of texts.
pub(crate) fn texts<T: ToString>(values: impl IntoIterator<Item = T>) -> Vec<String> {
    values.into_iter().map(|value| value.to_string()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn moments_round_trip(micros: i64) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(from_sql_time(to_sql_time(moment)), moment);
        }

        #[test]
        fn a_wait_is_never_shortened(nanos in 0..1_000_000_000_000_000_u64) {
            let wait = Duration::from_nanos(nanos);
            let micros = u64::try_from(to_micros_up(wait)).unwrap();
            prop_assert!(Duration::from_micros(micros) >= wait);
            prop_assert_eq!(from_nanos(to_nanos(wait)), wait);
        }
    }
}
