//! Replays beside live deliveries.

use std::time::Duration;

use rdev_access::Ids;
use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_app::{NewReplay, ReplayError, ReplayRunner, Replays};
use rdev_webhooks_domain::ports::{DeliveryQueue, EventRepository};
use rdev_webhooks_domain::replay::MAX_WINDOW;
use rdev_webhooks_domain::{
    Access, Claim, ClaimShare, DeliveryOutcome, DeliveryStatus, FailureReason, HealthEffect, NewEvent,
    Replay, ReplayState, Settled, Settlement, Target, Timestamp, WebhookId,
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

    /// Starts a replay of all failed deliveries.
    async fn replay_all(&self, webhook: WebhookId) -> Result<Replay, ReplayError> {
        let status = DeliveryOutcome::Failed.into();
        let new = NewReplay { webhook, since: Timestamp::EPOCH, until: None, status, projects: None };
        self.replays().begin(Access::everything(), new, Ids::fresh()).await
    }

    /// Starts the task that runs replays; the token ends it.
    fn start_replaying(&self) -> (JoinHandle<()>, CancellationToken) {
        let drain = CancellationToken::new();
        (tokio::spawn(ReplayRunner::new(self.store.clone()).run(drain.clone())), drain)
    }

    /// Lets time pass until a replay has ended.
    async fn until_ended(&self, replay: &Replay) -> Replay {
        let ended = async {
            loop {
                let replay = self.replays().get(Access::everything(), replay.id).await.unwrap();
                if replay.state != ReplayState::Running {
                    return replay;
                }
                pass(Duration::from_secs(1)).await;
            }
        };
        tokio::time::timeout(DAY, ended).await.expect("the replay ends")
    }

    /// Creates a webhook with this number of failed deliveries.
    async fn webhook_with_failed(&self, count: u32) -> WebhookId {
        let webhook = self.webhook(|_| {}).await.id;
        self.publish_many(webhook, count as usize).await;
        let share = ClaimShare { webhook, take: count, lease_for: DAY, is_limited: true };
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
        // The events must have been accepted before now.
        pass(Duration::from_secs(1)).await;
        webhook
    }

    /// Publishes this number of events to one webhook.
    async fn publish_many(&self, webhook: WebhookId, count: usize) {
        let now = self.ambient.clock.now();
        let event =
            || NewEvent { target: Target::Webhook(webhook), ..samples::event(&*self.ambient.entropy, now) };
        let events: Vec<_> = (0..count).map(|_| event()).collect();
        self.store.publish(&events).await.unwrap();
    }
}

/// Creates a world whose endpoint responds after `took`.
fn slow_endpoint(took: Duration) -> World {
    World::new(move |_, _| Answer::StatusAfter(200, took))
}

#[tokio::test(start_paused = true)]
async fn a_live_event_waits_behind_at_most_a_hundred_deliveries_of_a_replay() {
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
    // The event waits for what was in the queue before it, and for nothing that the replay queues later.
    assert!(waited.iter().all(|place| *place <= MAX_WINDOW as usize), "{waited:?}");
    assert!(waited.iter().any(|place| *place > 0), "the replay goes on in between: {waited:?}");

    let replay = world.until_ended(&replay).await;
    assert!(matches!(replay.state, ReplayState::Completed { .. }), "{replay:?}");
    assert_eq!((replay.queued, replay.succeeded), (u64::from(FAILED), u64::from(FAILED)));
    drain.cancel();
    replaying.await.unwrap();
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_live_event_waits_behind_few_deliveries_of_a_replay_that_a_slow_endpoint_refuses() {
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
        // Four are sent at once: those in flight, and at most two rounds of the waiting ones.
        pass(Duration::from_secs(15)).await;
        let sent = world.dispatcher.sent();
        assert!(sent[before..].iter().any(|(_, request)| request.body == body), "it was sent within 15 s");
    }
    let so_far = world.replays().get(Access::everything(), replay.id).await.unwrap();
    assert!(so_far.failed > 100 && so_far.state == ReplayState::Running, "the replay goes on: {so_far:?}");
    drain.cancel();
    replaying.await.unwrap();
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_replay_to_a_fast_endpoint_runs_at_the_full_rate() {
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
async fn another_process_continues_a_replay_where_a_killed_one_stopped() {
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
    let so_far = world.replays().get(Access::everything(), replay.id).await.unwrap();
    assert!((100..1_000).contains(&so_far.queued), "the replay has begun and not ended: {so_far:?}");
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
async fn a_replay_of_an_empty_range_is_refused() {
    let world = slow_endpoint(Duration::ZERO);
    let webhook = world.webhook(|_| {}).await;
    let now = world.ambient.clock.now();
    let new = |since, until| NewReplay {
        webhook: webhook.id,
        since,
        until,
        status: DeliveryOutcome::Failed.into(),
        projects: None,
    };
    let later = now + DAY;
    for (since, until) in [(now, None), (later, Some(later + DAY)), (now - DAY, Some(now - DAY))] {
        let refused = world.replays().begin(Access::everything(), new(since, until), Ids::fresh()).await;
        assert!(matches!(refused, Err(ReplayError::EmptyRange)), "{refused:?}");
    }
    let replay =
        world.replays().begin(Access::everything(), new(now - DAY, Some(later)), Ids::fresh()).await.unwrap();
    assert_eq!(replay.selection.until, now, "events accepted later are not replayed");
}
