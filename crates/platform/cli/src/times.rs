//! Times as people write them.

use std::time::Duration;

use rdev_app::Ambient;
use rdev_core::Timestamp;
use rdev_process::options::duration;

const DAY_SECONDS: i64 = 86_400;

/// Parses a time in the past, and returns it by RFC 3339: `2h` or `2h ago`, `now`, `today`, `yesterday`, a date,
/// or RFC 3339. Days are those of UTC.///
/// # Errors
/// Fails with what is wrong and examples.
pub fn past(text: &str) -> Result<String, String> {
    parse(text, Ambient::system().now(), false).map(|time| time.to_string())
}

/// Parses a time in the future, and returns it by RFC 3339: `30d` or `in 30d`, `tomorrow`, a date, or RFC 3339.///
/// # Errors
/// Fails with what is wrong and examples.
pub fn future(text: &str) -> Result<String, String> {
    parse(text, Ambient::system().now(), true).map(|time| time.to_string())
}

/// Returns a duration in milliseconds, as the APIs have it.
#[must_use]
pub fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn parse(text: &str, now: Timestamp, is_future: bool) -> Result<Timestamp, String> {
    let text = text.trim();
    let midnight = now.as_unix_seconds().div_euclid(DAY_SECONDS) * DAY_SECONDS;
    let day = |days: i64| Ok(Timestamp::from_micros((midnight + days * DAY_SECONDS) * 1_000_000));
    match text.to_ascii_lowercase().as_str() {
        "now" => return Ok(now),
        "today" => return day(0),
        "yesterday" => return day(-1),
        "tomorrow" => return day(1),
        _ => {}
    }
    if let Ok(time) = text.parse() {
        return Ok(time);
    }
    if text.len() == "2025-01-15".len()
        && let Ok(time) = format!("{text}T00:00:00Z").parse()
    {
        return Ok(time);
    }
    let (length, is_future) = match (text.strip_suffix(" ago"), text.strip_prefix("in ")) {
        (Some(length), _) => (length, false),
        (_, Some(length)) => (length, true),
        _ => (text, is_future),
    };
    let length = duration(length).map_err(|_| {
        format!("{text:?} is not a time: use for example 2h, 3d, today, yesterday, 2025-01-15 or 2025-01-15T10:30:00Z")
    })?;
    Ok(moved(now, length, is_future))
}

fn moved(now: Timestamp, by: Duration, is_future: bool) -> Timestamp {
    let by = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
    let micros = now.as_micros();
    Timestamp::from_micros(if is_future { micros.saturating_add(by) } else { micros.saturating_sub(by) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_as_people_write_them() {
        let now = "2025-01-15T10:30:00Z".parse().unwrap();
        for (text, is_future, expected) in [
            ("2h", false, "2025-01-15T08:30:00Z"),
            ("2h ago", true, "2025-01-15T08:30:00Z"),
            ("1d 30m", false, "2025-01-14T10:00:00Z"),
            ("now", false, "2025-01-15T10:30:00Z"),
            ("today", false, "2025-01-15T00:00:00Z"),
            ("Yesterday", false, "2025-01-14T00:00:00Z"),
            ("2025-01-02", false, "2025-01-02T00:00:00Z"),
            ("2025-01-02T03:04:05+01:00", false, "2025-01-02T02:04:05Z"),
            ("30d", true, "2025-02-14T10:30:00Z"),
            ("in 1h", false, "2025-01-15T11:30:00Z"),
            ("tomorrow", true, "2025-01-16T00:00:00Z"),
        ] {
            let expected: Timestamp = expected.parse().unwrap();
            assert_eq!(parse(text, now, is_future), Ok(expected), "{text}");
        }
        for text in ["", "soon", "2", "-2h", "2025-13-01", "10:30"] {
            assert!(parse(text, now, false).unwrap_err().contains("yesterday"), "{text}");
        }
    }
}
