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
fn send(shares: &mut Shares, webhook: WebhookId, count: u32, experience: Experience) {
    for _ in 0..count {
        shares.claimed(webhook);
        shares.freed(webhook, Some(experience));
    }
}

fn numbered(n: u128) -> DueWebhook {
    DueWebhook { id: WebhookId::from_uuid(uuid::Uuid::from_u128(n)), ..due(None, None) }
}

/// One claim of all of these, with so many slots free; says how much each got.
fn claim(shares: &mut Shares, webhooks: &[DueWebhook], free: usize) -> Vec<u32> {
    let now = Instant::now();
    let mut wanted = Vec::new();
    for webhook in webhooks {
        let most = match shares.allowance(webhook, now) {
            Allowance::Take(most) => most,
            _ => 0,
        };
        wanted.push((webhook.id, most));
    }
    let takes = shares.ration(&wanted, free);
    for (webhook, take) in webhooks.iter().zip(&takes) {
        (0..*take).for_each(|_| shares.claimed(webhook.id));
    }
    takes
}

#[test]
fn the_smaller_cap_counts_once_an_endpoint_has_proven_itself() {
    let now = Instant::now();
    for (own, expected) in [(None, 32), (Some(2), 2), (Some(100), 32)] {
        let (mut shares, due) = (shares(32), due(own, None));
        assert_eq!(shares.allowance(&due, now), Allowance::Take(expected.min(FIRST_WINDOW)));
        send(&mut shares, due.id, 100, Experience::Quick);
        assert_eq!(shares.allowance(&due, now), Allowance::Take(expected));
        send(&mut shares, due.id, 10, Experience::Failed);
        assert_eq!(shares.allowance(&due, now), Allowance::Take(expected.min(FIRST_WINDOW)));
    }
}

#[test]
fn those_that_never_answer_hold_half_of_the_pool_at_the_most() {
    let mut shares = Shares::new(32, 320);
    let good = numbered(0);
    send(&mut shares, good.id, 100, Experience::Quick);
    let bad: Vec<_> = (1..=80).map(numbered).collect();
    let takes = claim(&mut shares, &bad, 320);
    assert_eq!((takes.iter().sum::<u32>(), takes.iter().max()), (160, Some(&2)), "an even part each");
    assert_eq!(claim(&mut shares, &bad, 160).iter().sum::<u32>(), 0);
    assert_eq!(claim(&mut shares, &[good], 160), [32], "a good one is not affected");
    // One that comes back makes room for one, not for one each.
    shares.freed(bad[7].id, Some(Experience::Failed));
    assert_eq!(claim(&mut shares, &bad, 129).iter().sum::<u32>(), 1);
    for webhook in &bad {
        while shares.loads[&webhook.id].in_flight > 0 {
            shares.freed(webhook.id, Some(Experience::Failed));
        }
    }
    assert_eq!(shares.unproven_in_flight, 0, "every slot is counted back");
}

#[test]
fn those_that_take_their_time_hold_half_of_the_pool_at_the_most() {
    let mut shares = Shares::new(32, 320);
    let slow: Vec<_> = (1..=20).map(numbered).collect();
    for webhook in &slow {
        send(&mut shares, webhook.id, 100, Experience::Slow);
    }
    assert_eq!(claim(&mut shares, &slow, 320), [8; 20], "though each may have 32 in flight");
    send(&mut shares, numbered(0).id, 100, Experience::Quick);
    assert_eq!(claim(&mut shares, &[numbered(0)], 160), [32]);
}

#[test]
fn what_is_free_goes_to_those_that_hold_least() {
    let mut shares = Shares::new(32, 64);
    let (one, other, third) = (numbered(1), numbered(2), numbered(3));
    for webhook in [one, other, third] {
        send(&mut shares, webhook.id, 100, Experience::Quick);
    }
    assert_eq!(claim(&mut shares, &[one, other], 64), [32, 32]);
    // The pool is full. Whoever has nothing gets what comes free, until all have as much.
    for freed in 1..=40 {
        let busier = if freed % 2 == 0 { one } else { other };
        shares.freed(busier.id, Some(Experience::Quick));
        let takes = claim(&mut shares, &[one, other, third], 1);
        assert_eq!(takes.iter().sum::<u32>(), 1);
        if freed <= 21 {
            assert_eq!(takes[2], 1, "{freed}");
        }
    }
    let held = [one, other, third].map(|webhook| shares.loads[&webhook.id].in_flight);
    assert_eq!(held.iter().sum::<u32>(), 64);
    assert!(held.iter().all(|held| (21..=22).contains(held)), "{held:?}");
}

#[test]
fn the_ones_that_are_forgotten_are_idle_and_were_served_longest_ago() {
    let (mut shares, now) = (shares(32), Instant::now());
    let limited = DueWebhook { rate_limit: RateLimit::per_second(0.01), ..numbered(0) };
    assert_eq!(shares.allowance(&limited, now), Allowance::Take(1));
    send(&mut shares, limited.id, 1, Experience::Quick);
    for n in 1..=MAX_REMEMBERED as u128 {
        send(&mut shares, numbered(n).id, 1, Experience::Quick);
    }
    shares.forget_idle(now);
    assert_eq!(shares.loads.len(), MAX_REMEMBERED + 1 - FORGOTTEN);
    assert!(shares.loads.contains_key(&numbered(MAX_REMEMBERED as u128).id));
    assert!(!shares.loads.contains_key(&numbered(1).id));
    assert!(matches!(shares.allowance(&limited, now), Allowance::TooFast(_)), "its rate is remembered");
}

#[test]
fn what_is_in_flight_is_counted_as_its_webhook_stands() {
    let (mut shares, due) = (shares(32), due(None, None));
    for _ in 0..4 {
        shares.claimed(due.id);
    }
    assert_eq!(shares.unproven_in_flight, 4);
    shares.freed(due.id, Some(Experience::Quick));
    assert_eq!(shares.unproven_in_flight, 0);
    shares.freed(due.id, Some(Experience::Failed));
    assert_eq!(shares.unproven_in_flight, 2);
    shares.freed(due.id, None);
    shares.freed(due.id, Some(Experience::Quick));
    assert_eq!(shares.unproven_in_flight, 0);
}

#[test]
fn a_slot_that_is_freed_can_be_taken_again() {
    let (mut shares, now, due) = (shares(1), Instant::now(), due(None, None));
    assert_eq!(shares.allowance(&due, now), Allowance::Take(1));
    shares.claimed(due.id);
    assert_eq!(shares.allowance(&due, now), Allowance::AtCap);
    shares.freed(due.id, Some(Experience::Quick));
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
                shares.freed(due.id, Some(Experience::Quick));
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
    shares.freed(due.id, Some(Experience::Quick));
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
