//! Moments and durations on pages.

use std::fmt;
use std::time::Duration;

use chrono::DateTime;
use rdev_core::Timestamp;

/// A moment on a page: a `time` element with the time relative to now, and the absolute time, which appears while the
/// pointer or the focus is on it. The script shows the one or the other, in UTC or local time.
#[derive(Debug, Clone, Copy)]
pub struct Moment {
    /// The moment.
    pub at: Timestamp,
    /// The current time.
    pub now: Timestamp,
}

impl Moment {
    /// Returns the absolute time for people, in UTC to the second.
    #[must_use]
    pub fn absolute(&self) -> String {
        let moment = DateTime::from_timestamp_micros(self.at.as_micros()).unwrap_or_default();
        moment.format("%Y-%m-%d %H:%M:%S UTC").to_string()
    }

    /// Returns the time relative to now, such as `3 min ago` or `in 5 s`.
    #[must_use]
    pub fn relative(&self) -> String {
        let (ago, ahead) = (self.now.since(self.at), self.at.since(self.now));
        if ahead > Duration::from_secs(1) {
            return format!("in {}", rounded(ahead));
        }
        if ago < Duration::from_secs(2) { "just now".to_owned() } else { format!("{} ago", rounded(ago)) }
    }
}

impl Moment {
    /// Returns the element for a row that has a link: the focus of the link is that of the row's times, so that they
    /// are no stops of their own.
    #[must_use]
    pub fn in_row(&self) -> String {
        self.element("")
    }

    fn element(&self, focus: &str) -> String {
        let Self { at, .. } = self;
        format!(r#"<time datetime="{at}" data-at="{}"{focus}>{}</time>"#, self.absolute(), self.relative())
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.element(r#" tabindex="0""#))
    }
}

/// Returns a time span in its largest whole unit.
fn rounded(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// Returns a measured duration with two or three digits and its unit, such as `842 µs`, `12.3 ms` or `1.52 s`.
#[must_use]
pub fn duration(span: Duration) -> String {
    let micros = span.as_micros();
    match micros {
        0..1_000 => format!("{micros} µs"),
        1_000..10_000 => format!("{:.1} ms", span.as_secs_f64() * 1_000.0),
        10_000..1_000_000 => format!("{} ms", span.as_millis()),
        1_000_000..60_000_000 => format!("{:.2} s", span.as_secs_f64()),
        _ => rounded(span),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_are_relative_with_the_absolute_time_beside_them() {
        let now: Timestamp = "2025-01-15T10:30:00Z".parse().unwrap();
        let relative = |seconds: i64| {
            Moment { at: Timestamp::from_micros(now.as_micros() + seconds * 1_000_000), now }.relative()
        };
        assert_eq!(
            [0, -1, -59, -60, -7_300, -200_000].map(relative).join("; "),
            "just now; just now; 59 s ago; 1 min ago; 2 h ago; 2 d ago"
        );
        assert_eq!([5, 90].map(relative).join("; "), "in 5 s; in 1 min");
        assert_eq!(
            Moment { at: now, now }.to_string(),
            r#"<time datetime="2025-01-15T10:30:00Z" data-at="2025-01-15 10:30:00 UTC" tabindex="0">just now</time>"#
        );
        assert!(!Moment { at: now, now }.in_row().contains("tabindex"));
    }

    #[test]
    fn durations_have_two_or_three_digits() {
        let shown =
            [842, 1_234, 12_300, 999_000, 1_520_000, 90_000_000].map(Duration::from_micros).map(duration);
        assert_eq!(shown.join("; "), "842 µs; 1.2 ms; 12 ms; 999 ms; 1.52 s; 1 min");
    }
}
