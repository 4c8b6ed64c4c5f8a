use std::num::NonZeroU32;

use rdev_webhooks_domain::LastFailure;

use super::*;

fn due(max_in_flight: Option<u32>) -> DueWebhook {
    DueWebhook {
        id: WebhookId::from_uuid(uuid::Uuid::from_u128(1)),
        max_in_flight: max_in_flight.and_then(NonZeroU32::new),
        is_limited: max_in_flight.is_some(),
        timeout: None,
        last_failure: None,
        overdue: Duration::from_secs(1),
    }
}

const SLOTS: usize = 320;
const PARKED: usize = 4_096;

fn shares(default_cap: u32) -> FairShares {
    FairShares::new(default_cap, SLOTS, PARKED)
}

const fn observation(standing: Standing) -> Observation {
    let effect = match standing {
        Standing::Proven | Standing::Slow | Standing::Unknown => HealthEffect::Succeeded,
        Standing::Failing => HealthEffect::Unavailable,
        Standing::Silent => HealthEffect::Silent,
    };
    Observation { standing, effect, is_prompt: false }
}

const FAST: Observation = observation(Standing::Proven);
const FAILED: Observation = observation(Standing::Failing);

/// Sends `count` deliveries, one after the other.
fn send(shares: &mut FairShares, webhook: WebhookId, count: u32, observation: Observation) {
    for _ in 0..count {
        shares.claimed(webhook);
        shares.freed(webhook, false, Some(observation));
        shares.recorded(webhook);
    }
}

fn numbered(n: u128) -> DueWebhook {
    DueWebhook { id: WebhookId::from_uuid(uuid::Uuid::from_u128(n)), ..due(None) }
}

/// Returns the number of deliveries that each webhook wants.
fn wanted(shares: &mut FairShares, webhooks: &[DueWebhook]) -> Vec<(WebhookId, u32)> {
    webhooks.iter().map(|webhook| (webhook.id, shares.quota(webhook))).collect()
}

/// Makes one claim from all webhooks with `free` slots. Returns the number of slots that each got.
fn claim(shares: &mut FairShares, webhooks: &[DueWebhook], free: usize) -> Vec<u32> {
    let wanted = wanted(shares, webhooks);
    let allocation = shares.allocate(&wanted, free);
    shares.record_turns(&allocation);
    let takes = allocation.takes;
    for (webhook, take) in webhooks.iter().zip(&takes) {
        (0..*take).for_each(|_| shares.claimed(webhook.id));
    }
    takes
}

/// Claims from all webhooks repeatedly and parks each attempt at once. Returns the number of claimed
/// deliveries.
fn crowd(shares: &mut FairShares, webhooks: &[DueWebhook]) -> u32 {
    let mut held = 0;
    loop {
        let takes = claim(shares, webhooks, SLOTS);
        let got: u32 = takes.iter().sum();
        if got == 0 {
            return held;
        }
        held += got;
        for (webhook, take) in webhooks.iter().zip(takes) {
            (0..take).for_each(|_| shares.parked(webhook.id));
        }
    }
}

#[test]
fn a_proven_endpoint_gets_the_smaller_of_both_caps() {
    for (own, expected) in [(None, 32), (Some(2), 2), (Some(100), 32)] {
        let (mut shares, due) = (shares(32), due(own));
        assert_eq!(shares.quota(&due), expected.min(FIRST_WINDOW));
        send(&mut shares, due.id, 100, FAST);
        assert_eq!(shares.quota(&due), expected);
        send(&mut shares, due.id, 10, FAILED);
        assert_eq!(shares.quota(&due), 1);
    }
}

#[test]
fn a_rejection_does_not_change_the_window() {
    let (mut shares, due) = (shares(32), due(None));
    send(&mut shares, due.id, 100, FAST);
    send(&mut shares, due.id, 10, Observation { effect: HealthEffect::Rejected, ..FAILED });
    assert_eq!(shares.quota(&due), 32);
}

#[test]
fn a_silent_endpoint_gets_one_delivery_at_a_time() {
    let silent = DueWebhook { last_failure: Some(LastFailure::Silent), ..due(None) };
    assert_eq!(shares(32).quota(&silent), 1, "a newly started worker knows that it is silent");
    let (mut shares, due) = (shares(32), due(None));
    shares.quota(&due);
    shares.claimed(due.id);
    shares.parked(due.id);
    assert_eq!(shares.quota(&due), 3);
    shares.lasts(due.id);
    assert_eq!(shares.quota(&due), 0, "it gets no more even before the attempt ends");
    shares.freed(due.id, true, Some(FAST));
    assert_eq!(shares.quota(&due), 5);
}

#[test]
fn unproven_webhooks_hold_at_most_half_of_the_slots() {
    for last_failure in [None, Some(LastFailure::Prompt), Some(LastFailure::Silent)] {
        let mut shares = shares(32);
        let crowd: Vec<_> = (1..=1_000).map(|n| DueWebhook { last_failure, ..numbered(n) }).collect();
        assert_eq!(claim(&mut shares, &crowd, SLOTS).iter().sum::<u32>(), 160);
        send(&mut shares, numbered(0).id, 100, FAST);
        assert_eq!(claim(&mut shares, &[numbered(0)], 160), [32], "a proven webhook is not affected");
    }
}

/// However many webhooks of one kind have however many deliveries, and never respond, the first delivery of
/// each other kind gets its slot.
#[test]
fn a_crowd_of_one_kind_leaves_slots_for_every_other_kind() {
    let kinds = [None, Some(LastFailure::Prompt), Some(LastFailure::Silent)];
    for of_crowd in kinds {
        let mut shares = shares(32);
        let others: Vec<_> = (0..2).map(numbered).collect();
        send(&mut shares, others[0].id, 40, FAST);
        send(&mut shares, others[1].id, 40, observation(Standing::Slow));
        let members =
            |count: u128| (10..10 + count).map(|n| DueWebhook { last_failure: of_crowd, ..numbered(n) });
        let members: Vec<_> = members(10_000).collect();
        let held = crowd(&mut shares, &members);
        assert!(held >= 500, "{of_crowd:?}: {held}");
        assert_eq!(claim(&mut shares, &others, 2), [1, 1], "{of_crowd:?}");
        for kind in kinds.into_iter().filter(|kind| *kind != of_crowd) {
            // Unknown and silent webhooks are bounded together: thousands of unknown ones may leave nothing
            // to a silent one.
            let other = DueWebhook { last_failure: kind, ..numbered(9) };
            let is_bounded_together = of_crowd.is_none() && kind == Some(LastFailure::Silent);
            let got = claim(&mut shares, &[other], 1);
            assert!(got == [1] || is_bounded_together, "{kind:?} beside {of_crowd:?}");
            shares.loads.remove(&other.id);
        }
    }
}

#[test]
fn a_thousand_silent_endpoints_leave_room_for_every_other_kind() {
    let mut shares = shares(32);
    let silent: Vec<_> = (10..1_010).map(numbered).collect();
    let held = crowd(&mut shares, &silent);
    assert!((1_000..1_600).contains(&held), "each holds one, and few hold more: {held}");
    silent.iter().for_each(|webhook| shares.lasts(webhook.id));
    assert_eq!(claim(&mut shares, &silent, SLOTS).iter().sum::<u32>(), 0, "no more before the deadline");
    for last_failure in [None, Some(LastFailure::Prompt), Some(LastFailure::Silent)] {
        let others: Vec<_> = (2_000..2_020).map(|n| DueWebhook { last_failure, ..numbered(n) }).collect();
        let takes = claim(&mut shares, &others, SLOTS);
        assert!(takes.iter().all(|take| *take > 0), "{last_failure:?}");
        for (webhook, take) in others.iter().zip(takes) {
            (0..take).for_each(|_| shares.freed(webhook.id, false, None));
        }
        for webhook in &others {
            shares.loads.remove(&webhook.id);
        }
    }
}

#[test]
fn a_later_webhook_does_not_wait_for_a_crowd() {
    // Only one slot is for unproven webhooks.
    let mut shares = FairShares::new(32, 2, PARKED);
    let crowd: Vec<_> = (10..1_000).map(numbered).collect();
    assert_eq!(claim(&mut shares, &crowd, 1).iter().sum::<u32>(), 1);
    let mut all = crowd.clone();
    all.push(DueWebhook { overdue: Duration::ZERO, ..numbered(5_000) });
    for _ in 0..Standing::COUNT {
        let held: Vec<_> =
            shares.loads.iter().filter(|(_, load)| load.in_slots > 0).map(|(id, _)| *id).collect();
        held.into_iter().for_each(|webhook| shares.parked(webhook));
        claim(&mut shares, &all, 1);
    }
    assert_eq!(shares.loads[&numbered(5_000).id].in_flight, 1);
}

#[test]
fn proven_endpoints_that_turn_silent_cannot_fill_the_parking() {
    let mut shares = shares(32);
    let turncoats: Vec<_> = (10..1_010).map(numbered).collect();
    for webhook in &turncoats {
        send(&mut shares, webhook.id, 100, FAST);
    }
    let held = crowd(&mut shares, &turncoats[..130]);
    assert!(held < 2_000, "{held}");
    turncoats[..130].iter().for_each(|webhook| shares.lasts(webhook.id));
    assert_eq!(claim(&mut shares, &[numbered(1)], 1), [1]);
}

#[test]
fn waiting_counts_webhooks_without_a_slot_and_not_those_without_a_place() {
    let mut shares = FairShares::new(32, 4, 0);
    let webhooks: Vec<_> = (0..5).map(numbered).collect();
    let wants = wanted(&mut shares, &webhooks);
    let allocation = shares.allocate(&wants, 4);
    assert_eq!((allocation.takes.iter().sum::<u32>(), allocation.waiting), (2, 0), "nothing can be parked");
    let mut shares = FairShares::new(32, 4, 64);
    let wants = wanted(&mut shares, &webhooks);
    let allocation = shares.allocate(&wants, 4);
    assert_eq!(
        (allocation.takes.iter().sum::<u32>(), allocation.waiting, allocation.only_unproven_wait),
        (2, 3, true)
    );
    let allocation = shares.allocate(&wants, 0);
    assert_eq!((allocation.waiting, allocation.only_unproven_wait), (5, false));
}

#[test]
fn free_slots_go_to_the_webhooks_that_hold_fewest() {
    let mut shares = FairShares::new(32, 64, 0);
    let (one, other, third) = (numbered(1), numbered(2), numbered(3));
    for webhook in [one, other, third] {
        send(&mut shares, webhook.id, 100, FAST);
    }
    assert_eq!(claim(&mut shares, &[one, other], 64), [32, 32]);
    // The pool is full. A webhook that holds nothing gets each free slot until all hold as many.
    for freed in 1..=40 {
        let busier = if freed % 2 == 0 { one } else { other };
        shares.freed(busier.id, false, Some(FAST));
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
fn deliveries_in_flight_count_under_the_current_standing() {
    let (mut shares, due) = (shares(32), due(None));
    (0..4).for_each(|_| shares.claimed(due.id));
    let held = |shares: &FairShares, standing| {
        let held = shares.holdings.held_by(standing);
        (held.slots, held.places, held.webhooks)
    };
    assert_eq!(held(&shares, Standing::Unknown), (4, 4, 1));
    shares.parked(due.id);
    assert_eq!(held(&shares, Standing::Unknown), (3, 4, 1));
    shares.freed(due.id, false, Some(FAST));
    assert_eq!(held(&shares, Standing::Unknown), (0, 0, 0));
    assert_eq!(held(&shares, Standing::Proven), (2, 3, 1));
    shares.lasts(due.id);
    assert_eq!((held(&shares, Standing::Proven), held(&shares, Standing::Silent)), ((0, 0, 0), (2, 3, 1)));
    shares.freed(due.id, true, None);
    shares.freed(due.id, false, None);
    shares.freed(due.id, false, Some(FAILED));
    for standing in [Standing::Proven, Standing::Unknown, Standing::Silent, Standing::Failing] {
        assert_eq!(held(&shares, standing), (0, 0, 0), "{standing:?}");
    }
}

#[test]
fn a_cap_of_the_webhooks_own_counts_until_the_record() {
    for (own, left, frees) in [(None, 32, false), (Some(2), 1, true)] {
        let (mut shares, due) = (shares(32), due(own));
        send(&mut shares, due.id, 100, FAST);
        shares.quota(&due);
        shares.claimed(due.id);
        shares.freed(due.id, false, Some(FAST));
        assert_eq!(shares.quota(&due), left);
        assert_eq!(shares.recorded(due.id), frees);
        assert_eq!(shares.quota(&due), own.unwrap_or(32));
    }
}

#[test]
fn the_least_recently_served_idle_webhooks_are_forgotten() {
    let mut shares = shares(32);
    for n in 0..=MAX_REMEMBERED as u128 {
        send(&mut shares, numbered(n).id, 1, FAST);
    }
    shares.forget_idle();
    assert_eq!(shares.loads.len(), MAX_REMEMBERED + 1 - FORGOTTEN);
    assert!(shares.loads.contains_key(&numbered(MAX_REMEMBERED as u128).id));
    assert!(!shares.loads.contains_key(&numbered(0).id));
}

#[test]
fn a_freed_slot_can_be_taken_again() {
    let (mut shares, due) = (shares(1), due(None));
    assert_eq!(shares.quota(&due), 1);
    shares.claimed(due.id);
    assert_eq!(shares.quota(&due), 0);
    shares.freed(due.id, false, Some(FAST));
    assert_eq!(shares.quota(&due), 1);
}

/// A success so short that other deliveries can wait for it.
const PROMPT: Observation = Observation { is_prompt: true, ..FAST };

#[test]
fn a_prompt_endpoint_gets_deliveries_ahead_of_their_attempts() {
    let mut shares = shares(32);
    let due = numbered(1);
    send(&mut shares, due.id, 27, PROMPT);
    assert_eq!(shares.quota(&due), 31, "its window is not open yet");
    send(&mut shares, due.id, 1, PROMPT);
    assert_eq!(shares.quota(&due), 4 * 32);
    assert_eq!(shares.quota(&DueWebhook { is_limited: true, ..due }), 32);
    send(&mut shares, due.id, 1, FAST);
    assert_eq!(shares.quota(&due), 32, "the last one was not prompt");
    send(&mut shares, due.id, 1, PROMPT);
    shares.claimed(due.id);
    shares.freed(due.id, false, None);
    assert_eq!(shares.quota(&due), 32, "the last one was turned away");
    send(&mut shares, due.id, 1, PROMPT);
    (0..100).for_each(|_| shares.claimed(due.id));
    assert_eq!(shares.quota(&due), 0, "all it may hold while 60 slots are left of the half");
    send(&mut shares, numbered(2).id, 28, PROMPT);
    assert_eq!(shares.quota(&numbered(2)), 32 + 60);
    (0..60).for_each(|_| shares.claimed(numbered(3).id));
    assert_eq!(shares.quota(&numbered(2)), 32, "half of the slots are taken");
}

#[tokio::test]
async fn a_failure_turns_away_the_deliveries_that_wait() {
    let mut shares = shares(1);
    let due = numbered(1);
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    for (observation, may_begin) in [(PROMPT, true), (FAST, false), (FAILED, false)] {
        let (first, second) = (shares.place(due.id), shares.place(due.id));
        let (mut first, mut second) = (Box::pin(first.permit()), Box::pin(second.permit()));
        let std::task::Poll::Ready(Some(permit)) = first.as_mut().poll(&mut context) else {
            panic!("it waits")
        };
        assert!(second.as_mut().poll(&mut context).is_pending());
        shares.claimed(due.id);
        shares.freed(due.id, false, Some(observation));
        drop(permit);
        let std::task::Poll::Ready(permit) = second.as_mut().poll(&mut context) else { panic!("it waits") };
        assert_eq!(permit.is_some(), may_begin, "{observation:?}");
    }
}
