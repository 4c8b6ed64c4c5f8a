//! Replays beside everything else.

use std::time::Duration;

use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_app::{NewReplay, ReplayError, Replaying, Replays};
use rdev_webhooks_domain::ports::{DeliveryQueue, EventRepository};
use rdev_webhooks_domain::replay::MOST_WAITING;
use rdev_webhooks_domain::{
    Claim, ClaimShare, DeliveryOutcome, DeliveryStatus, FailureReason, HealthEffect, NewEvent, Replay,
    ReplayState, Settled, Settlement, Target, Timestamp, WebhookId,
};
use rdev_webhooks_testkit::samples;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::support::{Answer, World, pass};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl World {
    fn replays(&self) -> Replays {
        Replays::new(self.store.clone(), self.ambient.clone())
    }

    /// Begins to replay all that failed.
    async fn replay_all(&self, webhook: WebhookId) -> Result<Replay, ReplayError> {
        let outcome = DeliveryOutcome::Failed;
        let new = NewReplay { webhook, since: Timestamp::EPOCH, until: None, outcome, projects: None };
        self.replays().begin(new, None).await
    }

    /// What takes replays further; it ends with the token.
    fn start_replaying(&self) -> (JoinHandle<()>, CancellationToken) {
        let drain = CancellationToken::new();
        (tokio::spawn(Replaying::new(self.store.clone()).run(drain.clone())), drain)
    }

    /// Lets time pass until a replay is at its end.
    async fn until_ended(&self, replay: &Replay) -> Replay {
        let ended = async {
            loop {
                let replay = self.replays().get(replay.id).await.unwrap();
                if replay.state != ReplayState::Running {
                    return replay;
                }
                pass(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(DAY, ended).await.expect("it comes to an end")
    }

    /// A webhook with so many deliveries that failed.
    async fn webhook_with_failed(&self, count: u32) -> WebhookId {
        let webhook = self.webhook(|_| {}).await.id;
        self.publish_many(webhook, count as usize).await;
        let share = ClaimShare { webhook, take: count, lease_for: DAY };
        let claim = Claim { token: samples::token(&*self.ambient.entropy), shares: vec![share] };
        let leased = self.store.claim(&claim).await.unwrap();
        let failed = leased.iter().map(|one| Settlement {
            lease: one.lease,
            settled: Settled::Failed(FailureReason::AttemptsExhausted),
            attempt: Some(samples::attempt(1, self.ambient.clock.now(), 400)),
            gone: None,
            health: HealthEffect::None,
        });
        let recorded = self.store.settle(&failed.collect::<Vec<_>>()).await.unwrap();
        assert_eq!(recorded, vec![true; count as usize]);
        // So that they were accepted before now.
        pass(Duration::from_secs(1)).await;
        webhook
    }

    /// Publishes that many events to one webhook.
    async fn publish_many(&self, webhook: WebhookId, count: usize) {
        let now = self.ambient.clock.now();
        let event =
            || NewEvent { target: Target::Webhook(webhook), ..samples::event(&*self.ambient.entropy, now) };
        let events: Vec<_> = (0..count).map(|_| event()).collect();
        self.store.publish(&events).await.unwrap();
    }
}

/// An endpoint that takes its time.
fn slow_endpoint(took: Duration) -> World {
    World::new(move |_, _| Answer::StatusAfter(200, took))
}

#[tokio::test(start_paused = true)]
async fn live_events_wait_behind_a_hundred_of_a_replay_of_twenty_thousand_at_the_most() {
    const FAILED: u32 = 20_000;
    let world = slow_endpoint(Duration::from_millis(20));
    let webhook = world.webhook_with_failed(FAILED).await;
    let worker = world.start_worker(WorkerOptions::default());
    let replay = world.replay_all(webhook).await.unwrap();
    assert_eq!(replay.matched.deliveries, u64::from(FAILED));
    let (replaying, drain) = world.start_replaying();

    let mut waited = Vec::new();
    for _ in 0..10 {
        pass(Duration::from_millis(700)).await;
        let body = samples::event(&*world.ambient.entropy, world.ambient.clock.now()).body;
        let before = world.dispatcher.sent().len();
        world.publish_many(webhook, 1).await;
        pass(Duration::from_millis(300)).await;
        let sent = world.dispatcher.sent();
        let place = sent[before..].iter().position(|(_, request)| request.body == body);
        waited.push(place.expect("it was sent within 300 ms"));
    }
    // What is in the queue when the event comes, and nothing of what the replay queues after it.
    assert!(waited.iter().all(|place| *place <= MOST_WAITING as usize), "{waited:?}");
    assert!(waited.iter().any(|place| *place > 0), "the replay goes on beside them: {waited:?}");

    let replay = world.until_ended(&replay).await;
    assert!(matches!(replay.state, ReplayState::Completed { .. }), "{replay:?}");
    assert_eq!((replay.queued, replay.succeeded), (u64::from(FAILED), u64::from(FAILED)));
    drain.cancel();
    replaying.await.unwrap();
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn live_events_wait_behind_few_of_a_replay_that_a_slow_endpoint_refuses() {
    let world = World::new(|_, _| Answer::StatusAfter(404, Duration::from_secs(5)));
    let webhook = world.webhook_with_failed(1_000).await;
    let worker = world.start_worker(WorkerOptions::default());
    let replay = world.replay_all(webhook).await.unwrap();
    let (replaying, drain) = world.start_replaying();
    for _ in 0..3 {
        pass(Duration::from_secs(60)).await;
        let body = samples::event(&*world.ambient.entropy, world.ambient.clock.now()).body;
        let before = world.dispatcher.sent().len();
        world.publish_many(webhook, 1).await;
        // Four go out at once: those in flight, and no more than two rounds of what waits.
        pass(Duration::from_secs(15)).await;
        let sent = world.dispatcher.sent();
        assert!(sent[before..].iter().any(|(_, request)| request.body == body), "it was sent within 15 s");
    }
    let so_far = world.replays().get(replay.id).await.unwrap();
    assert!(so_far.failed > 100 && so_far.state == ReplayState::Running, "it goes on: {so_far:?}");
    drain.cancel();
    replaying.await.unwrap();
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_quick_endpoint_is_replayed_to_at_the_full_rate() {
    let world = slow_endpoint(Duration::from_millis(1));
    let webhook = world.webhook_with_failed(8_000).await;
    let worker = world.start_worker(WorkerOptions::default());
    let replay = world.replay_all(webhook).await.unwrap();
    let began = Instant::now();
    let (replaying, drain) = world.start_replaying();
    assert_eq!(world.until_ended(&replay).await.succeeded, 8_000);
    assert!(began.elapsed() < Duration::from_secs(7), "{:?}", began.elapsed());
    drain.cancel();
    replaying.await.unwrap();
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn whoever_comes_next_goes_on_where_another_was_killed() {
    let world = slow_endpoint(Duration::from_millis(100));
    let webhook = world.webhook_with_failed(1_000).await;
    let worker = world.start_worker(WorkerOptions::default());
    let replay = world.replay_all(webhook).await.unwrap();
    for _ in 0..5 {
        let (replaying, _) = world.start_replaying();
        pass(Duration::from_millis(200)).await;
        replaying.abort();
        assert!(replaying.await.is_err_and(|error| error.is_cancelled()));
    }
    let so_far = world.replays().get(replay.id).await.unwrap();
    assert!((100..1_000).contains(&so_far.queued), "it is in the middle: {so_far:?}");
    let (replaying, drain) = world.start_replaying();
    let replay = world.until_ended(&replay).await;
    assert_eq!((replay.queued, replay.succeeded), (1_000, 1_000));
    for delivery in world.deliveries().await {
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Succeeded, 2));
    }
    drain.cancel();
    replaying.await.unwrap();
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_range_must_have_begun() {
    let world = slow_endpoint(Duration::ZERO);
    let webhook = world.webhook(|_| {}).await;
    let now = world.ambient.clock.now();
    let new = |since, until| NewReplay {
        webhook: webhook.id,
        since,
        until,
        outcome: DeliveryOutcome::Failed,
        projects: None,
    };
    let later = now + DAY;
    for (since, until) in [(now, None), (later, Some(later + DAY)), (now - DAY, Some(now - DAY))] {
        let refused = world.replays().begin(new(since, until), None).await;
        assert!(matches!(refused, Err(ReplayError::EmptyRange)), "{refused:?}");
    }
    let replay = world.replays().begin(new(now - DAY, Some(later)), None).await.unwrap();
    assert_eq!(replay.selection.until, now, "what is accepted later is not replayed");
}
