use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_736_937_000_000);
const LEASE: Duration = Duration::from_secs(45);

fn token(n: i64) -> LeaseToken {
    LeaseToken::new(n)
}

fn claimed() -> Progress {
    let mut progress = Progress::new(START);
    assert_eq!(progress.claim(token(1), START, LEASE), None);
    progress
}

fn retrying() -> Progress {
    let mut progress = claimed();
    let wait = Settled::RetryAfter(Duration::from_secs(5));
    assert_eq!(progress.settle(token(1), wait, START, false), Ok(None));
    progress
}

#[test]
fn a_new_delivery_is_pending_and_due() {
    let progress = Progress::new(START);
    assert_eq!(progress.state(START), DeliveryState::Pending { due_at: START });
    assert_eq!(progress.claimable_at(), START);
}

#[test]
fn a_claimed_delivery_is_in_flight_until_its_lease_ends() {
    let progress = claimed();
    assert_eq!(progress.state(START), DeliveryState::InFlight { lease_expires_at: START + LEASE });
    assert_eq!(progress.claimable_at(), START + LEASE);
    assert_eq!(progress.state(START + LEASE).status(), DeliveryStatus::Retrying);
}

#[test]
fn cancel_takes_a_waiting_delivery_and_refuses_one_in_flight() {
    let called_off = DeliveryState::Cancelled { at: START, reason: CancelReason::Requested };
    assert_eq!(Progress::new(START).cancel(START), Ok((called_off, None)));
    assert_eq!(retrying().cancel(START), Ok((called_off, None)));
    assert_eq!(claimed().cancel(START), Err(InFlight));
    let (_, abandoned) = claimed().cancel(START + LEASE).unwrap();
    let lost = AbandonedAttempt { number: 1, trigger: Trigger::Automatic, started_at: START };
    assert_eq!(abandoned, Some(lost));
}

#[test]
fn a_retry_waits_from_when_the_failure_was_recorded() {
    let due_at = START + Duration::from_secs(5);
    assert_eq!(retrying().state(START), DeliveryState::Retrying { due_at });
}

#[test]
fn an_abandoned_attempt_costs_no_retry() {
    let mut progress = claimed();
    let abandoned = progress.claim(token(2), START + LEASE, LEASE);
    let expected = AbandonedAttempt { number: 1, trigger: Trigger::Automatic, started_at: START };
    assert_eq!(abandoned, Some(expected));
    assert_eq!((progress.attempts, progress.automatic_attempts, progress.abandoned_count), (2, 1, 1));
}

#[test]
fn a_lost_lease_changes_nothing() {
    let mut progress = claimed();
    progress.claim(token(2), START + LEASE, LEASE);
    let before = progress;
    assert_eq!(progress.settle(token(1), Settled::Succeeded, START, false), Err(LeaseLost));
    assert_eq!(progress.release(token(1)), Err(LeaseLost));
    assert_eq!(progress, before);
}

#[test]
fn a_redelivery_does_not_move_the_automatic_retry() {
    let mut progress = retrying();
    let retry_at = progress.due_at;
    let now = START + Duration::from_secs(1);
    progress.redeliver(Trigger::Manual, now).unwrap();
    assert_eq!(progress.claimable_at(), now);
    progress.claim(token(2), now, LEASE);
    assert_eq!((progress.attempts, progress.automatic_attempts), (2, 1));
    assert_eq!(progress.settle(token(2), Settled::Resumed, now, false), Ok(None));
    assert_eq!(progress.state(now), DeliveryState::Retrying { due_at: retry_at });
    assert_eq!(progress.trigger, Trigger::Automatic);
}

#[test]
fn a_second_redelivery_keeps_the_automatic_retry() {
    let mut progress = retrying();
    let retry_at = progress.due_at;
    progress.redeliver(Trigger::Manual, START).unwrap();
    progress.redeliver(Trigger::Manual, START + Duration::from_secs(1)).unwrap();
    assert_eq!(progress.deferred_until, Some(retry_at));
    assert_eq!(progress.due_at, START);
}

#[test]
fn a_redelivery_is_refused_in_flight() {
    assert_eq!(claimed().redeliver(Trigger::Manual, START), Err(InFlight));
}

#[test]
fn a_delivery_of_a_deleted_webhook_does_not_continue() {
    let wait = Settled::RetryAfter(Duration::ZERO);
    let cancelled = DeliveryState::Cancelled { at: START, reason: CancelReason::WebhookDeleted };
    assert_eq!(claimed().settle(token(1), wait, START, true), Ok(Some(cancelled)));
    let succeeded = DeliveryState::Succeeded { at: START };
    assert_eq!(claimed().settle(token(1), Settled::Succeeded, START, true), Ok(Some(succeeded)));
}

#[test]
fn every_name_round_trips() {
    for status in DeliveryStatus::ALL {
        assert_eq!(DeliveryStatus::parse(status.as_str()), Some(*status));
    }
    assert_eq!(DeliveryStatus::parse("Pending"), None);
}

#[derive(Debug, Clone, Copy)]
enum Step {
    Claim,
    Release { stale: bool },
    Retry { stale: bool },
    Redeliver,
    Wait(u64),
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        Just(Step::Claim),
        any::<bool>().prop_map(|stale| Step::Release { stale }),
        any::<bool>().prop_map(|stale| Step::Retry { stale }),
        Just(Step::Redeliver),
        (0..60_u64).prop_map(Step::Wait),
    ];
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn invariants_hold_after_any_steps(steps in steps()) {
        let mut progress = Progress::new(START);
        let mut now = START;
        let mut last = 0;
        let mut settled_automatic = 0;
        for step in steps {
            let before = progress;
            let held = |stale: bool| token(if stale { -1 } else { last });
            match step {
                Step::Wait(seconds) => now = now + Duration::from_secs(seconds),
                Step::Claim if progress.claimable_at() <= now => {
                    last += 1;
                    progress.claim(token(last), now, LEASE);
                    prop_assert_eq!(progress.attempts, before.attempts + 1);
                    prop_assert!(progress.claimable_at() > now);
                }
                Step::Claim => {}
                Step::Release { stale } => {
                    if progress.release(held(stale)).is_ok() {
                        prop_assert!(!stale && progress.claimable_at() <= now);
                        prop_assert_eq!(progress.attempts + 1, before.attempts);
                    } else {
                        prop_assert_eq!(progress, before);
                    }
                }
                Step::Retry { stale } => {
                    let settled = match progress.deferred_until {
                        Some(_) => Settled::Resumed,
                        None => Settled::RetryAfter(Duration::from_secs(5)),
                    };
                    if progress.settle(held(stale), settled, now, false).is_ok() {
                        prop_assert!(!stale && progress.lease.is_none());
                        settled_automatic += u32::from(before.trigger == Trigger::Automatic);
                        prop_assert_eq!(progress.trigger, Trigger::Automatic);
                    } else {
                        prop_assert_eq!(progress, before);
                    }
                }
                Step::Redeliver => {
                    let leased = matches!(progress.state(now), DeliveryState::InFlight { .. });
                    prop_assert_eq!(progress.redeliver(Trigger::Manual, now).is_err(), leased);
                }
            }
            // A retry is never lost behind a requested attempt, and never counted twice.
            if before.deferred_until.is_some() && progress.deferred_until.is_none() {
                prop_assert_eq!(Some(progress.due_at), before.deferred_until);
            }
            let open = u32::from(progress.lease.is_some() && progress.trigger == Trigger::Automatic);
            prop_assert_eq!(progress.automatic_attempts, settled_automatic + open);
        }
    }
}
