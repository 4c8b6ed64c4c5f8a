//! Handover from one worker to another, and workers whose clocks are wrong.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks::domain::ports::{Clock, Entropy};
use rdev_webhooks::domain::{DestinationPolicy, Timestamp};
use rdev_webhooks::{Ambient, Database, RdevWebhooks, WorkerOptions};
use rdev_webhooks_testkit::receiver::{Gate, Receiver, Reply, Script};
use rdev_webhooks_tests::Deployment;
use serde_json::json;
use tokio::time::Instant;

const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deliveries_released_at_shutdown_are_claimed_within_a_second() {
    let deployment = Deployment::start().await;
    let receiver = Receiver::start(Script::sequence([Reply::hang(), Reply::status(200)])).await;
    let _api = deployment.api().await;
    let first = deployment.worker_with(&["--drain-timeout", "0s"]).await;
    deployment.client().subscribe(receiver.url("/").as_str()).await;
    deployment.client().post("/events", EVENT).await.expect(202);
    receiver.wait_for(1, SOON).await;
    let _second = deployment.worker().await;
    assert!(first.stop().await.success());
    let stopped = Instant::now();
    receiver.wait_for(2, SOON).await;
    assert!(stopped.elapsed() < Duration::from_secs(1), "{:?}", stopped.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_paused_past_its_lease_settles_nothing() {
    let deployment = Deployment::start().await;
    let gate = Gate::closed();
    // The paused worker's request gets a failure that must not count.
    let script = Script::sequence([Reply::status(500).once(&gate), Reply::status(200)]);
    let receiver = Receiver::start(script).await;
    let _api = deployment.api().await;
    let client = deployment.client();
    let paused = deployment.worker_with(&["--delivery-timeout", "1s"]).await;
    client.subscribe(receiver.url("/").as_str()).await;
    client.post("/events", EVENT).await.expect(202);
    receiver.wait_for(1, SOON).await;
    paused.signal("STOP").await;
    gate.open();

    let _other = deployment.worker().await;
    // The lease lasts the attempt's deadline plus 30 s.
    receiver.wait_for(2, Duration::from_secs(40)).await;
    client.until("/deliveries", |page| page["data"][0]["status"] == "succeeded").await;
    paused.signal("CONT").await;
    assert!(paused.stop().await.success(), "it drains after the refused settlement");

    let page = client.get("/deliveries").await;
    let delivery = &page["data"][0];
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("succeeded"), &json!(2)));
    let id = delivery["id"].as_str().unwrap();
    let attempts = client.get(&format!("/deliveries/{id}/attempts")).await;
    let told: Vec<_> = attempts["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|attempt| (attempt["status"].clone(), attempt["error"]["class"].clone()))
        .collect();
    assert_eq!(told, [(json!(200), json!(null)), (json!(null), json!("abandoned"))]);
}

/// A clock that is wrong by a fixed amount.
struct Off(Arc<dyn Clock>, i64);

impl Clock for Off {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.now().as_micros() + self.1 * 1_000_000)
    }
}

async fn system_whose_clock_is_off(deployment: &Deployment, seconds: i64) -> RdevWebhooks {
    let system = Ambient::system();
    let entropy: Arc<dyn Entropy> = Arc::clone(&system.entropy);
    let ambient = Ambient { clock: Arc::new(Off(system.clock, seconds)), entropy };
    let keyring = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=".parse().unwrap();
    RdevWebhooks::builder(deployment.url().parse::<Database>().unwrap(), keyring)
        .ambient(ambient)
        .destinations(DestinationPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]))
        .open()
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clocks_half_a_minute_wrong_cause_no_early_late_or_repeated_attempts() {
    let deployment = Deployment::start().await;
    let _api = deployment.api().await;
    let client = deployment.client();
    // Each event's first attempt fails; the second, one second later, succeeds.
    let seen = std::sync::Mutex::new(std::collections::HashSet::new());
    let script = Script::by(move |_, request| {
        let first = seen.lock().unwrap().insert(request.header("webhook-id").to_owned());
        Reply::status(if first { 500 } else { 200 })
    });
    let receiver = Receiver::start(script).await;
    let url = receiver.url("/");
    let body = format!(r#"{{"url":"{url}","events":["*"],"retry":{{"schedule_ms":[1000]}}}}"#);
    client.post("/webhooks", &body).await.expect(201);
    let ahead = system_whose_clock_is_off(&deployment, 30).await;
    let behind = system_whose_clock_is_off(&deployment, -30).await;
    ahead.start_worker(WorkerOptions::default());
    behind.start_worker(WorkerOptions::default());
    // Fewer than the consecutive failures that open a circuit.
    for _ in 0..15 {
        client.post("/events", EVENT).await.expect(202);
    }
    let requests = receiver.wait_for(30, SOON).await;
    super::load::settled(&client).await;
    assert_eq!(receiver.requests().len(), 30, "each event arrives exactly twice");
    for first in requests.iter().filter(|request| request.header("x-rdev-attempt") == "1") {
        let same = |other: &&_| {
            let other: &rdev_webhooks_testkit::receiver::ReceivedRequest = other;
            other.header("webhook-id") == first.header("webhook-id") && other.header("x-rdev-attempt") == "2"
        };
        let second = requests.iter().find(same).unwrap();
        let wait = (second.arrived_at - first.arrived_at).as_secs_f64();
        assert!((1.0..2.0).contains(&wait), "{wait}");
    }
    ahead.stop(SOON).await.unwrap();
    behind.stop(SOON).await.unwrap();
}
