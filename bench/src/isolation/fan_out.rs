//! Batches with the most deliveries that the API accepts at once.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tokio::task::JoinSet;

use super::crowd::{Attack, CROWD_ADDRESS, CROWD_EVENT};
use crate::Outcome;
use crate::connection::{Connection, request};
use crate::report::grouped;
use crate::system::{API_KEY, subscribe_all};

const WEBHOOKS: usize = 1_000;

/// The most events in a batch.
const MAX_BATCH_EVENTS: usize = 1_000;

/// The pause after a batch that got a server error.
const PAUSE: Duration = Duration::from_millis(100);

/// The results of the batches.
#[derive(Default)]
struct Batches {
    accepted: AtomicU64,
    deliveries: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    slowest_ms: AtomicU64,
}

/// Creates webhooks that hardly ever receive a delivery, so that only publishing costs.
pub(super) async fn prepare(api: SocketAddr, endpoint: SocketAddr) -> Outcome<()> {
    let webhook = |number| {
        let url = format!("http://127.0.0.1:{}/{number}", endpoint.port());
        format!(r#"{{"url":"{url}","events":["{CROWD_EVENT}"],"rate_limit":0.001}}"#)
    };
    subscribe_all(api, (0..WEBHOOKS).map(webhook).collect()).await
}

/// Publishes one batch after the other; halves the batch size whenever a batch is too large.
pub(super) fn begin(api: SocketAddr) -> Attack {
    let batches = Arc::new(Batches::default());
    let mut tasks = JoinSet::new();
    let told = Arc::clone(&batches);
    tasks.spawn(async move {
        let mut events = MAX_BATCH_EVENTS;
        while events > 0 {
            events = match publish(api, events, &told).await {
                Ok(202) => events,
                Ok(422) => events / 2,
                _ => {
                    tokio::time::sleep(PAUSE).await;
                    events
                }
            };
        }
    });
    let note = Box::new(move || {
        let count = |counter: &AtomicU64| grouped(counter.load(Relaxed) as f64);
        if batches.accepted.load(Relaxed) == 0 {
            return Err("no large batch was accepted".into());
        }
        Ok(format!(
            "; {} batches with {} deliveries accepted, the slowest after {} ms, {} too large, {} failed",
            count(&batches.accepted),
            count(&batches.deliveries),
            count(&batches.slowest_ms),
            count(&batches.refused),
            count(&batches.failed)
        ))
    });
    Attack { tasks, note }
}

/// Publishes a batch and returns the status.
async fn publish(api: SocketAddr, events: usize, batches: &Batches) -> Outcome<u16> {
    let event = format!(r#"{{"event":"{CROWD_EVENT}","data":{{}}}}"#);
    let body = format!(r#"{{"events":[{}]}}"#, vec![event; events].join(","));
    let began = Instant::now();
    let connection = Connection::open_from(CROWD_ADDRESS, api).await?;
    let answer = connection.status_of(&request(api, API_KEY, "POST", "/events/batch", &body)).await;
    let status = *answer.as_ref().unwrap_or(&0);
    let counter = match status {
        202 => &batches.accepted,
        422 => &batches.refused,
        _ => &batches.failed,
    };
    counter.fetch_add(1, Relaxed);
    if status == 202 {
        batches.deliveries.fetch_add((events * WEBHOOKS) as u64, Relaxed);
        batches.slowest_ms.fetch_max(u64::try_from(began.elapsed().as_millis())?, Relaxed);
    }
    answer
}
