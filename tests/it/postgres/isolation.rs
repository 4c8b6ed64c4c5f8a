//! Good endpoints beside bad ones.

use std::time::Duration;

use http::Method;
use rdev_webhooks_testkit::{Hostile, Malice, Receiver};
use rdev_webhooks_tests::Deployment;
use tokio::time::Instant;

const EVENTS: usize = 200;
const GOOD: usize = 6;
/// The interval between two events; a run publishes for five seconds.
const PERIOD: Duration = Duration::from_millis(25);

/// Publishes at a steady rate to the good endpoints and to the given number of bad ones of each kind; checks
/// that the good ones receive every event.
async fn good_ones_get_everything_beside(bad_ones_of_each_kind: usize) {
    let deployment = Deployment::start().await;
    let _api = deployment.api().await;
    let worker = deployment.worker_with(&[]).await;
    let client = deployment.client();
    let mut hostile = Vec::new();
    for malice in Malice::ALL {
        for _ in 0..bad_ones_of_each_kind {
            let endpoint = Hostile::start(malice).await;
            client.subscribe(endpoint.url()).await;
            hostile.push(endpoint);
        }
    }
    let mut good = Vec::new();
    for _ in 0..GOOD {
        let receiver = Receiver::accepting().await;
        client.subscribe(receiver.url("/").as_str()).await;
        good.push(receiver);
    }

    let mut published = Vec::new();
    let mut tick = tokio::time::interval(PERIOD);
    for _ in 0..EVENTS {
        tick.tick().await;
        let at = Instant::now();
        let body = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
        let answer = client.request(Method::POST, "/events", Some(body)).await.unwrap().expect(202);
        published.push((answer["id"].as_str().unwrap().to_owned(), at));
    }
    let mut delays = Vec::new();
    for receiver in &good {
        // Well under the deadline of the deliveries to bad endpoints.
        let requests = receiver.wait_for(EVENTS, Duration::from_secs(10)).await;
        assert_eq!(requests.len(), EVENTS, "each event once");
        for (id, at) in &published {
            let arrived = requests.iter().find(|request| request.header("webhook-id") == id).unwrap();
            delays.push(arrived.arrived_at.saturating_duration_since(*at));
        }
    }
    delays.sort();
    let peak = worker.peak_memory_mib();
    println!(
        "{} bad and {GOOD} good endpoints: p50 {:?}, p99 {:?}, worst {:?}; worker at most {peak} MiB",
        hostile.len(),
        delays[delays.len() / 2],
        delays[delays.len() * 99 / 100],
        delays[delays.len() - 1]
    );
    assert!(peak < 200, "the worker grew to {peak} MiB");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_bad_endpoints_keep_nothing_from_six_good_ones() {
    good_ones_get_everything_beside(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_bad_endpoints_keep_nothing_from_six_good_ones() {
    good_ones_get_everything_beside(13).await;
}
