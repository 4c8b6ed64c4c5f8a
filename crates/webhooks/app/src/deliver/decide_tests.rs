use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use rdev_webhooks_domain::{CapturedResponse, DeliveryId, DeliveryTarget, EventId, LeaseRef, LeaseToken};
use rdev_webhooks_testkit::{SeededEntropy, samples};

use super::*;

const SOON: Duration = Duration::from_millis(5);
const NOW: Timestamp = Timestamp::from_millis(1_736_937_000_000);

fn leased(trigger: Trigger, automatic_attempts: u32, resumes: bool) -> LeasedDelivery {
    let entropy = SeededEntropy::new(1);
    let webhook = samples::webhook(&entropy, NOW);
    let event_id = EventId::from_parts(NOW, [1; 10]);
    let delivery = DeliveryId::derive(event_id, webhook.id);
    LeasedDelivery {
        lease: LeaseRef { delivery, token: LeaseToken::new(1) },
        event_id,
        event_type: "command.completed".parse().unwrap(),
        project: None,
        body: Bytes::new(),
        traceparent: None,
        attempt: automatic_attempts,
        automatic_attempts,
        abandoned_count: 0,
        trigger,
        resumes,
        overdue: Duration::ZERO,
        claimed_at: NOW,
        target: Arc::new(DeliveryTarget {
            webhook_id: webhook.id,
            version: 1,
            url: webhook.settings.url,
            headers: webhook.settings.headers,
            secrets: samples::secrets(&entropy),
            retry: webhook.settings.retry,
            timeout: None,
            format: webhook.settings.format,
        }),
    }
}

fn answered(status: u16, headers: &[(&str, &str)]) -> AttemptOutcome {
    let headers = headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    AttemptOutcome::answered(CapturedResponse { status, headers, ..CapturedResponse::default() })
}

fn automatic(attempt: u32, outcome: &AttemptOutcome) -> Settled {
    decide(&leased(Trigger::Automatic, attempt, false), outcome, SOON, NOW, 0.0).settled
}

#[test]
fn only_2xx_succeeds() {
    for status in [200, 201, 204, 299] {
        assert_eq!(automatic(1, &answered(status, &[])), Settled::Succeeded, "{status}");
    }
    for status in [100, 199, 300, 301, 302, 304, 400, 404, 500, 599] {
        assert!(matches!(automatic(1, &answered(status, &[])), Settled::RetryAfter(_)), "{status}");
    }
}

#[test]
fn the_delivery_fails_after_the_last_attempt_of_its_policy() {
    let failed = answered(500, &[]);
    assert_eq!(automatic(1, &failed), Settled::RetryAfter(Duration::from_secs(5)));
    assert_eq!(automatic(2, &failed), Settled::RetryAfter(Duration::from_secs(10)));
    assert_eq!(automatic(3, &failed), Settled::Failed(FailureReason::AttemptsExhausted));
}

#[test]
fn a_410_fails_the_delivery_and_disables_the_webhook() {
    let decision = decide(&leased(Trigger::Automatic, 1, false), &answered(410, &[]), SOON, NOW, 0.0);
    let settled = Settled::Failed(FailureReason::Gone);
    assert_eq!(decision, Decision { settled, gone: true, health: HealthEffect::Rejected });
}

#[test]
fn an_attempt_counts_for_health_whatever_its_trigger() {
    for trigger in [Trigger::Automatic, Trigger::Manual, Trigger::Replay] {
        let effect =
            |outcome: &AttemptOutcome| decide(&leased(trigger, 1, false), outcome, SOON, NOW, 0.0).health;
        assert_eq!(effect(&answered(200, &[])), HealthEffect::Succeeded);
        assert_eq!(effect(&answered(404, &[])), HealthEffect::Rejected);
        assert_eq!(effect(&answered(503, &[])), HealthEffect::Unavailable);
    }
}

#[test]
fn a_refused_destination_fails_at_once() {
    let refused = AttemptOutcome::failed(FailureClass::RefusedDestination, "no");
    assert_eq!(automatic(1, &refused), Settled::Failed(FailureReason::RefusedDestination));
}

#[test]
fn a_failed_redelivery_is_not_retried() {
    let failed = answered(500, &[]);
    for trigger in [Trigger::Manual, Trigger::Replay] {
        let alone = decide(&leased(trigger, 1, false), &failed, SOON, NOW, 0.0).settled;
        assert_eq!(alone, Settled::Failed(FailureReason::RedeliveryFailed));
        let before_a_retry = decide(&leased(trigger, 1, true), &failed, SOON, NOW, 0.0).settled;
        assert_eq!(before_a_retry, Settled::Resumed);
    }
}

#[test]
fn retry_after_only_lengthens_a_wait_and_at_most_to_a_day() {
    let asked = |seconds| automatic(1, &answered(503, &[("retry-after", seconds)]));
    assert_eq!(asked("60"), Settled::RetryAfter(Duration::from_secs(60)));
    assert_eq!(asked("1"), Settled::RetryAfter(Duration::from_secs(5)));
    assert_eq!(asked("99999999"), Settled::RetryAfter(Duration::from_secs(24 * 60 * 60)));
}

proptest! {
    #[test]
    fn a_retry_is_never_early_and_at_most_a_tenth_late(attempt in 1..3_u32, jitter in 0.0..=1.0_f64) {
        let leased = leased(Trigger::Automatic, attempt, false);
        let backoff = leased.target.retry.backoff_after(attempt).unwrap();
        let timeout = AttemptOutcome::failed(FailureClass::Timeout, "late");
        match decide(&leased, &timeout, SOON, NOW, jitter).settled {
            Settled::RetryAfter(wait) => prop_assert!(wait >= backoff && wait <= backoff.mul_f64(1.1)),
            other => prop_assert!(false, "{other:?}"),
        }
    }
}
