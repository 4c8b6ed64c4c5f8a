use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp::from_millis(1_736_937_000_000);

fn replay() -> Replay {
    replay_of(250)
}

fn replay_of(deliveries: u64) -> Replay {
    let webhook_id = WebhookId::from_parts(START, [1; 10]);
    let selection = ReplaySelection {
        webhook_id,
        since: Timestamp::EPOCH,
        until: START,
        status: DeliveryOutcome::Failed.into(),
        projects: None,
    };
    let matched = Matched { deliveries, is_exact: true, at: START };
    Replay::new(ReplayId::from_parts(START, [2; 10]), selection, matched)
}

fn delivery(nth: u8) -> DeliveryId {
    DeliveryId::from_parts(START, [nth; 10])
}

#[test]
fn a_window_follows_the_endpoints_pace_and_the_limits() {
    let rate = |per_second| Some(RateLimit::per_second(per_second).unwrap());
    let ended = |count| FinishedCounts { succeeded: count, ..FinishedCounts::default() };
    for (rate_limit, max_in_flight, expected) in [
        (None, None, 100),
        (rate(10_000.0), NonZeroU32::new(1_000), 100),
        (rate(2.5), None, 3),
        (rate(0.001), None, 1),
        (None, NonZeroU32::new(1), 4),
        (rate(3.0), NonZeroU32::new(1), 3),
        (None, NonZeroU32::new(u32::MAX), 100),
    ] {
        let window = Replay::window(rate_limit, max_in_flight, ended(100));
        assert_eq!(window, expected, "{rate_limit:?} {max_in_flight:?}");
    }
    for (count, expected) in [(0, 8), (1, 8), (5, 10), (20, 40), (50, 100), (u32::MAX, 100)] {
        assert_eq!(Replay::window(None, None, ended(count)), expected, "{count}");
    }
    assert_eq!(Replay::window(rate(2.5), None, ended(0)), 3);
    assert_eq!(
        Replay::window(None, None, FinishedCounts { succeeded: 1, failed: 4, cancelled: 2, removed: 3 }),
        20
    );
}

/// Counts the deliveries per step to an endpoint that accepts its whole window at once.
#[test]
fn an_emptied_window_soon_grows_to_its_maximum() {
    let mut windows = vec![Replay::window(None, None, FinishedCounts::default())];
    for _ in 0..5 {
        let ended = FinishedCounts { failed: windows[windows.len() - 1], ..FinishedCounts::default() };
        windows.push(Replay::window(None, None, ended));
    }
    assert_eq!(windows, [8, 16, 32, 64, 100, 100]);
}

#[test]
fn a_replay_of_nothing_completes_at_once() {
    let replay = replay_of(0);
    assert_eq!(replay.state, ReplayState::Completed { at: START });
    assert_eq!((replay.scan_cursor, replay.room(100), replay.is_open()), (None, 0, false));
}

#[test]
fn a_replay_completes_when_all_deliveries_have_ended() {
    let mut replay = replay();
    replay.queue(2, Some(delivery(1).as_uuid()));
    replay.settle(FinishedCounts { succeeded: 2, ..FinishedCounts::default() });
    replay.complete(START);
    assert_eq!(replay.state, ReplayState::Running, "there may be more deliveries");
    replay.queue(3, None);
    replay.complete(START);
    assert_eq!(replay.state, ReplayState::Running, "three deliveries have not ended");
    assert_eq!(replay.room(100), 0, "no delivery remains to be examined");
    replay.settle(FinishedCounts { succeeded: 0, failed: 1, cancelled: 1, removed: 1 });
    replay.complete(START);
    assert_eq!(replay.state, ReplayState::Completed { at: START });
    assert_eq!((replay.queued, replay.succeeded, replay.failed, replay.cancelled), (5, 2, 1, 1));
    assert!(!replay.is_open());
    assert!(!replay.cancel(CancelReason::Requested, START));
}

#[test]
fn a_cancelled_replay_is_open_until_its_queued_deliveries_have_ended() {
    let mut replay = replay();
    replay.queue(2, Some(delivery(1).as_uuid()));
    assert!(replay.cancel(CancelReason::Requested, START));
    assert!(!replay.cancel(CancelReason::WebhookDeleted, START), "it is cancelled only once");
    assert_eq!((replay.room(100), replay.is_open()), (0, true));
    replay.settle(FinishedCounts { failed: 2, ..FinishedCounts::default() });
    replay.complete(START);
    let expected = ReplayState::Cancelled { at: START, reason: CancelReason::Requested };
    assert_eq!((replay.state, replay.is_open()), (expected, false));
}

#[test]
fn an_outcome_has_the_name_of_its_status() {
    for outcome in DeliveryOutcome::ALL {
        assert_eq!(DeliveryOutcome::parse(outcome.as_str()), Some(outcome));
        assert!(crate::DeliveryStatus::parse(outcome.as_str()).is_some());
    }
    assert_eq!(DeliveryOutcome::parse("pending"), None);
}

proptest! {
    #[test]
    fn no_more_than_the_window_waits_and_none_is_lost(steps in prop::collection::vec((0..150_u32, 1..150_u32), 0..50)) {
        let mut replay = replay();
        for (ended, window) in steps {
            let room = replay.room(window);
            let before = replay.waiting;
            replay.queue(room, Some(delivery(1).as_uuid()));
            prop_assert!(replay.waiting <= before.max(window));
            let ended = ended.min(replay.waiting);
            replay.settle(FinishedCounts { failed: ended, ..FinishedCounts::default() });
            prop_assert_eq!(replay.queued, u64::from(replay.waiting) + replay.failed);
        }
    }
}
