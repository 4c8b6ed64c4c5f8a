//! Lengths of time in requests.

use std::time::Duration;

/// Parses a whole number of minutes, hours or days that is not zero: `30m`, `24h`, `7d`.
#[must_use]
pub fn parse_window(text: &str) -> Option<Duration> {
    // The last character may have several bytes.
    let (number, unit) = text.split_at_checked(text.len().wrapping_sub(1))?;
    let seconds: u64 = match unit {
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let number: u64 = number.parse().ok().filter(|number| *number > 0)?;
    Some(Duration::from_secs(number.checked_mul(seconds)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_is_a_number_and_a_unit() {
        for (text, seconds) in [("30m", 1_800), ("24h", 86_400), ("7d", 604_800), ("007m", 420)] {
            assert_eq!(parse_window(text), Some(Duration::from_secs(seconds)), "{text}");
        }
        for invalid in ["", "m", "0h", "-1d", "+1d", "1.5h", "1w", "1 d", "1é", "9999999999999999999d"] {
            assert_eq!(parse_window(invalid), None, "{invalid}");
        }
    }
}
