//! The third step: how the delivery goes on.

use std::time::Duration;

use rdev_webhooks_domain::{
    AttemptOutcome, FailureClass, FailureReason, HealthEffect, LeasedDelivery, RetryPolicy, Settled,
    Timestamp, Trigger,
};

use super::retry_after::retry_after;

/// Jitter adds up to this part of a wait, so that deliveries that failed together do not come back
/// together.
const MAX_JITTER: f64 = 0.1;

/// How a delivery goes on after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision {
    /// What becomes of the delivery.
    pub settled: Settled,
    /// Whether the webhook is to be disabled because its endpoint is gone for good.
    pub gone: bool,
    /// What the attempt says of the endpoint.
    pub health: HealthEffect,
}

/// Decides by the outcome, the webhook's policy and what the endpoint asks for. `now` is when the
/// outcome came in, by the store's clock, after `duration`; `jitter` is a random fraction, 0 to 1.
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
