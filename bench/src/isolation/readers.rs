//! Slow listings, with an API key that may do nothing else.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

use serde_json::Value;
use tokio::task::JoinSet;

use super::crowd::{Attack, CROWD_ADDRESS};
use crate::Outcome;
use crate::connection::{Connection, request};
use crate::report::grouped;
use crate::system::API_KEY;

/// The event type of the history that the listings search: no webhook subscribes to it.
const HISTORY_EVENT: &str = "command.started";
const HISTORY_BATCHES: usize = 200;
const BATCH_EVENTS: usize = 1_000;
const WRITERS: usize = 4;

/// The number of concurrent readers, divided among the habits. Each reads repeatedly.
const READERS: usize = 40;

/// A listing that matches nothing in the history.
const SEARCH: &str = "/events?event=command.started&project=nobody&limit=100";
/// A listing that matches the whole history.
const PAGE: &str = "/events?event=command.started&limit=100";

/// The time for which a reader waits for its response, leaves responses unread, or stays before it
/// disconnects.
const WAIT: Duration = Duration::from_secs(12);
const UNREAD: Duration = Duration::from_secs(2);
const SHORT: Duration = Duration::from_millis(50);

/// The pages requested on a connection that reads none.
const UNREAD_PAGES: usize = 20;

/// The behaviour of a reader.
#[derive(Clone, Copy)]
enum Habit {
    /// Waits for its response.
    Waits,
    /// Sends a request and disconnects a moment later.
    Leaves,
    /// Requests many pages and reads none.
    ReadsNothing,
}

/// Publishes the history.
pub(super) async fn prepare(api: SocketAddr) -> Outcome<()> {
    let event =
        format!(r#"{{"event":"{HISTORY_EVENT}","data":{{"project":"history","summary":"ran 128 steps"}}}}"#);
    let body = format!(r#"{{"events":[{}]}}"#, vec![event; BATCH_EVENTS].join(","));
    let batch = Arc::new(request(api, API_KEY, "POST", "/events/batch", &body));
    let mut tasks = JoinSet::new();
    for _ in 0..WRITERS {
        let batch = Arc::clone(&batch);
        tasks.spawn(async move {
            for _ in 0..HISTORY_BATCHES / WRITERS {
                // One connection per batch: the response lists all ids, and exceeds a connection's buffer.
                let status = Connection::open(api).await?.status_of(&batch).await?;
                if status != 202 {
                    return Err(format!("the history was answered {status}").into());
                }
            }
            Outcome::Ok(())
        });
    }
    while let Some(ended) = tasks.join_next().await {
        ended??;
    }
    Ok(())
}

/// Starts all readers.
pub(super) async fn begin(api: SocketAddr) -> Outcome<Attack> {
    let key = request(api, API_KEY, "POST", "/api-keys", r#"{"scopes":["webhooks:read"]}"#);
    let mut connection = Connection::open(api).await?;
    let answer: Value = serde_json::from_slice(connection.exchange(&key).await?.body)?;
    let key: Arc<str> = answer["key"].as_str().ok_or("no key was made")?.into();
    let (asked, answered) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let mut tasks = JoinSet::new();
    for habit in [Habit::Waits, Habit::Leaves, Habit::ReadsNothing].into_iter().cycle().take(READERS) {
        let (key, asked, answered) = (Arc::clone(&key), Arc::clone(&asked), Arc::clone(&answered));
        tasks.spawn(async move {
            loop {
                asked.fetch_add(1, Relaxed);
                match read(api, &key, habit).await {
                    Ok(200) => drop(answered.fetch_add(1, Relaxed)),
                    _ => tokio::time::sleep(SHORT).await,
                }
            }
        });
    }
    let note = Box::new(move || {
        let count = |counter: &AtomicU64| grouped(counter.load(Relaxed) as f64);
        Ok(format!("; {} times asked, {} answered", count(&asked), count(&answered)))
    });
    Ok(Attack { tasks, note })
}

/// Reads once and returns the status; 0 if the reader did not wait for the response.
async fn read(api: SocketAddr, key: &str, habit: Habit) -> Outcome<u16> {
    let mut connection = Connection::open_from(CROWD_ADDRESS, api).await?;
    match habit {
        Habit::Waits => {
            let search = request(api, key, "GET", SEARCH, "");
            tokio::time::timeout(WAIT, connection.status_of(&search)).await?
        }
        Habit::Leaves => {
            connection.send(&request(api, key, "GET", SEARCH, "")).await?;
            tokio::time::sleep(SHORT).await;
            Ok(0)
        }
        Habit::ReadsNothing => {
            connection.send(&request(api, key, "GET", PAGE, "").repeat(UNREAD_PAGES)).await?;
            tokio::time::sleep(UNREAD).await;
            Ok(0)
        }
    }
}
