//! What an endpoint asks for by `Retry-After`, RFC 9110 section 10.2.3.

use std::time::Duration;

use rdev_webhooks_domain::{CapturedResponse, Timestamp};

/// How long the endpoint wants to be left alone, if it says so with a 429 or a 503: so many seconds,
/// or until a date.
pub(super) fn retry_after(response: &CapturedResponse, now: Timestamp) -> Option<Duration> {
    if !matches!(response.status, 429 | 503) {
        return None;
    }
    let (_, value) = response.headers.iter().find(|(name, _)| name.eq_ignore_ascii_case("retry-after"))?;
    let value = value.trim();
    if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
        // More seconds than a u64 holds are still very many.
        return Some(Duration::from_secs(value.parse().unwrap_or(u64::MAX)));
    }
    let date = httpdate::parse_http_date(value).ok()?;
    let since_epoch = date.duration_since(std::time::UNIX_EPOCH).ok()?;
    Some((Timestamp::EPOCH + since_epoch).since(now))
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
    fn seconds_and_dates_are_understood() {
        assert_eq!(ask(429, "120"), Some(Duration::from_secs(120)));
        assert_eq!(ask(503, " 0 "), Some(Duration::ZERO));
        assert_eq!(ask(503, "Wed, 21 Oct 2015 07:30:00 GMT"), Some(Duration::from_secs(120)));
        assert_eq!(ask(503, "Wed, 21 Oct 2015 07:00:00 GMT"), Some(Duration::ZERO));
        assert_eq!(ask(503, &"9".repeat(40)), Some(Duration::from_secs(u64::MAX)));
    }

    #[test]
    fn nonsense_and_other_statuses_are_passed_over() {
        assert_eq!(ask(500, "120"), None);
        for nonsense in ["", "-1", "1.5", "soon", "1e9"] {
            assert_eq!(ask(503, nonsense), None, "{nonsense}");
        }
    }

    proptest! {
        #[test]
        fn any_value_is_understood_or_passed_over(value in "\\PC{0,40}") {
            let _ = ask(503, &value);
        }
    }
}
