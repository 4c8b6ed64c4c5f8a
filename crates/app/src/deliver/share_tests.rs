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

#[test]
fn the_smaller_cap_counts() {
    let now = Instant::now();
    for (own, expected) in [(None, 32), (Some(2), 2), (Some(100), 32)] {
        assert_eq!(Shares::new(32).allowance(&due(own, None), now), Allowance::Take(expected));
    }
}

#[test]
fn a_slot_that_is_freed_can_be_taken_again() {
    let (mut shares, now, due) = (Shares::new(1), Instant::now(), due(None, None));
    assert_eq!(shares.allowance(&due, now), Allowance::Take(1));
    shares.claimed(due.id);
    assert_eq!(shares.allowance(&due, now), Allowance::AtCap);
    shares.freed(due.id);
    assert!(shares.loads.is_empty(), "an idle webhook is forgotten");
    assert_eq!(shares.allowance(&due, now), Allowance::Take(1));
}

#[test]
fn a_rate_is_kept_over_any_second() {
    let (mut shares, start, due) = (Shares::new(32), Instant::now(), due(None, Some(20.0)));
    let mut sent = Vec::new();
    for millisecond in 0..5_000 {
        let now = start + Duration::from_millis(millisecond);
        if let Allowance::Take(most) = shares.allowance(&due, now) {
            for _ in 0..most {
                shares.claimed(due.id);
                shares.freed(due.id);
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
    let (mut shares, now, due) = (Shares::new(32), Instant::now(), due(None, Some(0.5)));
    shares.allowance(&due, now);
    shares.claimed(due.id);
    shares.freed(due.id);
    assert_eq!(shares.allowance(&due, now), Allowance::TooFast(Duration::from_secs(2)));
    assert_eq!(shares.allowance(&due, now + Duration::from_secs(2)), Allowance::Take(1));
}

#[test]
fn another_rate_takes_effect_at_once() {
    let (mut shares, now) = (Shares::new(32), Instant::now());
    let (slow, fast) = (due(None, Some(1.0)), due(None, Some(100.0)));
    shares.allowance(&slow, now);
    shares.claimed(slow.id);
    assert!(matches!(shares.allowance(&slow, now), Allowance::TooFast(_)));
    assert_eq!(shares.allowance(&fast, now), Allowance::Take(10));
}
