//! A caller's transaction that stays open for long, beside running workers and streams.

use std::time::Duration;

use rdev_webhooks::domain::DestinationPolicy;
use rdev_webhooks::http_api::ApiOptions;
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks::{Event, RdevWebhooks, WorkerOptions};
use rdev_webhooks_testkit::receiver::{ReceivedRequest, Receiver, Reply};
use rdev_webhooks_testkit::{eventually, soak};
use rdev_webhooks_tests::{Client, Deployment, EventStream};
use serde_json::json;
use sqlx::{Connection, PgConnection, SqlitePool};
use tokio::time::Instant;

const KEY: &str = "a-key-of-a-test-that-is-long-enough";
const BODY: &str = r#"{"event":"command.completed","data":{"by":"others"}}"#;
/// The promise is a second; the rest is the machine's.
const SOON: Duration = Duration::from_millis(1_500);

/// How long the transaction stays open: a minute with `just soak`.
fn open_for() -> Duration {
    Duration::from_secs(soak(12).min(60) as u64)
}

/// Waits for the delivery of an event and for its report on a stream, both soon after the commit.
async fn expect_soon(receiver: &Receiver, stream: &mut EventStream, event: &str, committed: Instant) {
    let is_it = |request: &ReceivedRequest| request.header("webhook-id") == event;
    let arrival = async || receiver.requests().into_iter().find(is_it).map(|request| request.arrived_at);
    let arrived_at = eventually("a delivery", arrival).await;
    let took = arrived_at.saturating_duration_since(committed);
    println!("delivered {took:?} after the commit");
    assert!(took < SOON, "{took:?}");
    stream.until(|delivery| delivery["event_id"] == event).await;
    let took = committed.elapsed();
    assert!(took < SOON + Duration::from_secs(1), "reported after {took:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_transaction_on_postgres_is_delivered_and_reported_soon_after_its_commit() {
    let deployment = Deployment::start().await;
    let (_api, _worker) = (deployment.api().await, deployment.worker().await);
    let receiver = Receiver::accepting().await;
    let client = deployment.client();
    client.subscribe(receiver.url("/").as_str()).await;
    let mut stream = client.watch("", None).await.unwrap();
    let mut conn = PgConnection::connect(deployment.url()).await.unwrap();
    let mut tx = conn.begin().await.unwrap();
    let publish = "SELECT event_id FROM rdev_webhooks.publish('command.completed', '{}')";
    let event: String = sqlx::query_scalar(publish).fetch_one(&mut *tx).await.unwrap();
    // Others publish meanwhile, so that marks and cursors move on.
    let ends = Instant::now() + open_for();
    let mut pace = tokio::time::interval(Duration::from_millis(200));
    while Instant::now() < ends {
        pace.tick().await;
        client.post("/events", BODY).await.expect(202);
        stream.until(|delivery| delivery["status"] == "succeeded").await;
    }
    tx.commit().await.unwrap();
    expect_soon(&receiver, &mut stream, &event, Instant::now()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_long_transaction_on_sqlite_makes_the_worker_wait_and_not_fail() {
    let folder = tempfile::tempdir().unwrap();
    let pool = SqlitePool::connect_lazy(&format!("sqlite://{}/app.db", folder.path().display())).unwrap();
    let webhooks = RdevWebhooks::builder(&pool, Keyring::new(EncryptionKey::generate([7; 32])))
        .destinations(DestinationPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]))
        .open()
        .await
        .unwrap();
    webhooks.start_worker(WorkerOptions::default());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let client = Client::new(&format!("http://{}", listener.local_addr().unwrap()), KEY);
    let router = webhooks.router(ApiOptions::new(KEY.into()));
    let server = tokio::spawn(async move { axum::serve(listener, router).await });

    let receiver = Receiver::accepting().await;
    // The end of what this one receives is not reported soon.
    let silent = Receiver::start(Reply::hang()).await;
    for (receiver, event) in [(&receiver, "command.completed"), (&silent, "command.failed")] {
        let webhook = json!({ "url": receiver.url("/").as_str(), "events": [event] });
        client.post("/webhooks", &webhook.to_string()).await.expect(201);
    }
    client.post("/events", BODY).await.expect(202);
    receiver.wait_for(1, Duration::from_secs(10)).await;
    let mut stream = client.watch("", None).await.unwrap();

    // The host's own table, in the same file.
    sqlx::query("CREATE TABLE orders (number INTEGER PRIMARY KEY)").execute(&pool).await.unwrap();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    sqlx::query("INSERT INTO orders VALUES (1)").execute(&mut *tx).await.unwrap();
    let event = |event_type: &str| Event::new(event_type).json(&json!({ "number": 1 })).unwrap();
    let published = webhooks.publisher().publish_in(&mut tx, event("command.completed")).await.unwrap();
    let unanswered = webhooks.publisher().publish_in(&mut tx, event("command.failed")).await.unwrap();
    tokio::time::sleep(open_for()).await;
    // Reads go on while the transaction is open.
    assert_eq!(client.get("/events").await["data"].as_array().unwrap().len(), 1);
    tx.commit().await.unwrap();
    let committed = Instant::now();
    expect_soon(&receiver, &mut stream, &published.id.to_string(), committed).await;
    stream.until(|delivery| delivery["event_id"] == unanswered.id.to_string()).await;
    let took = committed.elapsed();
    assert!(took < SOON + Duration::from_secs(1), "reported after {took:?}");

    assert!(!webhooks.failed().is_cancelled());
    client.post("/events", BODY).await.expect(202);
    receiver.wait_for(3, Duration::from_secs(10)).await;
    drop(stream);
    server.abort();
    webhooks.stop(Duration::from_secs(10)).await.unwrap();
}
