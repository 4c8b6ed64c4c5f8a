use std::num::NonZeroU32;

use super::*;

fn due(max_in_flight: Option<u32>, rate: Option<f64>) -> DueWebhook {
    DueWebhook {
        id: WebhookId::from_uuid(uuid::Uuid::from_u128(1)),
        max_in_flight: max_in_flight.and_then(NonZeroU32::new),
        rate_limit: rate.and_then(RateLimit::per_second),
        timeout: None,
    }
}

fn shares(default_cap: u32) -> Shares {
    Shares::new(default_cap, 320)
}

/// Sends so many deliveries, one after the other.
fn send(shares: &mut Shares, webhook: WebhookId, count: u32, succeeded: bool) {
    for _ in 0..count {
        shares.claimed(webhook);
        shares.freed(webhook, Some(succeeded));
    }
}

#[test]
fn the_smaller_cap_counts_once_an_endpoint_has_proven_itself() {
    let now = Instant::now();
    for (own, expected) in [(None, 32), (Some(2), 2), (Some(100), 32)] {
        let (mut shares, due) = (shares(32), due(own, None));
        assert_eq!(shares.allowance(&due, now), Allowance::Take(expected.min(FIRST_WINDOW)));
        send(&mut shares, due.id, 100, true);
        assert_eq!(shares.allowance(&due, now), Allowance::Take(expected));
        send(&mut shares, due.id, 10, false);
        assert_eq!(shares.allowance(&due, now), Allowance::Take(expected.min(FIRST_WINDOW)));
    }
}

#[test]
fn those_that_never_answer_hold_half_of_the_pool_at_the_most() {
    let (mut shares, now) = (Shares::new(32, 100), Instant::now());
    let numbered =
        |n: u128| DueWebhook { id: WebhookId::from_uuid(uuid::Uuid::from_u128(n)), ..due(None, None) };
    let good = numbered(0);
    send(&mut shares, good.id, 100, true);
    let mut held = 0;
    for n in 1..=50 {
        let bad = numbered(n);
        while let Allowance::Take(_) = shares.allowance(&bad, now) {
            shares.claimed(bad.id);
            held += 1;
        }
    }
    assert_eq!(held, 50);
    assert_eq!(shares.allowance(&good, now), Allowance::Take(32), "a good one is not affected");
    for n in 1..=50 {
        shares.freed(numbered(n).id, Some(false));
    }
    assert_eq!(shares.unproven_in_flight, 50 - 50.min(held), "every slot is counted back");
}

#[test]
fn what_is_in_flight_is_counted_as_its_webhook_stands() {
    let (mut shares, due) = (shares(32), due(None, None));
    for _ in 0..4 {
        shares.claimed(due.id);
    }
    assert_eq!(shares.unproven_in_flight, 4);
    shares.freed(due.id, Some(true));
    assert_eq!(shares.unproven_in_flight, 0);
    shares.freed(due.id, Some(false));
    assert_eq!(shares.unproven_in_flight, 2);
    shares.freed(due.id, None);
    shares.freed(due.id, Some(true));
    assert_eq!(shares.unproven_in_flight, 0);
}

#[test]
fn a_slot_that_is_freed_can_be_taken_again() {
    let (mut shares, now, due) = (shares(1), Instant::now(), due(None, None));
    assert_eq!(shares.allowance(&due, now), Allowance::Take(1));
    shares.claimed(due.id);
    assert_eq!(shares.allowance(&due, now), Allowance::AtCap);
    shares.freed(due.id, Some(true));
    assert_eq!(shares.allowance(&due, now), Allowance::Take(1));
}

#[test]
fn a_rate_is_kept_over_any_second() {
    let (mut shares, start, due) = (shares(32), Instant::now(), due(None, Some(20.0)));
    let mut sent = Vec::new();
    for millisecond in 0..5_000 {
        let now = start + Duration::from_millis(millisecond);
        if let Allowance::Take(most) = shares.allowance(&due, now) {
            for _ in 0..most {
                shares.claimed(due.id);
                shares.freed(due.id, Some(true));
                sent.push(millisecond);
            }
        }
    }
    assert!((99..=102).contains(&sent.len()), "{}", sent.len());
    for (index, first) in sent.iter().enumerate() {
        let within = sent[index..].iter().take_while(|at| *at - first < 1_000).count();
        assert!(within <= 22, "{within} in the second from {first} ms");
    }
}

#[test]
fn too_fast_says_how_long_to_wait() {
    let (mut shares, now, due) = (shares(32), Instant::now(), due(None, Some(0.5)));
    shares.allowance(&due, now);
    shares.claimed(due.id);
    shares.freed(due.id, Some(true));
    assert_eq!(shares.allowance(&due, now), Allowance::TooFast(Duration::from_secs(2)));
    assert_eq!(shares.allowance(&due, now + Duration::from_secs(2)), Allowance::Take(1));
}

#[test]
fn another_rate_takes_effect_at_once() {
    let (mut shares, now) = (shares(32), Instant::now());
    let (slow, fast) = (due(None, Some(1.0)), due(None, Some(30.0)));
    shares.allowance(&slow, now);
    shares.claimed(slow.id);
    assert!(matches!(shares.allowance(&slow, now), Allowance::TooFast(_)));
    assert_eq!(shares.allowance(&fast, now), Allowance::Take(3));
}
