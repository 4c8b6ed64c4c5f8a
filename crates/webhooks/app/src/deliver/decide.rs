//! The third step: the next state of the delivery.

use std::time::Duration;

use rdev_webhooks_domain::{
    AttemptOutcome, FailureClass, FailureReason, HealthEffect, LeasedDelivery, RetryPolicy, Settled,
    Timestamp, Trigger,
};

use super::retry_after::retry_after;

/// Maximum jitter as a fraction of a wait, so that deliveries that failed together are not retried together.
const MAX_JITTER: f64 = 0.1;

/// What happens to a delivery and its webhook after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// The next state of the delivery.
    pub settled: Settled,
    /// True if the webhook must be disabled because its endpoint is gone (410).
    pub gone: bool,
    /// The effect of the attempt on the endpoint's health.
    pub health: HealthEffect,
}

/// Decides by the outcome, the webhook's retry policy and the endpoint's `Retry-After`. `now` is the time of
/// the outcome by the store's clock, `duration` the length of the attempt, `jitter` a random fraction, 0 to
/// 1.
#[must_use]
pub fn decide(
    leased: &LeasedDelivery,
    outcome: &AttemptOutcome,
    duration: Duration,
    now: Timestamp,
    jitter: f64,
) -> Decision {
    let gone = outcome.status() == Some(410);
    let settled = match &outcome.failure {
        None => Settled::Succeeded,
        Some(_) if gone => Settled::Failed(FailureReason::Gone),
        Some(failure) if failure.class == FailureClass::RefusedDestination => {
            Settled::Failed(FailureReason::RefusedDestination)
        }
        Some(_) if leased.trigger == Trigger::Automatic => after_failure(leased, outcome, now, jitter),
        Some(_) if leased.resumes => Settled::Resumed,
        Some(_) => Settled::Failed(FailureReason::RedeliveryFailed),
    };
    Decision { settled, gone, health: HealthEffect::of(outcome, duration) }
}

fn after_failure(leased: &LeasedDelivery, outcome: &AttemptOutcome, now: Timestamp, jitter: f64) -> Settled {
    let Some(backoff) = leased.target.retry.backoff_after(leased.automatic_attempts) else {
        return Settled::Failed(FailureReason::AttemptsExhausted);
    };
    let wait = backoff.mul_f64(1.0 + MAX_JITTER * jitter.clamp(0.0, 1.0));
    let asked = outcome.response.as_ref().and_then(|response| retry_after(response, now));
    let asked = asked.unwrap_or_default().min(RetryPolicy::MAX_BACKOFF);
    Settled::RetryAfter(wait.max(asked))
}

#[cfg(test)]
#[path = "decide_tests.rs"]
mod tests;
