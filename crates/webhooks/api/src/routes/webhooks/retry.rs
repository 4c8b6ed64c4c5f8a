//! The member `retry`: `{max_attempts, initial_backoff_ms, multiplier, max_backoff_ms}`, each optional,
//! or `{schedule_ms}` alone.

use std::time::Duration;

use rdev_webhooks_domain::{RetryPolicy, RetryPolicyError};
use utoipa::ToSchema;

use rdev_http::Faults;
use rdev_http::body::{Object, Value};

type Parts = (u32, Duration, f64, Duration);

// The policy's own bounds, so that each member can be checked by itself; the policy makes the final check.
const MAX_ATTEMPTS: u32 = 50;
const DAY_MS: u32 = 86_400_000;

/// How to retry: `schedule_ms` alone, or exponential backoff by any of the other members. The default is 3 attempts,
/// 5 s initial backoff, multiplier 2, at most 1 h.
#[derive(ToSchema)]
#[schema(as = NewRetryPolicy)]
#[serde(deny_unknown_fields)]
#[expect(dead_code, reason = "it describes what `retry` reads")]
pub(super) struct RetryBody {
    /// The number of attempts in all.
    #[schema(minimum = 1, maximum = 50)]
    max_attempts: Option<u32>,
    /// The wait before the second attempt.
    #[schema(minimum = 1, maximum = 86_400_000)]
    initial_backoff_ms: Option<u32>,
    /// The factor by which each further wait grows.
    #[schema(minimum = 1, maximum = 10)]
    multiplier: Option<f64>,
    /// The longest wait.
    #[schema(minimum = 1, maximum = 86_400_000)]
    max_backoff_ms: Option<u32>,
    /// The wait before each attempt after the first.
    #[schema(max_items = 49)]
    schedule_ms: Option<Vec<u32>>,
}

/// Reads a policy. Absent members come from `present` if it has the same shape, and from the default
/// otherwise; `null` stands for the default.
pub(super) fn retry(
    value: &Value<'_>,
    present: Option<&RetryPolicy>,
    faults: &mut Faults,
) -> Option<RetryPolicy> {
    let mut object = value.object(faults)?;
    let waits = object.optional("schedule_ms");
    let fields = Fields::take(&mut object);
    object.finish(faults);
    match (waits, fields.are_given()) {
        (Some(waits), false) => schedule(&waits, faults),
        (Some(waits), true) => {
            let detail =
                "cannot be combined with max_attempts, initial_backoff_ms, multiplier or max_backoff_ms";
            waits.refuse(faults, detail)
        }
        // An empty patch leaves a schedule unchanged.
        (None, false) if present.is_some_and(|policy| policy.as_schedule().is_some()) => present.cloned(),
        (None, _) => fields.over(present.and_then(RetryPolicy::as_exponential), faults),
    }
}

/// The members of a backoff: `None` if absent, `Some(None)` if `null`.
struct Fields<'a> {
    max_attempts: Option<Option<Value<'a>>>,
    initial: Option<Option<Value<'a>>>,
    multiplier: Option<Option<Value<'a>>>,
    max: Option<Option<Value<'a>>>,
}

impl<'a> Fields<'a> {
    fn take(object: &mut Object<'a>) -> Self {
        Self {
            max_attempts: object.patch("max_attempts"),
            initial: object.patch("initial_backoff_ms"),
            multiplier: object.patch("multiplier"),
            max: object.patch("max_backoff_ms"),
        }
    }

    fn are_given(&self) -> bool {
        [&self.max_attempts, &self.initial, &self.multiplier, &self.max].into_iter().any(Option::is_some)
    }

    fn over(&self, present: Option<Parts>, faults: &mut Faults) -> Option<RetryPolicy> {
        // The default policy is a backoff.
        let default = RetryPolicy::default().as_exponential()?;
        let base = present.unwrap_or(default);
        // All four are read before any is required, so that every fault is reported.
        let max_attempts =
            member(&self.max_attempts, base.0, default.0, |value| value.integer(1..=MAX_ATTEMPTS, faults));
        let initial = member(&self.initial, base.1, default.1, |value| wait(value, 1, faults));
        let multiplier = member(&self.multiplier, base.2, default.2, |value| multiplier(value, faults));
        let max = member(&self.max, base.3, default.3, |value| wait(value, 1, faults));
        let (max_attempts, initial, multiplier, max) = (max_attempts?, initial?, multiplier?, max?);
        // A maximum that the body does not set is raised to the initial wait.
        let is_set = matches!(self.max, Some(Some(_)));
        let max = if is_set { max } else { max.max(initial) };
        match RetryPolicy::exponential(max_attempts, initial, multiplier, max) {
            Ok(policy) => Some(policy),
            Err(error) => {
                faults.at(place(error), error);
                None
            }
        }
    }
}

/// Returns a member's value: that of the body, the default for `null`, the present one if it is absent.
fn member<T>(
    member: &Option<Option<Value<'_>>>,
    present: T,
    default: T,
    read: impl FnOnce(&Value<'_>) -> Option<T>,
) -> Option<T> {
    match member {
        None => Some(present),
        Some(None) => Some(default),
        Some(Some(value)) => read(value),
    }
}

fn multiplier(value: &Value<'_>, faults: &mut Faults) -> Option<f64> {
    match value.number(faults)? {
        factor @ 1.0..=10.0 => Some(factor),
        _ => value.refuse(faults, RetryPolicyError::Multiplier),
    }
}

fn schedule(value: &Value<'_>, faults: &mut Faults) -> Option<RetryPolicy> {
    let elements = value.array(MAX_ATTEMPTS as usize, faults)?;
    if elements.len() >= MAX_ATTEMPTS as usize {
        return value.refuse(faults, RetryPolicyError::Schedule);
    }
    let waits: Vec<_> = elements.iter().map(|element| wait(element, 0, faults)).collect();
    match RetryPolicy::schedule(waits.into_iter().collect::<Option<_>>()?) {
        Ok(policy) => Some(policy),
        Err(error) => value.refuse(faults, error),
    }
}

/// Reads whole milliseconds, at most a day.
fn wait(value: &Value<'_>, least_ms: u32, faults: &mut Faults) -> Option<Duration> {
    let milliseconds = value.integer(least_ms..=DAY_MS, faults)?;
    Some(Duration::from_millis(milliseconds.into()))
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
