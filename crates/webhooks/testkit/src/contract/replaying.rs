//! Tests of `ReplayRepository::advance`.

use std::collections::BTreeSet;
use std::sync::Arc;

use rdev_webhooks_domain::replay::{Advance, MIN_WINDOW, SCAN_LIMIT};
use rdev_webhooks_domain::{
    Access, CancelReason, DeliveryFilter, DeliveryId, DeliveryOutcome, DeliveryStatus, FailureReason,
    RateLimit, ReplayId, ReplaySelection, ReplayState, Settled, Trigger, WebhookId, WebhookState,
};
use tokio::sync::{Barrier, Mutex};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{MINUTE, Scene};
use crate::samples;

/// The window of a webhook that takes one delivery at a time.
const SMALL_WINDOW: usize = 4;

impl Scene<'_> {
    /// Creates a webhook whose replays have a window of [`SMALL_WINDOW`].
    async fn narrow_webhook(&self) -> WebhookId {
        let webhook = self.webhook().await;
        self.change(webhook, |webhook| webhook.settings.max_in_flight = std::num::NonZeroU32::new(1)).await;
        webhook
    }

    pub(super) async fn step(&self, id: ReplayId) -> Advance {
        self.replays.advance(id).await.unwrap().expect("the replay is open")
    }

    /// Sends all due deliveries, as many at a time as the webhook takes, and returns them in the order of their
    /// ids.
    pub(super) async fn send_all(&self, webhook: WebhookId, settled: Settled) -> Vec<DeliveryId> {
        let mut sent = Vec::new();
        loop {
            let leased = self.claim(webhook, 1_000).await;
            if leased.is_empty() {
                sent.sort_unstable();
                return sent;
            }
            let mut settlements = Vec::with_capacity(leased.len());
            for one in &leased {
                settlements.push(self.settlement(one, settled).await);
                sent.push(one.lease.delivery);
            }
            let recorded = self.queue.settle(&settlements).await.unwrap();
            assert!(recorded.iter().all(|recorded| *recorded), "the leases are current");
        }
    }

    /// Advances a replay to its end, with only successes, and returns the sent deliveries.
    async fn run_to_the_end(&self, id: ReplayId, webhook: WebhookId) -> Vec<DeliveryId> {
        let mut sent = Vec::new();
        for _ in 0..1_000 {
            let step = self.step(id).await;
            sent.extend(self.send_all(webhook, Settled::Succeeded).await);
            if step.state != ReplayState::Running {
                return sent;
            }
        }
        panic!("the replay does not end");
    }
}

/// A replay takes the deliveries of its webhook, range, outcome and projects, oldest first, each once.
pub async fn a_replay_takes_just_what_its_selection_describes(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, other) = (scene.narrow_webhook().await, scene.webhook().await);
    let mut events = scene.new_events(webhook, 12).await;
    for event in &mut events[..10] {
        event.project = Some("a".parse().unwrap());
    }
    events[3].project = Some("b".parse().unwrap());
    let failed = scene.fail_all(webhook, &events).await;
    scene.failed(other, 2).await;
    let succeeded = [
        scene.delivery_in(DeliveryStatus::Succeeded, webhook).await,
        scene.delivery_in(DeliveryStatus::Succeeded, webhook).await,
    ];

    let selection = ReplaySelection {
        since: failed[1].time(),
        until: failed[9].time(),
        projects: Some(samples::projects(["a", "c"])),
        ..scene.all_failed(webhook).await
    };
    let expected: Vec<_> = [1, 2, 4, 5, 6, 7, 8].map(|nth: usize| failed[nth]).to_vec();
    let id = scene.begin(selection).await;
    assert_eq!(scene.replay(id).await.matched.deliveries, 7);
    let first = scene.step(id).await;
    assert_eq!((first.queued, first.scanned), (4, true));
    assert_eq!(scene.send_all(webhook, Settled::Succeeded).await, expected[..4]);
    assert_eq!(scene.run_to_the_end(id, webhook).await, expected[4..]);

    // Succeeded deliveries are replayed too, if the selection says so.
    let status = DeliveryOutcome::Succeeded.into();
    let selection = ReplaySelection { since: succeeded[0].time(), status, ..scene.all_failed(webhook).await };
    let id = scene.begin(selection).await;
    assert_eq!(scene.run_to_the_end(id, webhook).await, succeeded);
    for delivery in scene.deliveries(&DeliveryFilter { webhook: Some(other), ..Default::default() }).await {
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Failed, 1));
    }
}

/// A delivery that was unfinished when the others were counted is not part of the replay, even if it fails
/// before the replay reaches it.
pub async fn what_ends_later_is_not_replayed(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let failed = scene.failed(webhook, 2).await;
    let late = scene.publish_to(webhook).await;
    let in_flight = scene.claim_one(webhook).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    scene.advance(MINUTE).await;
    scene.settle_held(&in_flight, Settled::Failed(FailureReason::AttemptsExhausted)).await;
    assert_eq!(scene.run_to_the_end(id, webhook).await, failed);
    let delivery = scene.delivery(late).await;
    assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Failed, 1));
    assert_eq!(scene.replay(id).await.queued, 2);
}

/// With any number of workers that advance a replay concurrently, no delivery is skipped, none is queued
/// twice, and no more wait than the window allows.
pub async fn concurrent_steps_take_each_delivery_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.narrow_webhook().await;
    let failed = scene.failed(webhook, 15).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    let mut sent = Vec::new();
    while scene.replay(id).await.state == ReplayState::Running {
        assert!(sent.len() <= failed.len(), "the replay ends");
        let start = Arc::new(Barrier::new(6));
        let queued = Arc::new(Mutex::new(0));
        let mut tasks = JoinSet::new();
        for _ in 0..6 {
            let (replays, start, queued) = (harness.replays(), Arc::clone(&start), Arc::clone(&queued));
            tasks.spawn(async move {
                start.wait().await;
                for _ in 0..3 {
                    let step = replays.advance(id).await.unwrap();
                    *queued.lock().await += step.map_or(0, |step| step.queued as usize);
                }
            });
        }
        tasks.join_all().await;
        let due = scene.send_all(webhook, Settled::Succeeded).await;
        assert_eq!(due.len(), *queued.lock().await, "the reported number is queued");
        assert!(due.len() <= SMALL_WINDOW, "{} deliveries wait", due.len());
        sent.extend(due);
    }
    assert_eq!(sent, failed);
    assert_eq!(scene.replay(id).await.queued, 15);
    for delivery in failed {
        assert_eq!(scene.attempts(delivery).await.len(), 2);
    }
}

/// A replayed delivery keeps its attempts and is attempted once more, whatever the outcome.
pub async fn a_replayed_delivery_is_attempted_once_more(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let delivery = scene.failed(webhook, 1).await[0];
    let event = scene.delivery(delivery).await.event_id;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    scene.step(id).await;
    let waiting = scene.delivery(delivery).await;
    assert_eq!((waiting.state.status(), waiting.attempts), (DeliveryStatus::Pending, 1));
    let counts = scene.events.get(Access::everything(), event).await.unwrap().unwrap().deliveries;
    assert_eq!((counts.pending, counts.total()), (1, 1));

    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.lease.delivery, leased.event_id), (delivery, event));
    assert_eq!((leased.trigger, leased.resumes), (Trigger::Replay, false));
    assert_eq!((leased.attempt, leased.automatic_attempts), (2, 1));
    scene.settle_held(&leased, Settled::Failed(FailureReason::RedeliveryFailed)).await;
    assert_eq!(scene.status(delivery).await, DeliveryStatus::Failed);
    let made: Vec<_> = scene.attempts(delivery).await.iter().map(|one| (one.number, one.trigger)).collect();
    assert_eq!(made, [(2, Trigger::Replay), (1, Trigger::Automatic)]);
    // It failed again, and the replay has passed it.
    assert!(matches!(scene.step(id).await.state, ReplayState::Completed { .. }));
}

/// No more deliveries of a replay wait than its window allows, and further ones follow as these end.
pub async fn a_replay_keeps_within_its_window(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    scene.failed(webhook, 120).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.ended, step.scanned), (MIN_WINDOW, 0, true));
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.ended, step.scanned), (0, 0, false), "the window is full");
    let leased = scene.claim(webhook, 5).await;
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.ended), (0, 0), "deliveries in flight count too");
    for one in &leased {
        scene.settle_held(one, Settled::Succeeded).await;
    }
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.ended), (7, 5), "twice as many as have ended may wait");
    assert_eq!(scene.replay(id).await.waiting, 10);

    // The window grows up to a bound while the endpoint takes all of it.
    for (ended, queued) in [(10, 20), (20, 40), (40, 45)] {
        assert_eq!(scene.send_all(webhook, Settled::Succeeded).await.len(), ended as usize);
        let step = scene.step(id).await;
        assert_eq!((step.queued, step.ended), (queued, ended));
    }

    // It shrinks as soon as possible when the endpoint takes less.
    let webhook = scene.webhook().await;
    let failed = scene.failed(webhook, 40).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    scene.step(id).await;
    scene.send_all(webhook, Settled::Succeeded).await;
    assert_eq!(scene.step(id).await.queued, 16);
    for (ended, queued) in [(1, 0), (7, 6), (1, 0)] {
        for one in scene.claim(webhook, ended).await {
            scene.settle_held(&one, Settled::Succeeded).await;
        }
        let step = scene.step(id).await;
        assert_eq!((step.queued, step.ended), (queued, ended));
    }
    scene.change(webhook, |webhook| webhook.settings.rate_limit = RateLimit::per_second(2.0)).await;
    for _ in 0..13 {
        scene.advance(MINUTE).await;
        assert_eq!(scene.send_all(webhook, Settled::Succeeded).await.len(), 1);
    }
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.ended), (2, 13));
    scene.change(webhook, |webhook| webhook.settings.rate_limit = None).await;
    let rest = scene.run_to_the_end(id, webhook).await;
    assert_eq!(rest, failed[30..]);
}

/// An event published during a replay is claimed before deliveries that the replay queues after it.
pub async fn an_event_waits_behind_no_more_than_a_replays_window(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.narrow_webhook().await;
    scene.failed(webhook, 20).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    scene.step(id).await;
    scene.advance(MINUTE).await;
    let live = scene.publish_to(webhook).await;
    let mut before = 0;
    loop {
        scene.advance(MINUTE).await;
        scene.step(id).await;
        let leased = scene.claim(webhook, 1).await.remove(0);
        scene.settle_held(&leased, Settled::Succeeded).await;
        if leased.lease.delivery == live {
            break;
        }
        before += 1;
        assert!(before <= SMALL_WINDOW, "the event waits behind {before}");
    }
    assert_eq!(before, SMALL_WINDOW, "the replay continues beside it");
    assert_eq!(scene.replay(id).await.state, ReplayState::Running);
}

/// A step skips a bounded number of deliveries that it does not take, and leaves the rest to the next step.
pub async fn a_step_looks_at_so_many_deliveries_only(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let mut events = scene.new_events(webhook, SCAN_LIMIT as usize + 1).await;
    events[SCAN_LIMIT as usize].project = Some("a".parse().unwrap());
    let failed = scene.fail_all(webhook, &events).await;
    let projects = Some(samples::projects(["a"]));
    let id = scene.begin(ReplaySelection { projects, ..scene.all_failed(webhook).await }).await;
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.scanned, step.state), (0, true, ReplayState::Running));
    assert_eq!(scene.replay(id).await.scan_cursor, Some(failed[SCAN_LIMIT as usize - 1].as_uuid()));
    assert_eq!(scene.step(id).await.queued, 1);
    assert_eq!(scene.run_to_the_end(id, webhook).await, failed[SCAN_LIMIT as usize..]);
}

/// A replay reports the outcomes of its deliveries, and is complete when the last one has ended.
pub async fn a_replay_counts_what_became_of_its_deliveries(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    scene.failed(webhook, 3).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    scene.step(id).await;
    let leased = scene.claim(webhook, 3).await;
    scene.settle_held(&leased[0], Settled::Succeeded).await;
    scene.settle_held(&leased[1], Settled::Failed(FailureReason::RedeliveryFailed)).await;
    let step = scene.step(id).await;
    assert_eq!((step.ended, step.state), (2, ReplayState::Running));
    let replay = scene.replay(id).await;
    assert_eq!((replay.queued, replay.waiting), (3, 1));
    assert_eq!((replay.succeeded, replay.failed, replay.cancelled), (1, 1, 0));
    assert_eq!(replay.scan_cursor, None, "nothing is left to scan");

    scene.settle_held(&leased[2], Settled::Succeeded).await;
    let step = scene.step(id).await;
    let ReplayState::Completed { at } = step.state else { panic!("{step:?}") };
    super::scene::assert_near(at, scene.now().await);
    let replay = scene.replay(id).await;
    assert_eq!((replay.succeeded, replay.failed, replay.waiting), (2, 1, 0));
    assert_eq!(replay.state, step.state);
    assert_eq!(scene.replays.advance(id).await.unwrap(), None);
}

/// While its webhook is disabled, a replay queues nothing. Afterwards it continues where it was.
pub async fn a_replay_pauses_while_its_webhook_is_disabled(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.narrow_webhook().await;
    let failed = scene.failed(webhook, 6).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    scene.step(id).await;
    let leased = scene.claim(webhook, 1).await;
    scene.disable(webhook).await;
    scene.settle_held(&leased[0], Settled::Succeeded).await;
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.ended, step.state), (0, 1, ReplayState::Running));
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.scanned), (0, false));
    assert!(scene.claim(webhook, 10).await.is_empty());

    scene.change(webhook, |webhook| webhook.state = WebhookState::Enabled).await;
    let mut sent = vec![leased[0].lease.delivery];
    sent.extend(scene.run_to_the_end(id, webhook).await);
    let sent: BTreeSet<_> = sent.into_iter().collect();
    assert_eq!(sent, failed.into_iter().collect());
}

/// A replay ends when its webhook is deleted. A delivery in flight is still counted.
pub async fn a_replay_of_a_deleted_webhook_ends(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.narrow_webhook().await;
    scene.failed(webhook, 6).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    assert_eq!(scene.step(id).await.queued, 4);
    let leased = scene.claim(webhook, 1).await;
    scene.delete(webhook).await;
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.ended), (0, 3));
    let reason = CancelReason::WebhookDeleted;
    assert!(matches!(step.state, ReplayState::Cancelled { reason: why, .. } if why == reason), "{step:?}");
    scene.settle_held(&leased[0], Settled::Succeeded).await;
    assert_eq!(scene.step(id).await.ended, 1);
    let replay = scene.replay(id).await;
    assert_eq!((replay.queued, replay.cancelled, replay.succeeded), (4, 3, 1));
    assert!(scene.replays.due(None, 10).await.unwrap().is_empty());
}

/// Deliveries that a replay had queued before its cancellation are still sent and counted. Deliveries that it
/// had not reached stay unchanged.
pub async fn a_cancelled_replay_queues_no_more(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.narrow_webhook().await;
    let failed = scene.failed(webhook, 6).await;
    let id = scene.begin(scene.all_failed(webhook).await).await;
    scene.step(id).await;
    scene.replays.cancel(Access::everything(), id).await.unwrap();
    assert_eq!(scene.step(id).await.queued, 0);
    assert_eq!(scene.send_all(webhook, Settled::Succeeded).await, failed[..4]);
    let step = scene.step(id).await;
    assert_eq!((step.queued, step.ended), (0, 4));
    assert!(matches!(step.state, ReplayState::Cancelled { .. }));
    let replay = scene.replay(id).await;
    assert_eq!((replay.queued, replay.succeeded, replay.waiting), (4, 4, 0));
    for left in &failed[4..] {
        let delivery = scene.delivery(*left).await;
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Failed, 1));
    }
}

/// A step that queues a delivery wakes a worker of the same process, whether it waits already or begins to
/// wait later.
pub async fn a_replay_wakes_a_waiting_worker(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let begun = Mutex::new(Vec::new());
    for _ in 0..2 {
        let webhook = scene.webhook().await;
        scene.failed(webhook, 1).await;
        begun.lock().await.push(scene.begin(scene.all_failed(webhook).await).await);
    }
    let step = async || {
        let id = begun.lock().await.pop().expect("one replay is left for each call");
        assert_eq!(scene.step(id).await.queued, 1);
    };
    scene.expect_wake_ups(step).await;
}
