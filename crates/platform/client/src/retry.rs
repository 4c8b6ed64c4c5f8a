//! When a call is repeated.

use std::time::Duration;

use http::HeaderMap;
use http::header::RETRY_AFTER;

use crate::Error;

/// The maximum number of attempts of a call.
pub const MAX_ATTEMPTS: u32 = 4;

/// The wait after the first attempt; it doubles with each further one.
const INITIAL_BACKOFF: Duration = Duration::from_millis(250);

/// Returns the wait before the next attempt; `None` if the call must not be repeated. `attempts` is the number
/// of attempts so far.
pub(crate) fn wait(error: &Error, retry_after: Option<Duration>, attempts: u32) -> Option<Duration> {
    let is_repeatable = error.is_temporary() || is_in_progress(error);
    if !is_repeatable || attempts >= MAX_ATTEMPTS {
        return None;
    }
    let backoff = INITIAL_BACKOFF * 2_u32.pow(attempts.saturating_sub(1));
    Some(retry_after.map_or(backoff, |after| after.max(backoff)))
}

/// Returns whether the service is still carrying out an earlier attempt of the call.
fn is_in_progress(error: &Error) -> bool {
    error.problem().is_some_and(|problem| problem.code == "idempotency_key_in_use")
}

/// Returns the wait that a response demands, in seconds. Dates are not used by this API.
pub(crate) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}
