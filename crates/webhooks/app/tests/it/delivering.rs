//! The worker: retries, caps, rates, isolation, stopping.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, WebhookRepository};
use rdev_webhooks_domain::{
    Access, DeliveryState, DeliveryStatus, FailureClass, FailureReason, PageRequest, RateLimit, Trigger,
    WebhookState,
};
use rdev_webhooks_testkit::TokioClock;
use tokio::time::Instant;

use crate::support::{Answer, World, pass};

fn seconds(from: Instant, to: Instant) -> f64 {
    (to - from).as_secs_f64()
}

#[tokio::test(start_paused = true)]
async fn a_failed_attempt_is_retried_after_five_and_ten_seconds() {
    let world = World::new(|_, number| Answer::Status(if number < 3 { 500 } else { 200 }));
    world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default());
    world.publish().await;
    world.until_all(DeliveryStatus::Succeeded).await;
    worker.stop().await;

    let sent = world.dispatcher.sent();
    assert_eq!(sent.len(), 3);
    let (first, second) = (seconds(sent[0].0, sent[1].0), seconds(sent[1].0, sent[2].0));
    assert!((5.0..5.6).contains(&first), "{first}");
    assert!((10.0..11.1).contains(&second), "{second}");
    let header = |n: usize, name: &str| sent[n].1.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header(0, "webhook-id"), header(2, "webhook-id"));
    assert_ne!(header(0, "webhook-timestamp"), header(1, "webhook-timestamp"));
    assert_ne!(header(0, "webhook-signature"), header(1, "webhook-signature"));
    assert_eq!([header(0, "x-rdev-attempt"), header(2, "x-rdev-attempt")], ["1", "3"]);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_fails_after_three_attempts_and_can_be_redelivered() {
    let world = World::new(|_, number| Answer::Status(if number < 4 { 500 } else { 200 }));
    world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default());
    world.publish().await;
    world.until_all(DeliveryStatus::Failed).await;
    let delivery = world.deliveries().await.remove(0);
    assert_eq!(delivery.attempts, 3);
    assert!(matches!(delivery.state, DeliveryState::Failed { reason: FailureReason::AttemptsExhausted, .. }));

    world.store.redeliver(Access::everything(), delivery.id, &Trigger::Manual.into()).await.unwrap().unwrap();
    world.until_all(DeliveryStatus::Succeeded).await;
    worker.stop().await;
    let page = PageRequest { limit: 10, before: None };
    let attempts = world.store.attempts(delivery.id, page).await.unwrap().items;
    let made: Vec<_> =
        attempts.iter().map(|attempt| (attempt.number, attempt.trigger, attempt.outcome.status())).collect();
    let automatic = |number| (number, Trigger::Automatic, Some(500));
    assert_eq!(made, [(4, Trigger::Manual, Some(200)), automatic(3), automatic(2), automatic(1)]);
}

#[tokio::test(start_paused = true)]
async fn a_hundred_silent_webhooks_do_not_delay_a_working_one() {
    let world = World::new(|request, _| match request.url.port() {
        1 => Answer::Hang,
        _ => Answer::Status(200),
    });
    world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:2/".parse().unwrap()).await;
    let worker = world.start_worker(WorkerOptions::default());
    world.publish().await;
    world.until_all(DeliveryStatus::Succeeded).await;
    for _ in 0..100 {
        world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:1/".parse().unwrap()).await;
    }
    let sent_to = |port| world.dispatcher.sent().iter().filter(|(_, sent)| sent.url.port() == port).count();
    let mut slowest = Duration::ZERO;
    for number in 2..=50 {
        let published = Instant::now();
        world.publish().await;
        while sent_to(2) < number {
            pass(Duration::from_millis(1)).await;
        }
        slowest = slowest.max(published.elapsed());
        pass(Duration::from_millis(10)).await;
    }
    assert!(slowest < Duration::from_millis(50), "{slowest:?}");
    assert!((100..=400).contains(&sent_to(1)), "each gets its window and no more: {}", sent_to(1));
    worker.kill().await;
}

#[tokio::test(start_paused = true)]
async fn a_silent_webhook_delays_no_other() {
    let world = World::new(|request, _| match request.url.port() {
        1 => Answer::Hang,
        _ => Answer::Status(200),
    });
    world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:1/".parse().unwrap()).await;
    world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:2/".parse().unwrap()).await;
    let worker = world.start_worker(WorkerOptions::default().with_workers(2));
    let mut slowest = Duration::ZERO;
    for number in 1..=200 {
        let published = Instant::now();
        world.publish().await;
        while world.dispatcher.sent().iter().filter(|(_, sent)| sent.url.port() == 2).count() < number {
            pass(Duration::from_millis(1)).await;
        }
        slowest = slowest.max(published.elapsed());
    }
    assert!(slowest < Duration::from_millis(50), "{slowest:?}");
    worker.abort.cancel();
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_webhooks_own_cap_is_respected() {
    let world = World::new(|_, _| Answer::StatusAfter(200, Duration::from_secs(1)));
    world.webhook(|webhook| webhook.settings.max_in_flight = NonZeroU32::new(2)).await;
    let worker = world.start_worker(WorkerOptions::default());
    let started = Instant::now();
    for _ in 0..10 {
        world.publish().await;
    }
    world.until_all(DeliveryStatus::Succeeded).await;
    assert!(started.elapsed() >= Duration::from_secs(5), "ten seconds of work, two at a time");
    assert!(started.elapsed() < Duration::from_secs(6), "no slot stays empty: {:?}", started.elapsed());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn deliveries_that_are_claimed_ahead_are_sent_within_the_cap() {
    const CAP: usize = 32;
    let takes = Duration::from_millis(5);
    let world = World::new(move |_, _| Answer::StatusAfter(200, takes));
    world.webhook(|_| {}).await;
    for _ in 0..500 {
        world.publish().await;
    }
    let worker = world.start_worker(WorkerOptions::default());
    let (mut claimed_at_once, mut left) = (0, 500);
    while left > 0 {
        pass(Duration::from_millis(1)).await;
        let deliveries = world.deliveries().await;
        let count = |status| deliveries.iter().filter(|delivery| delivery.state.status() == status).count();
        claimed_at_once = claimed_at_once.max(count(DeliveryStatus::InFlight));
        left = 500 - count(DeliveryStatus::Succeeded);
    }
    assert!(claimed_at_once > 2 * CAP, "{claimed_at_once} at once");
    let sent = world.dispatcher.sent();
    let first_of_many = sent.windows(CAP + 1).find(|sent| sent[CAP].0 < sent[0].0 + takes);
    assert!(first_of_many.is_none(), "more than {CAP} are under way");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_rate_limit_is_respected_and_fully_used() {
    let world = World::new(|_, _| Answer::Status(200));
    world.webhook(|webhook| webhook.settings.rate_limit = RateLimit::per_second(10.0)).await;
    let worker = world.start_worker(WorkerOptions::default());
    let started = Instant::now();
    for _ in 0..51 {
        world.publish().await;
    }
    world.until_all(DeliveryStatus::Succeeded).await;
    let took = started.elapsed().as_secs_f64();
    assert!((4.9..5.6).contains(&took), "{took}");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn webhooks_beyond_the_first_page_are_served() {
    let world = World::new(|_, _| Answer::Status(200));
    for _ in 0..600 {
        world.webhook(|_| {}).await;
    }
    world.publish().await;
    let worker = world.start_worker(WorkerOptions::default());
    let started = Instant::now();
    world.until_all(DeliveryStatus::Succeeded).await;
    assert!(started.elapsed() < Duration::from_millis(100), "{:?}", started.elapsed());
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn gone_disables_the_webhook() {
    let world = World::new(|_, _| Answer::Status(410));
    let webhook = world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default());
    world.publish().await;
    world.until_all(DeliveryStatus::Failed).await;
    worker.stop().await;
    let webhook =
        WebhookRepository::get(&*world.store, Access::everything(), webhook.id).await.unwrap().unwrap();
    assert!(matches!(webhook.state, WebhookState::Disabled { .. }));
    assert_eq!(world.dispatcher.sent().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_drain_finishes_deliveries_in_flight_and_claims_no_more() {
    let world = World::new(|_, _| Answer::StatusAfter(200, Duration::from_secs(3)));
    world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default());
    world.publish().await;
    pass(Duration::from_secs(1)).await;
    worker.drain.cancel();
    world.publish().await;
    let stopping = Instant::now();
    worker.stop().await;
    assert_eq!(stopping.elapsed().as_secs(), 2);
    let statuses: Vec<_> = world.deliveries().await.iter().map(|delivery| delivery.state.status()).collect();
    assert_eq!(statuses, [DeliveryStatus::Pending, DeliveryStatus::Succeeded]);
}

#[tokio::test(start_paused = true)]
async fn an_abort_releases_deliveries_in_flight_at_once() {
    let world = World::new(|_, _| Answer::Hang);
    world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default());
    world.publish().await;
    pass(Duration::from_secs(1)).await;
    assert_eq!(world.deliveries().await[0].state.status(), DeliveryStatus::InFlight);
    worker.abort.cancel();
    worker.stop().await;
    let delivery = world.deliveries().await.remove(0);
    assert_eq!(delivery.state.status(), DeliveryStatus::Retrying);
    assert!(delivery.state.next_attempt_at().unwrap() <= world.ambient.clock.now());
    let page = PageRequest { limit: 10, before: None };
    let attempts = DeliveryHistory::attempts(&*world.store, delivery.id, page).await.unwrap().items;
    assert_eq!(attempts.len(), 1, "the history contains the interrupted attempt");
    let failure = attempts[0].outcome.failure.as_ref().unwrap();
    assert_eq!((failure.class, attempts[0].duration.as_secs()), (FailureClass::Abandoned, 1));
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_panics_is_repeated_and_affects_no_other() {
    let world = World::new(|_, number| if number == 1 { Answer::Panic } else { Answer::Status(200) });
    world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default().with_workers(1));
    world.publish().await;
    world.publish().await;
    world.until_all(DeliveryStatus::Succeeded).await;
    worker.stop().await;
    assert_eq!(world.dispatcher.sent().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_delivery_that_kills_every_worker_fails() {
    let world = World::new(|_, _| Answer::Panic);
    world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default());
    world.publish().await;
    world.until_all(DeliveryStatus::Failed).await;
    worker.stop().await;
    let delivery = world.deliveries().await.remove(0);
    assert!(matches!(delivery.state, DeliveryState::Failed { reason: FailureReason::Abandoned, .. }));
    assert_eq!(world.dispatcher.sent().len(), 6);
}

#[tokio::test(start_paused = true)]
async fn a_worker_with_a_wrong_clock_respects_a_retry_after_date() {
    for clock in ["2025-01-15T09:30:00Z", "2025-01-15T10:30:00Z", "2025-01-15T11:30:00Z"] {
        // The clocks of the store and the endpoint show 10:30:00. The response has no `Date`.
        let mut world = World::new(|_, number| match number {
            1 => Answer::RetryAfter("Wed, 15 Jan 2025 10:30:40 GMT".to_owned()),
            _ => Answer::Status(200),
        });
        world.ambient.clock = Arc::new(TokioClock::starting_at(clock.parse().unwrap()));
        world.webhook(|_| {}).await;
        let worker = world.start_worker(WorkerOptions::default());
        world.publish().await;
        world.until_all(DeliveryStatus::Succeeded).await;
        let sent = world.dispatcher.sent();
        let waited = sent[1].0 - sent[0].0;
        let wanted = Duration::from_secs(39)..Duration::from_secs(42);
        assert!(wanted.contains(&waited), "{waited:?} with a worker at {clock}");
        worker.stop().await;
    }
}
