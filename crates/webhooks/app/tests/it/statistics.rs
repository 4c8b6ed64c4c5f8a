//! The statistics that a worker records.

use std::time::Duration;

use rdev_webhooks_app::deliver::WorkerOptions;
use rdev_webhooks_domain::statistics::{Counters, StatisticsWindow};
use rdev_webhooks_domain::{Access, DeliveryStatus, FailureClass, WebhookId};

use crate::support::{Answer, World, pass};

async fn sums(world: &World, webhook: WebhookId) -> Counters {
    world.statistics.read(Access::everything(), webhook, StatisticsWindow::DAY, None).await.unwrap().sums
}

#[tokio::test(start_paused = true)]
async fn every_delivery_and_attempt_is_counted_once() {
    // The first attempt of every event fails.
    let world = World::new(|request, _| {
        let first = request.headers["x-rdev-attempt"] == "1";
        Answer::StatusAfter(if first { 500 } else { 200 }, Duration::from_millis(20))
    });
    let webhooks = [world.webhook(|_| {}).await.id, world.webhook(|_| {}).await.id];
    let worker = world.start_worker(WorkerOptions::default());
    for _ in 0..40 {
        world.publish().await;
    }
    world.until_all(DeliveryStatus::Succeeded).await;
    pass(Duration::from_secs(2)).await;
    for webhook in webhooks {
        let sums = sums(&world, webhook).await;
        assert_eq!((sums.succeeded, sums.failed, sums.retries), (40, 0, 40));
        assert_eq!((sums.attempts.total(), sums.attempts.succeeded()), (80, 40));
        assert_eq!((sums.latency.total(), sums.time_to_success.total()), (40, 40));
        let latency = sums.latency.quantile(0.99).unwrap();
        assert!(latency.abs_diff(Duration::from_millis(20)) <= Duration::from_micros(2_500), "{latency:?}");
        let took = sums.time_to_success.quantile(0.5).unwrap();
        assert!((Duration::from_secs(4)..Duration::from_secs(7)).contains(&took), "{took:?}");
    }
    worker.stop().await;
}

#[tokio::test(start_paused = true)]
async fn an_abandoned_attempt_is_counted_by_the_worker_that_leases_the_delivery_again() {
    let world = World::new(|_, number| if number == 1 { Answer::Hang } else { Answer::Status(200) });
    let webhook = world.webhook(|_| {}).await.id;
    let first = world.start_worker(WorkerOptions::default());
    world.publish().await;
    pass(Duration::from_secs(1)).await;
    first.kill().await;
    let second = world.start_worker(WorkerOptions::default());
    world.until_all(DeliveryStatus::Succeeded).await;
    pass(Duration::from_secs(2)).await;
    let sums = sums(&world, webhook).await;
    let failed: Vec<_> = sums.attempts.failed().filter(|(_, count)| *count > 0).collect();
    assert_eq!(failed, [(FailureClass::Abandoned, 1)]);
    assert_eq!((sums.succeeded, sums.attempts.total()), (1, 2));
    second.stop().await;
}
