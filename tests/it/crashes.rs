//! Kills the process: every event that was answered with 202 is delivered all the same.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use rdev_webhooks_domain::ports::Entropy;
use rdev_webhooks_testkit::receiver::Receiver;
use rdev_webhooks_testkit::{SeededEntropy, soak};
use rdev_webhooks_tests::{AllInOne, Client};
use tokio::sync::mpsc;

const KILLS: usize = 6;
const PUBLISHERS: usize = 8;
/// Number of accepted events before a kill.
const MIN_ACCEPTED: usize = 20;
const SEED: u64 = 20_250_115;

/// Publishes one event after the other until the server is gone; returns the ids of the accepted events.
async fn publish_until_killed(client: Client, progress: mpsc::UnboundedSender<()>) -> Vec<String> {
    let mut accepted = Vec::new();
    let body = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
    while let Ok(answer) = client.request(http::Method::POST, "/events", Some(body)).await {
        accepted.push(answer.expect(202)["id"].as_str().unwrap().to_owned());
        let _ = progress.send(());
    }
    accepted
}

#[tokio::test]
async fn every_accepted_event_is_delivered_across_repeated_kills() {
    for round in 0..soak(1) {
        lose_no_event_across_kills(SEED + round as u64).await;
    }
}

async fn lose_no_event_across_kills(seed: u64) {
    let entropy = SeededEntropy::new(seed);
    let entropy: &dyn Entropy = &entropy;
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::accepting().await;
    let mut server = AllInOne::start(folder.path()).await;
    server.client.subscribe(receiver.url("/").as_str()).await;

    let mut accepted = BTreeSet::new();
    for _ in 0..KILLS {
        let (progress, mut progressed) = mpsc::unbounded_channel();
        let publish = |_| tokio::spawn(publish_until_killed(server.client.clone(), progress.clone()));
        let publishers: Vec<_> = (0..PUBLISHERS).map(publish).collect();
        let life = Duration::from_millis(100 + u64::from(entropy.bytes::<1>()[0]) * 2);
        // The lifetime of the process is the test's input, not a wait for a condition.
        tokio::time::timeout(life, std::future::pending::<()>()).await.unwrap_err();
        // On a busy machine it lasts until enough events are accepted.
        let enough = async {
            for _ in 0..MIN_ACCEPTED {
                progressed.recv().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(60), enough).await.expect("the process accepts events");
        server.kill().await;
        for publisher in publishers {
            accepted.extend(publisher.await.unwrap());
        }
        server = AllInOne::start(folder.path()).await;
    }

    let done = |page: &serde_json::Value| page["data"].as_array().is_some_and(Vec::is_empty);
    for status in ["pending", "in_flight", "retrying"] {
        server.client.until(&format!("/deliveries?status={status}"), done).await;
    }
    let mut deliveries: BTreeMap<String, usize> = BTreeMap::new();
    for request in receiver.requests() {
        *deliveries.entry(request.header("webhook-id").to_owned()).or_default() += 1;
    }
    let lost: Vec<_> = accepted.iter().filter(|id| !deliveries.contains_key(*id)).collect();
    let repeated = deliveries.values().filter(|count| **count > 1).count();
    println!(
        "seed {seed}: {} accepted, {} lost, {repeated} repeated over {KILLS} kills",
        accepted.len(),
        lost.len()
    );
    assert!(accepted.len() >= KILLS * MIN_ACCEPTED);
    assert_eq!(lost, Vec::<&String>::new());
    // Only deliveries in flight at a kill may arrive twice: at most as many as the pool has slots.
    assert!(repeated <= KILLS * 32, "{repeated} were repeated");
    let failed = server.client.get("/deliveries?status=failed").await;
    assert_eq!(failed["data"].as_array().unwrap().len(), 0);
}
