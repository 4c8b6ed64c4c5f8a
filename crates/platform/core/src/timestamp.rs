//! A moment in UTC.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};

/// A moment in UTC with a precision of one microsecond. Every store keeps it exactly.
///
/// Its text is RFC 3339 with `Z`, for the years 1 to 9999: `2025-01-15T10:30:00Z`, with milliseconds or
/// microseconds if they are not zero.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The reason why a text is not a timestamp.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be an RFC 3339 date and time between the years 1 and 9999, like 2025-01-15T10:30:00Z")]
pub struct TimestampError;

const MIN_MICROS: i64 = -62_135_596_800_000_000; // 0001-01-01T00:00:00Z
const MAX_MICROS: i64 = 253_402_300_799_999_999; // 9999-12-31T23:59:59.999999Z

impl Timestamp {
    /// 1970-01-01T00:00:00Z.
    pub const EPOCH: Self = Self(0);

    /// Creates a timestamp from microseconds since the Unix epoch. A moment outside the years 1 to 9999
    /// becomes the nearest one within.
    #[must_use]
    pub const fn from_micros(micros: i64) -> Self {
        Self(if micros < MIN_MICROS {
            MIN_MICROS
        } else if micros > MAX_MICROS {
            MAX_MICROS
        } else {
            micros
        })
    }

    /// Creates a timestamp from milliseconds since the Unix epoch, clamped like [`Self::from_micros`].
    #[must_use]
    pub const fn from_millis(millis: i64) -> Self {
        Self::from_micros(millis.saturating_mul(1_000))
    }

    /// Returns the microseconds since the Unix epoch.
    #[must_use]
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// Returns the whole seconds since the Unix epoch, rounded down.
    #[must_use]
    pub const fn as_unix_seconds(self) -> i64 {
        self.0.div_euclid(1_000_000)
    }

    /// Returns the time from `earlier` to this moment; zero if this moment is not later.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Returns the moment, truncated to whole milliseconds.
    #[must_use]
    pub const fn truncated_to_millis(self) -> Self {
        Self::from_micros(self.0 - self.0.rem_euclid(1_000))
    }
}

impl std::ops::Add<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the end of the year 9999.
    fn add(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }
}

impl std::ops::Sub<Duration> for Timestamp {
    type Output = Self;

    /// Saturates at the beginning of the year 1.
    fn sub(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment: DateTime<Utc> = DateTime::from_timestamp_micros(self.0).ok_or(fmt::Error)?;
        f.write_str(&moment.to_rfc3339_opts(SecondsFormat::AutoSi, true))
    }
}

impl fmt::Debug for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Accepts any offset, with or without a colon or minutes (`+02:00`, `+0200`, `+02`), and converts it to
    /// UTC. Truncates to whole microseconds.
    fn from_str(text: &str) -> Result<Self, TimestampError> {
        let moment = DateTime::parse_from_rfc3339(text)
            .ok()
            .or_else(|| DateTime::parse_from_rfc3339(&with_full_offset(text)?).ok())
            .ok_or(TimestampError)?;
        let micros = moment.timestamp_micros();
        if (MIN_MICROS..=MAX_MICROS).contains(&micros) { Ok(Self(micros)) } else { Err(TimestampError) }
    }
}

/// Adds the colon and the minutes that the offset lacks. ISO 8601 allows both to be omitted, and many
/// languages write `+0000`.
fn with_full_offset(text: &str) -> Option<String> {
    let (rest, offset) = text.split_at_checked(text.rfind(['+', '-'])? + 1)?;
    match offset.len() {
        2 => Some(format!("{rest}{offset}:00")),
        4 => offset.split_at_checked(2).map(|(hours, minutes)| format!("{rest}{hours}:{minutes}")),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn text_is_utc_with_z() {
        for (given, kept) in [
            ("2025-01-15T10:30:00Z", "2025-01-15T10:30:00Z"),
            ("2025-01-15T12:30:00+02:00", "2025-01-15T10:30:00Z"),
            ("2025-01-15T10:30:00+0000", "2025-01-15T10:30:00Z"),
            ("2025-01-15T10:30:00.120000-0000", "2025-01-15T10:30:00.120Z"),
            ("2025-01-15T16:00:00.5+0530", "2025-01-15T10:30:00.500Z"),
            ("2025-01-15T06:00:00-0430", "2025-01-15T10:30:00Z"),
            ("2025-01-15T12:30:00+02", "2025-01-15T10:30:00Z"),
            ("2025-01-15 12:30:00+02:00", "2025-01-15T10:30:00Z"),
            ("2025-01-15t10:30:00z", "2025-01-15T10:30:00Z"),
            ("2025-01-15T10:30:00.120Z", "2025-01-15T10:30:00.120Z"),
            ("2025-01-15T10:30:00.123456789Z", "2025-01-15T10:30:00.123456Z"),
        ] {
            assert_eq!(given.parse::<Timestamp>().unwrap().to_string(), kept);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "yesterday",
            "2025-01-15",
            "2025-01",
            "2025-13-01T00:00:00Z",
            "9999-12-31T23:59:59-01:00",
            "2025-01-15T10:30:00",
            "2025-01-15T10:30:00+",
            "2025-01-15T10:30:00+0",
            "2025-01-15T10:30:00+020",
            "2025-01-15T10:30:00+2500",
            "2025-01-15T10:30:00+00x0",
            "2025-01-15T10:30:00+é00",
            "2025-01-15T10:30:00Z+0000",
        ] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError), "{text}");
        }
    }

    proptest! {
        #[test]
        fn text_round_trips(micros in MIN_MICROS..=MAX_MICROS) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(moment.to_string().parse::<Timestamp>().unwrap(), moment);
        }

        #[test]
        fn arithmetic_never_overflows(micros: i64, seconds: u64) {
            let moment = Timestamp::from_micros(micros);
            let later = moment + Duration::from_secs(seconds);
            prop_assert!(later >= moment);
            prop_assert!(moment - Duration::from_secs(seconds) <= moment);
            prop_assert_eq!(moment.since(later), Duration::ZERO);
        }
    }
}
