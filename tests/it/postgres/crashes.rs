//! Kills workers, the API and Postgres under load.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdev_webhooks_testkit::{Receiver, SeededEntropy, soak};
use rdev_webhooks_tests::{Deployment, Process};
use tokio::time::Instant;

use super::load::{publish, settled, tally};

const EVENTS: usize = 3_000;
const SEED: u64 = 20_250_115;
/// The most deliveries that one worker process has in flight to two webhooks.
const IN_FLIGHT: usize = 2 * 32;

async fn two_webhooks(deployment: &Deployment, receiver: &Receiver) {
    for path in ["/a", "/b"] {
        deployment.client().subscribe(receiver.url(path).as_str()).await;
    }
}

/// Waits until so many events have been accepted.
async fn reach(progress: &AtomicUsize, count: usize) {
    let mut tick = tokio::time::interval(Duration::from_millis(1));
    while progress.load(Ordering::Relaxed) < count {
        tick.tick().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_of_workers_api_and_postgres_lose_no_event() {
    for round in 0..soak(1) {
        lose_no_event_across_kills(SEED + round as u64).await;
    }
}

async fn lose_no_event_across_kills(seed: u64) {
    let deployment = Deployment::start().await;
    let receiver = Receiver::accepting().await;
    let mut api = deployment.api().await;
    let mut workers = [deployment.worker().await, deployment.worker().await];
    two_webhooks(&deployment, &receiver).await;

    let progress = Arc::new(AtomicUsize::new(0));
    let client = deployment.client();
    let counted = Arc::clone(&progress);
    let publishing = tokio::spawn(async move { publish(&client, EVENTS, &counted).await });

    let chance = SeededEntropy::new(seed);
    let mut at = 0;
    let mut next = |step: usize| {
        at += step / 2 + chance.below(step);
        at
    };
    for kill in 0..3 {
        reach(&progress, next(450)).await;
        let fresh = deployment.worker().await;
        std::mem::replace(&mut workers[kill % 2], fresh).kill().await;
    }
    reach(&progress, next(450)).await;
    api.kill().await;
    api = deployment.api().await;
    reach(&progress, next(450)).await;
    deployment.postgres.stop_immediate().await;
    deployment.postgres.restart().await;

    let accepted = publishing.await.unwrap();
    let recovering = Instant::now();
    // A delivery that a killed worker had sent but not settled is sent again after its lease has expired.
    settled(&deployment.client()).await;
    let tally = tally(&receiver, &["/a", "/b"], &accepted, Duration::from_secs(90)).await;
    println!(
        "seed {seed}: {} accepted, {} lost, {} duplicates over 3 worker kills, 1 API kill and 1 Postgres crash; all there \
         {:.1} s after the last was published (a lease is 32 s)",
        accepted.len(),
        tally.lost,
        tally.duplicates,
        recovering.elapsed().as_secs_f64()
    );
    assert!(accepted.len() >= EVENTS);
    assert_eq!(tally.lost, 0);
    // Deliveries in flight when a worker was killed, or claimed and unsettled when Postgres crashed under
    // both.
    assert!(tally.duplicates <= (3 + 2) * IN_FLIGHT, "{} duplicates", tally.duplicates);
    stop_all(api, workers).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_undisturbed_workers_deliver_everything_once() {
    let deployment = Deployment::start().await;
    let receiver = Receiver::accepting().await;
    let api = deployment.api().await;
    let workers = [deployment.worker().await, deployment.worker().await];
    two_webhooks(&deployment, &receiver).await;
    let progress = Arc::new(AtomicUsize::new(0));
    let accepted = publish(&deployment.client(), EVENTS, &progress).await;
    let tally = tally(&receiver, &["/a", "/b"], &accepted, Duration::from_secs(60)).await;
    settled(&deployment.client()).await;
    println!("{} accepted, {} lost, {} duplicates", accepted.len(), tally.lost, tally.duplicates);
    assert_eq!((tally.lost, tally.duplicates), (0, 0));
    stop_all(api, workers).await;
}

async fn stop_all(api: Process, workers: [Process; 2]) {
    for process in workers.into_iter().chain([api]) {
        assert!(process.stop().await.success());
    }
}
