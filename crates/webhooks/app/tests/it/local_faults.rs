//! Attempts that this host could not make.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_domain::ports::WebhookRepository;
use rdev_webhooks_domain::{Access, DeliveryStatus, Health, WebhookState};

use crate::support::{Answer, World, pass};

#[tokio::test(start_paused = true)]
async fn a_local_fault_costs_no_attempt_and_is_retried_at_a_bounded_rate() {
    let has_fault = Arc::new(AtomicBool::new(true));
    let fault = Arc::clone(&has_fault);
    let world = World::new(move |_, _| match fault.load(Ordering::Relaxed) {
        true => Answer::LocalFault,
        false => Answer::Status(200),
    });
    let webhook = world.webhook(|_| {}).await;
    let worker = world.start_worker(WorkerOptions::default());
    for _ in 0..20 {
        world.publish().await;
    }
    pass(Duration::from_secs(60 * 60)).await;

    // A window of four deliveries, at 0, 1, 3, 7, 15 s and then every 10 s.
    let tries = world.dispatcher.sent().len();
    assert!((1_300..=1_520).contains(&tries), "{tries} tries in an hour");
    for delivery in world.deliveries().await {
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Pending, 0));
    }
    let stored =
        WebhookRepository::get(&*world.store, Access::everything(), webhook.id).await.unwrap().unwrap();
    assert_eq!(stored.state, WebhookState::Enabled);
    let health = world.store.health(&[webhook.id]).await.unwrap();
    assert_eq!(health, [Health::default()], "the endpoint's health is unaffected");

    has_fault.store(false, Ordering::Relaxed);
    world.until_all(DeliveryStatus::Succeeded).await;
    assert!(world.deliveries().await.iter().all(|delivery| delivery.attempts == 1));
    let (_, last) = world.dispatcher.sent().pop().unwrap();
    assert_eq!(last.headers["x-rdev-attempt"], "1");
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_local_fault_of_one_webhook_pauses_no_other() {
    let world = World::new(|request, _| match request.url.port() {
        1 => Answer::LocalFault,
        _ => Answer::Status(200),
    });
    world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:1/".parse().unwrap()).await;
    world.webhook(|webhook| webhook.settings.url = "http://127.0.0.1:2/".parse().unwrap()).await;
    let worker = world.start_worker(WorkerOptions::default());
    for n in 1..=50 {
        world.publish().await;
        pass(Duration::from_millis(100)).await;
        let arrived = world.dispatcher.sent().iter().filter(|(_, one)| one.url.port() == 2).count();
        assert_eq!(arrived, n);
    }
    worker.stop().await;
}
