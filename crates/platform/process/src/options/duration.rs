use std::time::Duration;

/// The longest duration: far beyond any use, and small enough to be added to any point in time without an
/// overflow.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Parses a duration in human form: `15s`, `1h 30m`, `250ms`, `30d`; `0` is allowed.
///
/// # Errors
/// Fails with the reason and an example of a valid text: for a number without a unit, an unknown unit, or
/// more than 100 years.
pub fn duration(text: &str) -> Result<Duration, String> {
    let parsed = humantime::parse_duration(text)
        .map_err(|error| format!("{error} (use for example 15s, 5m, 24h or 30d)"))?;
    if parsed > LONGEST {
        return Err("must be at most 100 years".to_owned());
    }
    Ok(parsed)
}

/// Parses a duration like [`duration`], but not zero: for deadlines and retention times.
///
/// # Errors
/// Fails as [`duration`] does, and for zero.
pub fn positive_duration(text: &str) -> Result<Duration, String> {
    let parsed = duration(text)?;
    if parsed.is_zero() {
        return Err("must be longer than zero".to_owned());
    }
    Ok(parsed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_parsed_in_human_form() {
        let cases = [
            ("15s", Duration::from_secs(15)),
            ("30d", Duration::from_secs(30 * 86_400)),
            ("1h 30m", Duration::from_secs(5_400)),
            ("250ms", Duration::from_millis(250)),
            ("0s", Duration::ZERO),
            ("0", Duration::ZERO),
        ];
        for (text, expected) in cases {
            assert_eq!(duration(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn an_invalid_duration_is_refused_with_an_example() {
        for text in ["", "15", "soon", "-5s", "15 parsecs"] {
            let message = duration(text).unwrap_err();
            assert!(message.contains("15s"), "{text}: {message}");
        }
    }

    #[test]
    fn an_absurdly_long_duration_is_refused() {
        assert_eq!(duration("99y").map(|_| ()), Ok(()));
        assert!(duration("101y").is_err());
        assert!(duration("9999999999999999999y").is_err());
    }

    #[test]
    fn zero_is_refused_where_it_makes_no_sense() {
        assert!(positive_duration("0s").unwrap_err().contains("zero"));
        assert_eq!(positive_duration("1ns"), Ok(Duration::from_nanos(1)));
    }
}
