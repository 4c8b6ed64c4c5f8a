//! Publishes at a steady concurrency and counts the arrivals.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use http::Method;
use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_tests::Client;
use tokio::task::JoinSet;
use tokio::time::Instant;

const PUBLISHERS: usize = 16;

/// Publishes until `count` events have been accepted; replaces an event that was not accepted by a new one.
/// `progress` counts the accepted events.
pub(super) async fn publish(client: &Client, count: usize, progress: &Arc<AtomicUsize>) -> BTreeSet<String> {
    let mut publishers = JoinSet::new();
    for _ in 0..PUBLISHERS {
        let (client, progress) = (client.clone(), Arc::clone(progress));
        publishers.spawn(async move {
            let mut accepted = Vec::new();
            let body = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
            while progress.load(Ordering::Relaxed) < count {
                match client.request(Method::POST, "/events", Some(body)).await {
                    Ok(answer) if answer.status == 202 => {
                        progress.fetch_add(1, Ordering::Relaxed);
                        accepted.push(answer.body["id"].as_str().unwrap().to_owned());
                    }
                    // The API, or the database behind it, is unavailable for a moment.
                    Ok(answer) => {
                        assert_eq!(answer.status, 503, "{:#}", answer.body);
                        tokio::task::yield_now().await;
                    }
                    Err(_) => tokio::task::yield_now().await,
                }
            }
            accepted
        });
    }
    publishers.join_all().await.into_iter().flatten().collect()
}

/// The result of a run.
#[derive(Debug)]
pub(super) struct Tally {
    pub(super) lost: usize,
    pub(super) duplicates: usize,
}

/// Waits until every accepted event has arrived at each path, and counts the arrivals.
pub(super) async fn tally(
    receiver: &Receiver,
    paths: &[&str],
    accepted: &BTreeSet<String>,
    deadline: Duration,
) -> Tally {
    let until = Instant::now() + deadline;
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    loop {
        tick.tick().await;
        let mut arrived: BTreeMap<(String, String), usize> = BTreeMap::new();
        for request in receiver.requests() {
            let id = request.header("webhook-id").to_owned();
            *arrived.entry((request.path.clone(), id)).or_default() += 1;
        }
        let lost = paths
            .iter()
            .flat_map(|path| accepted.iter().map(|id| ((*path).to_owned(), id.clone())))
            .filter(|expected| !arrived.contains_key(expected))
            .count();
        if lost == 0 || Instant::now() > until {
            let duplicates = arrived.values().map(|count| count - 1).sum();
            return Tally { lost, duplicates };
        }
    }
}

/// Waits until every delivery has finished: those of a killed worker after their lease of 32 s has expired.
pub(super) async fn settled(client: &Client) {
    let deadline = Duration::from_secs(90);
    for status in ["pending", "in_flight", "retrying"] {
        let none = |page: &serde_json::Value| page["data"].as_array().is_some_and(Vec::is_empty);
        client.until_within(deadline, &format!("/deliveries?limit=1&status={status}"), none).await;
    }
}
