//! A replay that `kill -9` interrupts, on both databases.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_testkit::receiver::{Gate, Reply, Script};
use rdev_webhooks_tests::{AllInOne, Client, Deployment};
use serde_json::Value;
use tokio::task::JoinSet;

const EVENTS: usize = 400;
/// Requests of the replay that the endpoint answers at once; the rest wait for the gate.
const AT_ONCE: usize = 150;
/// The deadline of a replay; a worker's leases last 55 s here.
const LONG: Duration = Duration::from_secs(120);
/// The most deliveries that one webhook has in flight.
const IN_FLIGHT: usize = 32;

/// An endpoint that refuses every request until it is repaired; from then on it accepts some at once, and the
/// rest when the gate is open.
struct Endpoint {
    receiver: Receiver,
    is_mended: Arc<AtomicBool>,
    gate: Gate,
}

impl Endpoint {
    async fn start() -> Self {
        let (is_mended, gate) = (Arc::new(AtomicBool::new(false)), Gate::closed());
        let (mended, held, taken) = (Arc::clone(&is_mended), gate.clone(), AtomicUsize::new(0));
        let script = Script::by(move |_, _| {
            if !mended.load(Ordering::SeqCst) {
                return Reply::status(400);
            }
            match taken.fetch_add(1, Ordering::SeqCst) < AT_ONCE {
                true => Reply::status(200),
                false => Reply::status(200).once(&held),
            }
        });
        Self { receiver: Receiver::start(script).await, is_mended, gate }
    }

    /// Makes [`EVENTS`] deliveries fail, once each; returns the webhook's id.
    async fn refuse_all(&self, client: &Client) -> String {
        let url = self.receiver.url("/");
        let body = format!(r#"{{"url":"{url}","events":["*"],"retry":{{"max_attempts":1}}}}"#);
        let webhook = client.post("/webhooks", &body).await.expect(201)["id"].as_str().unwrap().to_owned();
        let mut publishers = JoinSet::new();
        for _ in 0..8 {
            let client = client.clone();
            publishers.spawn(async move {
                for _ in 0..EVENTS / 8 {
                    client.post("/events", r#"{"event":"command.completed","data":{}}"#).await.expect(202);
                }
            });
        }
        publishers.join_all().await;
        self.receiver.wait_for(EVENTS, LONG).await;
        for status in ["pending", "in_flight", "retrying"] {
            let none = |page: &Value| page["data"].as_array().is_some_and(Vec::is_empty);
            client.until(&format!("/deliveries?limit=1&status={status}"), none).await;
        }
        self.is_mended.store(true, Ordering::SeqCst);
        webhook
    }

    /// Waits until the endpoint has accepted a part of the replay, which is recorded, and more is in flight.
    async fn is_in_the_middle(&self, client: &Client, replay: &str) {
        self.receiver.wait_for(EVENTS + AT_ONCE + 1, LONG).await;
        client.until(replay, |replay| replay["succeeded"].as_u64() >= Some(AT_ONCE as u64)).await;
        let shown = client.get(replay).await;
        assert_eq!(shown["state"], "running", "{shown:#}");
    }

    /// Checks that each delivery arrived once, except those in flight at the kill.
    fn check(&self) {
        let mut arrived: BTreeMap<String, usize> = BTreeMap::new();
        for request in &self.receiver.requests()[EVENTS..] {
            *arrived.entry(request.header("webhook-id").to_owned()).or_default() += 1;
        }
        let repeated = arrived.values().filter(|count| **count > 1).count();
        println!("{} of {EVENTS} arrived, {repeated} of them twice", arrived.len());
        assert_eq!(arrived.len(), EVENTS);
        assert!(repeated <= IN_FLIGHT, "{repeated} were in flight at the kill");
    }
}

/// Starts a replay of the failed deliveries; returns the replay's path.
async fn begin(client: &Client, webhook: &str) -> String {
    let path = format!("/webhooks/{webhook}/replay");
    let counted = client.post(&path, r#"{"since":"2025-01-01T00:00:00Z","dry_run":true}"#).await.expect(200);
    assert_eq!(counted["count"], EVENTS);
    let replay = client.post(&path, r#"{"since":"2025-01-01T00:00:00Z"}"#).await.expect(202);
    assert_eq!((&replay["count"], &replay["state"]), (&EVENTS.into(), &"running".into()));
    format!("{path}s/{}", replay["id"].as_str().unwrap())
}

/// Waits until a replay has ended, and checks its counts.
async fn completes(client: &Client, replay: &str) {
    let mut tick = tokio::time::interval(Duration::from_millis(100));
    let ended = async {
        loop {
            tick.tick().await;
            let shown = client.get(replay).await;
            if shown["state"] != "running" {
                return shown;
            }
        }
    };
    let shown = tokio::time::timeout(LONG, ended).await.expect("it ends");
    assert_eq!(shown["state"], "completed", "{shown:#}");
    for member in ["count", "queued", "succeeded"] {
        assert_eq!(shown[member], EVENTS, "{member} of {shown:#}");
    }
    assert_eq!((&shown["failed"], &shown["waiting"]), (&0.into(), &0.into()), "{shown:#}");
    let failed = client.get("/deliveries?status=failed&limit=1").await;
    assert_eq!(failed["data"].as_array().map(Vec::len), Some(0));
    let one = client.get("/deliveries?status=succeeded&limit=1").await;
    let id = one["data"][0]["id"].as_str().unwrap();
    let attempts = client.get(&format!("/deliveries/{id}/attempts")).await;
    let triggers: Vec<_> = attempts["data"].as_array().unwrap().iter().map(|one| &one["trigger"]).collect();
    assert_eq!((triggers[0], *triggers.last().unwrap()), (&"replay".into(), &"automatic".into()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_continues_after_a_kill_of_the_only_process() {
    let folder = tempfile::tempdir().unwrap();
    let endpoint = Endpoint::start().await;
    let server = AllInOne::start(folder.path()).await;
    let webhook = endpoint.refuse_all(&server.client).await;
    let replay = begin(&server.client, &webhook).await;
    endpoint.is_in_the_middle(&server.client, &replay).await;
    server.kill().await;
    endpoint.gate.open();
    let server = AllInOne::start(folder.path()).await;
    completes(&server.client, &replay).await;
    endpoint.check();
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replay_continues_after_a_kill_of_the_worker() {
    let deployment = Deployment::start().await;
    let endpoint = Endpoint::start().await;
    let api = deployment.api().await;
    // Its attempts last until the gate opens, not until a deadline.
    let worker = deployment.worker_with(&["--delivery-timeout", "25s"]).await;
    let client = deployment.client();
    let webhook = endpoint.refuse_all(&client).await;
    let replay = begin(&client, &webhook).await;
    endpoint.is_in_the_middle(&client, &replay).await;
    worker.kill().await;
    endpoint.gate.open();
    let worker = deployment.worker_with(&["--delivery-timeout", "25s"]).await;
    completes(&client, &replay).await;
    endpoint.check();
    for process in [worker, api] {
        assert!(process.stop().await.success());
    }
}
