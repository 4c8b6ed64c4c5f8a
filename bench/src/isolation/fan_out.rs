//! Batches that make as many deliveries as the API accepts at once.

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

/// The most events that a batch may have.
const MAX_BATCH_EVENTS: usize = 1_000;

/// How long to wait after a batch that was answered with an error of the server's.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of the batches.
#[derive(Default)]
struct Batches {
    accepted: AtomicU64,
    deliveries: AtomicU64,
    refused: AtomicU64,
    failed: AtomicU64,
    slowest_ms: AtomicU64,
}

/// Makes webhooks that hardly ever get anything, so that it is the publishing alone that costs.
pub(super) async fn prepare(api: SocketAddr, endpoint: SocketAddr) -> Outcome<()> {
    let webhook = |number| {
        let url = format!("http://127.0.0.1:{}/{number}", endpoint.port());
        format!(r#"{{"url":"{url}","events":["{CROWD_EVENT}"],"rate_limit":0.001}}"#)
    };
    subscribe_all(api, (0..WEBHOOKS).map(webhook).collect()).await
}

/// Publishes one batch after the other, half as many events at a time whenever that is too much.
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

/// Publishes a batch, and answers the status.
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
