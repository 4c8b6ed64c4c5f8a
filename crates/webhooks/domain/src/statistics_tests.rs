use super::*;
use crate::{AttemptOutcome, CapturedResponse, FailureReason, HealthEffect, LeaseRef, LeaseToken, Phases};

const AT: Timestamp = Timestamp::from_millis(1_736_937_000_000);

fn settlement(settled: Settled, number: u32, trigger: Trigger, outcome: AttemptOutcome) -> Settlement {
    Settlement {
        lease: LeaseRef { delivery: DeliveryId::from_parts(AT, [1; 10]), token: LeaseToken::new(1) },
        settled,
        attempt: Some(Attempt {
            number,
            trigger,
            started_at: AT + Duration::from_secs(2),
            duration: Duration::from_millis(100),
            phases: Phases::default(),
            signature: String::new(),
            outcome,
        }),
        gone: None,
        health: HealthEffect::None,
    }
}

fn answered(status: u16) -> AttemptOutcome {
    AttemptOutcome::answered(CapturedResponse { status, ..CapturedResponse::default() })
}

#[test]
fn every_settlement_is_counted() {
    let mut sums = Counters::default();
    let retry = Settled::RetryAfter(Duration::ZERO);
    sums.settled(&settlement(retry, 1, Trigger::Automatic, answered(500)));
    sums.settled(&settlement(retry, 2, Trigger::Automatic, AttemptOutcome::failed(FailureClass::Dns, "")));
    sums.settled(&settlement(Settled::Succeeded, 3, Trigger::Automatic, answered(200)));
    sums.settled(&settlement(Settled::Succeeded, 4, Trigger::Manual, answered(200)));
    let given_up = Settled::Failed(FailureReason::Abandoned);
    sums.settled(&Settlement { attempt: None, ..settlement(given_up, 1, Trigger::Manual, answered(200)) });
    sums.abandoned();

    assert_eq!((sums.succeeded, sums.failed, sums.cancelled, sums.retries), (2, 1, 0, 2));
    assert_eq!((sums.attempts.succeeded(), sums.attempts.total()), (2, 5));
    let failed: Vec<_> = sums.attempts.failed().filter(|(_, count)| *count > 0).collect();
    let expected = [(FailureClass::Dns, 1), (FailureClass::Status, 1), (FailureClass::Abandoned, 1)];
    assert_eq!(failed, expected);
    assert_eq!(sums.latency.total(), 2);
    assert_eq!(sums.time_to_success.total(), 1, "a redelivery says nothing about the time to success");
    let took = sums.time_to_success.quantile(0.5).unwrap();
    assert!(took.abs_diff(Duration::from_millis(2_100)) < Duration::from_millis(263), "{took:?}");
    assert_eq!(sums.success_rate(), Some(2.0 / 3.0));
}

#[test]
fn sums_add_up_and_their_counts_round_trip() {
    let mut one = Counters { cancelled: 1, ..Counters::default() };
    one.settled(&settlement(Settled::Succeeded, 1, Trigger::Automatic, answered(200)));
    let mut both = one.clone();
    both.add(&one);
    assert_eq!((both.succeeded, both.cancelled, both.attempts.total()), (2, 2, 2));
    assert_eq!((both.latency.total(), both.time_to_success.total()), (2, 2));
    assert_eq!(AttemptCounts::from_counts(both.attempts.counts()), both.attempts);
    assert_eq!(AttemptCounts::from_counts([3]).total(), 3);
    assert_eq!(Counters::default().success_rate(), None);
}

#[test]
fn a_window_is_a_number_of_minutes_hours_or_days() {
    let minutes = |text: &str| text.parse::<StatisticsWindow>().map(|window| window.0.as_secs() / 60);
    for (text, expected) in [("5m", 5), ("90m", 90), ("1h", 60), ("24h", 1_440), ("7d", 10_080)] {
        assert_eq!(minutes(text), Ok(expected), "{text}");
    }
    let faulty =
        ["", "h", "1", "1s", "4m", "0d", "-1h", "+1h", "1.5h", " 1h", "1H", "1é", "99999999999999999999d"];
    for text in faulty.into_iter().chain(["9223372036854775807d"]) {
        assert_eq!(minutes(text), Err(StatisticsWindowError), "{text}");
    }
}

#[test]
fn a_span_begins_with_a_whole_bucket_after_its_bound() {
    let at = |text: &str| text.parse::<Timestamp>().unwrap();
    let now = at("2025-01-15T10:33:20Z");
    let window = |text: &str| text.parse::<StatisticsWindow>().unwrap();
    let hour = window("1h").span(now, None);
    assert_eq!((hour.bucket, hour.since, hour.until), (Bucket::FiveMinutes, at("2025-01-15T09:30:00Z"), now));
    let week = window("7d").span(now, None);
    assert_eq!((week.bucket, week.since), (Bucket::Hour, at("2025-01-08T10:00:00Z")));

    let bound = |text| Some(at(text));
    let since = window("1h").span(now, bound("2025-01-15T10:00:00Z")).since;
    assert_eq!(since, at("2025-01-15T10:05:00Z"), "the bucket of the bound contains earlier data");
    assert_eq!(window("1h").span(now, bound("2025-01-15T08:00:00Z")).since, hour.since);
    assert_eq!(window("7d").span(now, bound("2025-01-15T10:30:00Z")).since, now);
}

#[test]
fn a_backlog_is_counted_up_to_a_limit() {
    assert_eq!(Backlog::of(10_000, None), Backlog { count: 10_000, has_more: false, oldest: None });
    assert_eq!(Backlog::of(10_001, None), Backlog { count: 10_000, has_more: true, oldest: None });
}
