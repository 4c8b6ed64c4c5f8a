//! The member `retry`: `{max_attempts, initial_backoff_ms, multiplier, max_backoff_ms}`, each optional,
//! or `{schedule_ms}` alone.

use std::time::Duration;

use rdev_webhooks_domain::{RetryPolicy, RetryPolicyError};
use utoipa::openapi::{RefOr, Schema};

use rdev_http::Faults;
use rdev_http::kind::{self, Element, Integer, Kind, List};
use rdev_http::members::{Patch, Patched, Value};

const MAX_WAITS: usize = RetryPolicy::MAX_ATTEMPTS as usize - 1;
/// 24 hours.
const MAX_WAIT_MS: u32 = RetryPolicy::MAX_BACKOFF.as_millis() as u32;

rdev_http::members! {
    /// How to retry: `schedule_ms` alone, or exponential backoff by any of the other members. The default is 3 attempts,
    /// 5 s initial backoff, multiplier 2, at most 1 h.
    pub(in crate::routes) struct RetryBody as NewRetryPolicy {
        /// The number of attempts in all.
        max_attempts: Patch<Integer<1, { RetryPolicy::MAX_ATTEMPTS }>>,
        /// The wait before the second attempt.
        initial_backoff_ms: Patch<Milliseconds<1, MAX_WAIT_MS>>,
        /// The factor by which each further wait grows.
        multiplier: Patch<Multiplier>,
        /// The longest wait.
        max_backoff_ms: Patch<Milliseconds<1, MAX_WAIT_MS>>,
        /// The wait before each attempt after the first.
        schedule_ms: Option<List<Milliseconds<0, MAX_WAIT_MS>, 0, MAX_WAITS>>,
    }
}

impl RetryBody {
    /// Returns the policy. Absent members come from `present` if it has the same shape, and from the default
    /// otherwise; `null` stands for the default.
    pub(super) fn over(self, present: Option<&RetryPolicy>, faults: &mut Faults) -> Option<RetryPolicy> {
        let Self { max_attempts, initial_backoff_ms, multiplier, max_backoff_ms, schedule_ms } = self;
        let has_backoff = !max_attempts.is_absent()
            || !initial_backoff_ms.is_absent()
            || !multiplier.is_absent()
            || !max_backoff_ms.is_absent();
        let policy = match schedule_ms {
            Some(_) if has_backoff => {
                let detail =
                    "cannot be combined with max_attempts, initial_backoff_ms, multiplier or max_backoff_ms";
                faults.at("/retry/schedule_ms", detail);
                return None;
            }
            Some(waits) => RetryPolicy::schedule(waits.into_iter().map(|(_, wait)| wait).collect()),
            // An empty patch leaves a schedule unchanged.
            None if !has_backoff && present.is_some_and(|policy| policy.as_schedule().is_some()) => {
                return present.cloned();
            }
            None => {
                // The default policy is a backoff.
                let default = RetryPolicy::default().as_exponential()?;
                let base = present.and_then(RetryPolicy::as_exponential).unwrap_or(default);
                let is_max_set = matches!(max_backoff_ms, Patched::Value(_));
                let initial = initial_backoff_ms.resolve(Some(base.1), Some(default.1))?;
                let max = max_backoff_ms.resolve(Some(base.3), Some(default.3))?;
                RetryPolicy::exponential(
                    max_attempts.resolve(Some(base.0), Some(default.0))?,
                    initial,
                    multiplier.resolve(Some(base.2), Some(default.2))?,
                    // A maximum that the body does not set is raised to the initial wait.
                    if is_max_set { max } else { max.max(initial) },
                )
            }
        };
        policy.map_err(|error| faults.at(place(error), error)).ok()
    }
}

/// A whole number of milliseconds.
pub(in crate::routes) enum Milliseconds<const MIN: u32, const MAX: u32> {}

impl<const MIN: u32, const MAX: u32> Kind for Milliseconds<MIN, MAX> {
    type Value = Duration;

    fn shape() -> RefOr<Schema> {
        Integer::<MIN, MAX>::shape()
    }

    fn read(value: &Value<'_>, faults: &mut Faults) -> Option<Duration> {
        Some(Duration::from_millis(value.integer(MIN..=MAX, faults)?.into()))
    }
}

impl<const MIN: u32, const MAX: u32> Element for Milliseconds<MIN, MAX> {
    const NOUN: &'static str = "waits of 0 ms to 24 h (86400000) each";
}

rdev_http::kind! {
    pub(in crate::routes) Multiplier: f64 = kind::number(RetryPolicy::MULTIPLIERS), |value, faults| {
        let factor = value.number(faults)?;
        let valid = Some(factor).filter(|factor| RetryPolicy::MULTIPLIERS.contains(factor));
        valid.or_else(|| value.refuse(faults, RetryPolicyError::Multiplier))
    }
}

/// Returns the JSON pointer of the member that the policy's own check refused.
const fn place(error: RetryPolicyError) -> &'static str {
    match error {
        RetryPolicyError::MaxAttempts => "/retry/max_attempts",
        RetryPolicyError::InitialBackoff => "/retry/initial_backoff_ms",
        RetryPolicyError::Multiplier => "/retry/multiplier",
        RetryPolicyError::MaxBackoff => "/retry/max_backoff_ms",
        RetryPolicyError::Schedule => "/retry/schedule_ms",
        RetryPolicyError::Malformed => "/retry",
    }
}
