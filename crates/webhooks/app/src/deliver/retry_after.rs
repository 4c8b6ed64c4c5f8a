//! The `Retry-After` header, RFC 9110 section 10.2.3.

use std::time::Duration;

use rdev_webhooks_domain::{CapturedResponse, Timestamp};

/// Returns how long an endpoint asks to wait with a 429 or a 503: a number of seconds, or until a date. A
/// date counts from the response's own `Date`, so that neither host's clock matters. Without one it counts
/// from `now`, the store's clock.
pub(super) fn retry_after(response: &CapturedResponse, now: Timestamp) -> Option<Duration> {
    if !matches!(response.status, 429 | 503) {
        return None;
    }
    let value = header(response, "retry-after")?;
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a u64 holds are capped at its maximum.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let answered_at = header(response, "date").and_then(date).unwrap_or(now);
    Some(date(value)?.since(answered_at))
}

fn header<'a>(response: &'a CapturedResponse, wanted: &str) -> Option<&'a str> {
    let (_, value) = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case(wanted))?;
    Some(value.trim())
}

fn date(value: &str) -> Option<Timestamp> {
    let date = httpdate::parse_http_date(value).ok()?;
    Some(Timestamp::EPOCH + date.duration_since(std::time::UNIX_EPOCH).ok()?)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ask(status: u16, value: &str) -> Option<Duration> {
        let headers = vec![("Retry-After".to_owned(), value.to_owned())];
        let response = CapturedResponse { status, headers, ..CapturedResponse::default() };
        retry_after(&response, "2015-10-21T07:28:00Z".parse().unwrap())
    }

    #[test]
    fn seconds_and_dates_are_parsed() {
        assert_eq!(ask(429, "120"), Some(Duration::from_secs(120)));
        assert_eq!(ask(503, " 0 "), Some(Duration::ZERO));
        assert_eq!(ask(503, "Wed, 21 Oct 2015 07:30:00 GMT"), Some(Duration::from_secs(120)));
        assert_eq!(ask(503, "Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(ask(503, &"9".repeat(40)), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn a_date_counts_from_the_date_of_the_response() {
        let ask = |date: &str| {
            let headers = vec![
                ("date".to_owned(), date.to_owned()),
                ("retry-after".to_owned(), "Wed, 21 Oct 2015 08:00:40 GMT".to_owned()),
            ];
            let response = CapturedResponse { status: 503, headers, ..CapturedResponse::default() };
            retry_after(&response, "2015-10-21T07:00:00Z".parse().unwrap())
        };
        assert_eq!(
            ask("Wed, 21 Oct 2015 08:00:00 GMT"),
            Some(Duration::from_secs(40)),
            "the endpoint's clock is ahead"
        );
        assert_eq!(ask("Wed, 21 Oct 2015 06:00:00 GMT"), Some(Duration::from_secs(7_240)));
        assert_eq!(ask("Wed, 21 Oct 2015 09:00:00 GMT"), Some(Duration::ZERO), "the date is in the past");
        assert_eq!(
            ask("yesterday"),
            Some(Duration::from_secs(3_640)),
            "without a date, the store's clock counts"
        );
    }

    #[test]
    fn invalid_values_and_other_statuses_are_ignored() {
        assert_eq!(ask(500, "120"), None);
        for nonsense in ["", "-1", "1.5", "soon", "1e9"] {
            assert_eq!(ask(503, nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn no_value_panics(value in "\\PC{0,40}") {
            let _ = ask(503, &value);
        }
    }
}
