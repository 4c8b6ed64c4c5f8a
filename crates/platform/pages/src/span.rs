//! Durations in forms: `500ms`, `5s`, `2m`, `1h`, `1d`.

use std::time::Duration;

const UNITS: [(&str, u64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Reads a duration.
///
/// # Errors
///
/// Fails unless the text is a whole number with its unit.
pub fn parse(text: &str) -> Result<Duration, &'static str> {
    const FAULT: &str = "must be a number with its unit, such as 500ms, 5s, 2m, 1h or 1d";
    let end = text.find(|char: char| !char.is_ascii_digit()).ok_or(FAULT)?;
    let (number, unit) = (text[..end].parse::<u64>().map_err(|_| FAULT)?, text[end..].trim());
    let (_, millis) = UNITS.into_iter().find(|(known, _)| *known == unit).ok_or(FAULT)?;
    Ok(Duration::from_millis(number.checked_mul(millis).ok_or(FAULT)?))
}

/// Writes a duration in its largest unit that is exact.
#[must_use]
pub fn text(span: Duration) -> String {
    let total = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let (unit, millis) =
        UNITS.into_iter().find(|(_, millis)| total >= *millis && total % millis == 0).unwrap_or(("s", 1_000));
    format!("{}{unit}", total / millis)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_round_trip() {
        for given in ["1ms", "500ms", "5s", "90s", "2m", "1h", "1d", "0s"] {
            assert_eq!(text(parse(given).unwrap()), given);
        }
        for wrong in ["", "5", "s", "5 weeks", "-1s", "1.5s", "99999999999999999999d", "99999999999999999d"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
