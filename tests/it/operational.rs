//! Operational events, and a replay of missing events, from end to end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::AllInOne;
use serde_json::{Value, json};

/// The failures that open a circuit, with one left over as the probe.
const EVENTS: usize = 60;
const LONG: Duration = Duration::from_secs(60);

fn parsed(receiver: &Receiver) -> Vec<Value> {
    let requests = receiver.requests();
    requests.iter().map(|request| serde_json::from_slice(&request.body).unwrap()).collect()
}

/// An endpoint fails until its circuit opens, and recovers. Another webhook hears of it, once; and then gets what it
/// has missed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_hears_of_trouble_and_of_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let client = &server.client;
    let is_mended = Arc::new(AtomicBool::new(false));
    let mended = Arc::clone(&is_mended);
    let answer = move || Reply::status(if mended.load(Ordering::SeqCst) { 200 } else { 500 });
    let broken = Receiver::start(Script::by(move |_, _| answer())).await;
    let alerts = Receiver::accepting().await;
    let create = async |url: String, events: &[&str]| {
        let body = json!({"url": url, "events": events, "retry": {"max_attempts": 1}});
        let webhook = client.post("/webhooks", &body.to_string()).await.expect(201);
        webhook["id"].as_str().unwrap().to_owned()
    };
    let webhook = create(broken.url("/").to_string(), &["command.*", "webhook.*", "delivery.*"]).await;
    create(alerts.url("/").to_string(), &["webhook.*", "delivery.failed", "replay.completed"]).await;
    let publish = async |count: usize| {
        for _ in 0..count {
            client.post("/events", r#"{"event":"command.failed","data":{}}"#).await.expect(202);
        }
    };
    publish(EVENTS - 10).await;
    broken.wait_for(EVENTS - 10, LONG).await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    publish(10).await;
    let shown = format!("/webhooks/{webhook}");
    client.until(&shown, |shown| shown["circuit"]["state"] == "open").await;
    is_mended.store(true, Ordering::SeqCst);
    publish(1).await;
    client.until(&shown, |shown| shown["circuit"]["state"] == "closed").await;
    let of_webhook = format!("/deliveries?webhook={webhook}&status=failed&limit=100");
    let failed = client.get(&of_webhook).await["data"].as_array().unwrap().len();
    alerts.wait_for(failed + 2, LONG).await;

    let late = Receiver::accepting().await;
    let late_webhook = create(late.url("/").to_string(), &["command.*"]).await;
    let replay = format!("/webhooks/{late_webhook}/replay");
    let begun =
        client.post(&replay, r#"{"since":"2025-01-01T00:00:00Z","status":"missing"}"#).await.expect(202);
    assert_eq!(begun["count"], EVENTS + 1);
    let replay = format!("{replay}s/{}", begun["id"].as_str().unwrap());
    client.until(&replay, |shown| shown["state"] == "completed").await;
    assert_eq!(late.requests().len(), EVENTS + 1);

    alerts.wait_for(failed + 3, LONG).await;
    let mut heard: BTreeMap<String, usize> = BTreeMap::new();
    for event in parsed(&alerts) {
        *heard.entry(event["event"].as_str().unwrap().to_owned()).or_default() += 1;
        if event["event"] != "replay.completed" {
            assert_eq!(event["data"]["webhook_id"], webhook, "{event}");
        }
    }
    let expected = [
        ("delivery.failed", failed),
        ("replay.completed", 1),
        ("webhook.failing", 1),
        ("webhook.recovered", 1),
    ];
    assert_eq!(heard, expected.map(|(name, count)| (name.to_owned(), count)).into());
    assert!(
        parsed(&broken).iter().all(|event| event["event"] == "command.failed"),
        "it hears nothing of itself"
    );
}
