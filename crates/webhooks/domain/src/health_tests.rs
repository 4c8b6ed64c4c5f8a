use proptest::prelude::*;

use super::*;
use crate::CapturedResponse;

const NOW: Timestamp = Timestamp::from_millis(1_736_937_000_000);
const SOON: Duration = Duration::from_millis(5);
const LEASE: Duration = Duration::from_secs(45);

fn began() -> Timestamp {
    NOW - OPEN_AFTER_FAILING_FOR
}

/// Returns the health after this many failures, the first long enough ago.
fn failing(times: u32) -> Health {
    let mut health = Health::default();
    for n in 0..times {
        health.failed(1, if n == 0 { began() } else { NOW });
    }
    health
}

#[test]
fn a_burst_of_failures_opens_nothing() {
    let mut health = Health::default();
    health.failed(100, NOW);
    let soon = NOW + OPEN_AFTER_FAILING_FOR - Duration::from_millis(1);
    health.failed(100, soon);
    assert_eq!(health.circuit(soon), Circuit::Closed);
    health.failed(1, NOW + OPEN_AFTER_FAILING_FOR);
    assert_ne!(health.circuit(NOW + OPEN_AFTER_FAILING_FOR), Circuit::Closed);
}

#[test]
fn the_last_of_enough_failures_in_a_row_opens() {
    let before = failing(OPEN_AFTER - 1);
    assert_eq!((before.circuit(NOW), before.failing_since), (Circuit::Closed, Some(began())));
    let health = failing(OPEN_AFTER);
    assert_eq!(health.circuit(NOW), Circuit::Open { until: NOW + FIRST_OPEN });
    assert_eq!(health.circuit(NOW + FIRST_OPEN), Circuit::HalfOpen);
}

#[test]
fn failures_while_it_is_open_only_count() {
    let mut health = failing(OPEN_AFTER);
    let opened = health;
    health.failed(3, NOW + Duration::from_secs(1));
    let last_failed_at = health.last_failed_at;
    assert_eq!(health, Health { consecutive_failures: OPEN_AFTER + 3, last_failed_at, ..opened });
}

#[test]
fn each_failed_probe_doubles_the_wait_up_to_five_minutes() {
    let mut health = failing(OPEN_AFTER);
    let mut now = NOW;
    for seconds in [10, 20, 40, 80, 160, 300, 300] {
        now = health.open_until.unwrap();
        assert_eq!(health.circuit(now), Circuit::HalfOpen);
        health.probe(now, LEASE);
        assert_eq!(health.circuit(now), Circuit::Open { until: now + LEASE });
        now = now + Duration::from_secs(15);
        health.failed(1, now);
        assert_eq!(health.circuit(now), Circuit::Open { until: now + Duration::from_secs(seconds) });
    }
    assert_eq!(health.failing_since, Some(began()));
    health.succeeded();
    assert_eq!((health, health.circuit(now)), (Health::default(), Circuit::Closed));
}

#[test]
fn a_rejected_probe_lets_the_next_follow() {
    let mut health = failing(OPEN_AFTER);
    let now = NOW + FIRST_OPEN;
    health.probe(now, LEASE);
    health.rejected(now);
    assert_eq!(health.circuit(now), Circuit::HalfOpen);
    assert_eq!((health.open_count, health.consecutive_failures), (1, OPEN_AFTER));
}

#[test]
fn a_probe_without_a_result_is_followed_by_another_after_its_lease() {
    let mut health = failing(OPEN_AFTER);
    let now = NOW + FIRST_OPEN;
    health.probe(now, LEASE);
    assert_eq!(health.circuit(now + LEASE), Circuit::HalfOpen);
}

#[test]
fn outcomes_are_classified() {
    let answered = |status| {
        HealthEffect::of(
            &AttemptOutcome::answered(CapturedResponse { status, ..CapturedResponse::default() }),
            SOON,
        )
    };
    for (status, effect) in [
        (204, HealthEffect::Succeeded),
        (302, HealthEffect::Rejected),
        (400, HealthEffect::Rejected),
        (404, HealthEffect::Rejected),
        (410, HealthEffect::Rejected),
        (429, HealthEffect::Unavailable),
        (500, HealthEffect::Unavailable),
        (599, HealthEffect::Unavailable),
    ] {
        assert_eq!(answered(status), effect, "{status}");
    }
    use FailureClass as C;
    for class in [C::Dns, C::Connect, C::Tls, C::Timeout, C::Reset, C::Protocol] {
        assert_eq!(HealthEffect::of(&AttemptOutcome::failed(class, ""), SOON), HealthEffect::Unavailable);
    }
    let refused = AttemptOutcome::failed(C::RefusedDestination, "");
    assert_eq!(HealthEffect::of(&refused, SOON), HealthEffect::Rejected);
    assert_eq!(HealthEffect::of(&AttemptOutcome::failed(C::Abandoned, ""), SOON), HealthEffect::None);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Record { succeeded: bool, rejected: bool, unavailable: u32 },
    Probe,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let record = (prop::bool::weighted(0.1), any::<bool>(), 0..8_u32);
    let step = prop_oneof![
        4 => record.prop_map(|(succeeded, rejected, unavailable)| Step::Record { succeeded, rejected, unavailable }),
        1 => Just(Step::Probe),
        1 => (0..400_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..80)
}

proptest! {
    #[test]
    fn the_fields_agree_after_any_steps(steps in steps()) {
        let (mut health, mut now) = (Health::default(), NOW);
        for step in steps {
            let before = health;
            match step {
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::Probe if health.circuit(now) == Circuit::HalfOpen => {
                    health.probe(now, LEASE);
                    prop_assert_eq!(health.circuit(now), Circuit::Open { until: now + LEASE });
                    prop_assert_eq!(health.open_count, before.open_count);
                }
                Step::Probe => {}
                Step::Record { succeeded, rejected, unavailable } => {
                    let tally = Tally { succeeded, rejected, unavailable, silent: false };
                    health.record(tally, now);
                    if succeeded {
                        prop_assert_eq!(health, Health::default());
                    } else if tally != Tally::default() {
                        prop_assert_eq!(health.failing_since, before.failing_since.or(Some(now)));
                        prop_assert_eq!(health.consecutive_failures, before.consecutive_failures + unavailable);
                        prop_assert!(health.open_count - before.open_count <= 1);
                    } else {
                        prop_assert_eq!(health, before);
                    }
                }
            }
            // The circuit is open if, and only if, there was a reason, and never forever.
            prop_assert!(health.open_count == 0 || health.consecutive_failures >= OPEN_AFTER);
            prop_assert_eq!(health.open_count > 0, health.open_until.is_some());
            prop_assert!(health.open_until.is_none_or(|until| until <= now + LONGEST_OPEN.max(LEASE)));
            prop_assert!(health.open_count == 0 || health.failing_since.is_some());
        }
    }

    #[test]
    fn a_batch_without_a_success_counts_like_its_attempts_one_by_one(
        start in 0..60_u32, probing: bool, rejected: bool, unavailable in 0..30_u32,
    ) {
        let mut together = failing(start);
        let now = NOW + FIRST_OPEN;
        if probing && together.circuit(now) == Circuit::HalfOpen {
            together.probe(now, LEASE);
        }
        let mut apart = together;
        together.record(Tally { rejected, unavailable, ..Tally::default() }, now);
        if rejected {
            apart.rejected(now);
        }
        for _ in 0..unavailable {
            apart.failed(1, now);
        }
        prop_assert_eq!(together, apart);
    }
}

#[test]
fn a_webhook_has_failed_for_long_only_if_it_also_failed_recently() {
    let day = Duration::from_secs(24 * 60 * 60);
    let mut health = Health::default();
    assert!(!health.has_failed_for(day * 5, NOW + day * 10));
    health.failed(1, NOW);
    assert!(!health.has_failed_for(day * 5, NOW + day * 10), "it failed only once");
    health.rejected(NOW + day * 3);
    assert!(!health.has_failed_for(day * 5, NOW + day * 4), "it has not failed for long enough");
    assert!(health.has_failed_for(day * 5, NOW + day * 5));
}

#[test]
fn only_a_slow_failure_is_silent() {
    let of = |class, duration| HealthEffect::of(&AttemptOutcome::failed(class, "no"), duration);
    assert_eq!(of(FailureClass::Timeout, SILENT_AFTER), HealthEffect::Unavailable);
    assert_eq!(of(FailureClass::Timeout, SILENT_AFTER * 2), HealthEffect::Silent);
    assert_eq!(of(FailureClass::RefusedDestination, SILENT_AFTER * 2), HealthEffect::Rejected);
    assert_eq!(of(FailureClass::Abandoned, SILENT_AFTER * 2), HealthEffect::None);
}
