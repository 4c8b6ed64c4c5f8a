//! `Idempotency-Key`: a repeated POST is executed once and gets the same response again.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use axum::body::Body;
use rdev_access::Idempotency;
use rdev_access::ports::{IdempotencyRepository, KeyEnd, KeyRequest, KeyState};
use rdev_webhooks_app::Publisher;
use rdev_webhooks_domain::ports::{Clock, EventRepository, Rotated, StoreError, Updated, WebhookRepository};
use rdev_webhooks_domain::{
    Access, DeliveryCounts, EventFilter, EventId, EventRecord, FailureReason, Health, IdempotencyKey,
    LeaseToken, NewEvent, Page, PageRequest, PublishOutcome, SecretRotation, Settled, SigningSecrets,
    Timestamp, Webhook, WebhookFilter, WebhookId,
};
use rdev_webhooks_testkit::{MemoryStore, samples};

use crate::answer::Answer;
use crate::scene::{EVENT, KEY, Scene, WEBHOOK, request};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// Longer than a request that hangs holds its key.
const LEASE: Duration = Duration::from_secs(60);

impl Scene {
    /// Sends JSON with an idempotency key.
    async fn post_once(&self, key: &str, path: &str, body: impl Into<Body>) -> Answer {
        let headers = [("content-type", "application/json"), ("idempotency-key", key)];
        self.send(request("POST", path, &headers, body)).await
    }

    /// Creates a webhook under a key, repeating the request until the key is free.
    async fn until_free(&self, key: &str, body: impl Into<String>) -> Answer {
        let body = body.into();
        loop {
            let answer = self.post_once(key, "/webhooks", body.clone()).await;
            if answer.status != 409 {
                return answer;
            }
            tokio::task::yield_now().await;
        }
    }

    async fn count(&self, path: &str) -> usize {
        self.get(path).await.expect(200).json()["data"].as_array().unwrap().len()
    }
}

/// Asserts that a response equals the first and is marked as a repetition.
fn assert_again(first: &Answer, again: &Answer) {
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_same(first, again);
}

fn assert_same(first: &Answer, again: &Answer) {
    assert_eq!(first.header("idempotent-replayed"), "");
    assert_eq!(again.status, first.status);
    assert_eq!(again.text(), first.text());
    let headers = |answer: &Answer| {
        let mut headers = answer.headers.clone();
        for own in ["x-request-id", "idempotent-replayed"] {
            headers.remove(own);
        }
        headers
    };
    assert_eq!(headers(again), headers(first));
}

#[tokio::test]
async fn a_repeated_request_is_executed_once_and_gets_the_same_response() {
    let scene = Scene::new();
    let first = scene.post_once("k1", "/webhooks", WEBHOOK).await.expect(201);
    assert!(!first.header("location").is_empty() && !first.header("etag").is_empty());
    assert!(first.json()["secret"].is_string());
    scene.clock.advance(DAY / 2);
    for _ in 0..2 {
        assert_again(&first, &scene.post_once("k1", "/webhooks", WEBHOOK).await);
    }
    assert_eq!(scene.count("/webhooks").await, 1);

    let first = scene.post_once("k2", "/events", EVENT).await.expect(202);
    scene.webhook().await;
    assert_again(&first, &scene.post_once("k2", "/events", EVENT).await);
    assert_eq!(scene.count("/events").await, 1);
    let other = scene.post_once("k3", "/events", EVENT).await.expect(202);
    assert_ne!(other.json()["id"], first.json()["id"]);
    assert_eq!(scene.count("/events").await, 2);

    let webhook = first_webhook(&scene).await;
    let path = format!("/webhooks/{webhook}/test");
    let first = scene.post_once("k4", &path, "").await.expect(202);
    assert_again(&first, &scene.post_once("k4", &path, "").await);
    assert_eq!(scene.count("/events").await, 3);
}

async fn first_webhook(scene: &Scene) -> String {
    scene.get("/webhooks").await.json()["data"][0]["id"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refusal_is_recorded_too() {
    let scene = Scene::new();
    let bad = r#"{"url":1}"#;
    let first = scene.post_once("k1", "/webhooks", bad).await.expect(422);
    assert_eq!(first.places(), ["/events", "/url"]);
    assert_again(&first, &scene.post_once("k1", "/webhooks", bad).await);

    // The request would succeed by now, but its response is still the first one.
    let webhook = scene.webhook().await;
    scene.json("PATCH", &format!("/webhooks/{webhook}"), r#"{"enabled":false}"#).await.expect(200);
    let path = format!("/webhooks/{webhook}/test");
    let first = scene.post_once("k2", &path, "").await.expect(409);
    assert_eq!(first.code(), "webhook_disabled");
    scene.json("PATCH", &format!("/webhooks/{webhook}"), r#"{"enabled":true}"#).await.expect(200);
    assert_again(&first, &scene.post_once("k2", &path, "").await);
    let first = scene.post_once("k3", "/webhooks/nonsense/test", "").await.expect(404);
    assert_again(&first, &scene.post_once("k3", "/webhooks/nonsense/test", "").await);
}

#[tokio::test]
async fn another_request_under_the_same_key_is_422() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let first = scene.post_once("k", "/webhooks", WEBHOOK).await.expect(201);
    let test = format!("/webhooks/{webhook}/test");
    for (path, body) in [
        ("/webhooks", WEBHOOK.replace("webhook\"", "another\"")),
        ("/webhooks", format!("{WEBHOOK} ")),
        ("/webhooks", String::new()),
        ("/webhooks?a", WEBHOOK.to_owned()),
        ("/events", EVENT.to_owned()),
        ("/events/batch", WEBHOOK.to_owned()),
        (&test, String::new()),
    ] {
        let answer = scene.post_once("k", path, body).await.expect(422);
        assert_eq!(answer.code(), "idempotency_key_reused");
        assert_eq!(answer.places(), ["#Idempotency-Key"]);
    }
    let headers = [("content-type", "application/json"), ("idempotency-key", "k"), ("if-match", "\"1\"")];
    let answer = scene.send(request("POST", "/webhooks", &headers, WEBHOOK)).await.expect(422);
    assert_eq!(answer.code(), "idempotency_key_reused");
    assert_eq!(scene.count("/webhooks").await, 2);
    assert_eq!(scene.count("/events").await, 0);
    assert_again(&first, &scene.post_once("k", "/webhooks", WEBHOOK).await);
}

#[tokio::test]
async fn a_malformed_key_is_refused_and_nothing_is_executed() {
    let scene = Scene::new();
    let long = "a".repeat(256);
    for key in ["", " ", "a b", "a\tb", &long] {
        let answer = scene.post_once(key, "/webhooks", WEBHOOK).await.expect(422);
        assert_eq!(
            (answer.code(), answer.places()),
            ("validation_failed".into(), vec!["#Idempotency-Key".into()])
        );
    }
    let twice = [("content-type", "application/json"), ("idempotency-key", "a"), ("idempotency-key", "a")];
    let answer = scene.send(request("POST", "/webhooks", &twice, WEBHOOK)).await.expect(422);
    assert_eq!(answer.places(), ["#Idempotency-Key"]);
    assert_eq!(scene.count("/webhooks").await, 0);
    scene.post_once(&"~".repeat(255), "/webhooks", WEBHOOK).await.expect(201);
    // The header has no effect on a GET, nor without an API key.
    scene.call("GET", "/webhooks", &[("idempotency-key", "a b")]).await.expect(200);
    scene.call("POST", "/webhooks", &[("idempotency-key", "a b"), ("authorization", "")]).await.expect(401);
}

#[tokio::test]
async fn callers_have_separate_keys() {
    let scene = Scene::new();
    let mut answers = vec![scene.post_once("k", "/webhooks", WEBHOOK).await.expect(201)];
    let mut callers = vec![format!("Bearer {KEY}")];
    for _ in 0..2 {
        let made = scene.post("/api-keys", r#"{"scopes":["webhooks:write"]}"#).await.expect(201).json();
        callers.push(format!("Bearer {}", made["key"].as_str().unwrap()));
    }
    let send = async |caller: &str, body: &str| {
        let headers =
            [("content-type", "application/json"), ("idempotency-key", "k"), ("authorization", caller)];
        scene.send(request("POST", "/webhooks", &headers, body.to_owned())).await
    };
    for caller in &callers[1..] {
        answers.push(send(caller, &WEBHOOK.replace("webhook\"", "another\"")).await.expect(201));
    }
    assert_eq!(scene.count("/webhooks").await, 3);
    assert_again(&answers[0], &send(&callers[0], WEBHOOK).await);
    for (caller, answer) in callers.iter().zip(&answers).skip(1) {
        assert_again(answer, &send(caller, &WEBHOOK.replace("webhook\"", "another\"")).await);
        assert_eq!(send(caller, WEBHOOK).await.expect(422).code(), "idempotency_key_reused");
    }
    // A request that is forbidden leaves no record.
    let headers = [("idempotency-key", "new"), ("authorization", callers[1].as_str())];
    scene.send(request("POST", "/events", &headers, EVENT)).await.expect(403);
    let headers = [headers[0], headers[1], ("content-type", "application/json")];
    scene.send(request("POST", "/webhooks", &headers, WEBHOOK)).await.expect(201);
}

#[tokio::test]
async fn a_key_expires_after_a_day() {
    let scene = Scene::new();
    let first = scene.post_once("k", "/webhooks", WEBHOOK).await.expect(201);
    scene.clock.advance(DAY - LEASE);
    assert_again(&first, &scene.post_once("k", "/webhooks", WEBHOOK).await);
    scene.clock.advance(LEASE);
    let again = scene.post_once("k", "/webhooks", WEBHOOK).await.expect(201);
    assert_ne!(again.json()["id"], first.json()["id"]);
    assert_ne!(again.json()["secret"], first.json()["secret"]);
}

#[tokio::test]
async fn a_request_refused_unexamined_leaves_the_key_free() {
    let scene = Scene::new();
    let plain = [("content-type", "text/plain"), ("idempotency-key", "k")];
    scene.send(request("POST", "/webhooks", &plain, WEBHOOK)).await.expect(415);
    scene.post_once("k", "/webhooks", vec![b' '; 300 * 1024]).await.expect(413);
    let headers = [("idempotency-key", "k"), ("authorization", "Bearer nonsense")];
    scene.send(request("POST", "/webhooks", &headers, WEBHOOK)).await.expect(401);
    scene.post_once("k", "/events", EVENT).await.expect(202);
}

#[tokio::test(start_paused = true)]
async fn a_repetition_is_409_until_the_first_request_ends() {
    let scene = Arc::new(Scene::new());
    let slow = WEBHOOK.replace("example.com", "slow.example");
    let first = tokio::spawn({
        let (scene, slow) = (Arc::clone(&scene), slow.clone());
        async move { scene.post_once("k", "/webhooks", slow).await }
    });
    tokio::task::yield_now().await;
    let answer = scene.post_once("k", "/webhooks", slow.clone()).await.expect(409);
    assert_eq!((answer.code(), answer.header("retry-after")), ("idempotency_key_in_use".into(), "1"));
    assert_eq!(answer.places(), ["#Idempotency-Key"]);
    // A request that takes this long was most likely interrupted: `retry-after` is the rest of its lease.
    scene.clock.advance(Duration::from_millis(5_500));
    let answer = scene.post_once("k", "/webhooks", slow.clone()).await.expect(409);
    assert_eq!(answer.header("retry-after"), "35");
    let answer = scene.post_once("k", "/webhooks", WEBHOOK).await.expect(422);
    assert_eq!(answer.code(), "idempotency_key_reused");
    // The client gets a response once the request is aborted, and may repeat it.
    assert_eq!(first.await.unwrap().expect(503).code(), "deadline_exceeded");
    let again = scene.until_free("k", slow).await.expect(503);
    assert_eq!(again.code(), "deadline_exceeded");
}

#[tokio::test]
async fn a_disconnected_client_does_not_abort_its_request() {
    let gate = Arc::new(Gate::default());
    let scene = Scene::over(|store| Arc::new(Gated { store, gate: Arc::clone(&gate) }));
    let mut sent = Box::pin(scene.post_once("k", "/webhooks", WEBHOOK));
    tokio::select! {
        _ = &mut sent => panic!("the request did not wait for the gate"),
        () = gate.reached.notified() => {}
    }
    drop(sent);
    scene.post_once("k", "/webhooks", WEBHOOK).await.expect(409);
    gate.open.notify_one();
    let answer = scene.until_free("k", WEBHOOK).await.expect(201);
    assert_eq!(answer.header("idempotent-replayed"), "true");
    assert_eq!(scene.count("/webhooks").await, 1);
}

/// The client disconnects while its key is claimed: the operation is executed nevertheless, so that the key has a
/// response.
#[tokio::test]
async fn a_client_that_disconnects_while_its_key_is_claimed_does_not_leave_it_claimed() {
    let gate = Arc::new(Gate::default());
    let scene = Scene::with_store(|services, store, ambient| {
        let keys = Arc::new(GatedKeys { store, gate: Arc::clone(&gate) });
        services.idempotency = Idempotency::new(keys, ambient);
    });
    let mut sent = Box::pin(scene.post_once("k", "/webhooks", WEBHOOK));
    tokio::select! {
        _ = &mut sent => panic!("the request did not wait for the gate"),
        () = gate.reached.notified() => {}
    }
    drop(sent);
    gate.open.notify_one();
    let answer = scene.until_free("k", WEBHOOK).await.expect(201);
    assert_eq!(answer.header("idempotent-replayed"), "true");
    assert_eq!(scene.count("/webhooks").await, 1);
}

/// The database made the change, but the response was lost: only a repetition of the request finds out
/// whether it was made.
#[tokio::test]
async fn a_repetition_succeeds_after_the_response_of_a_commit_was_lost() {
    let lost = Arc::new(AtomicU32::new(2));
    let scene = Scene::over(|store| Arc::new(Lossy { store, lost: Arc::clone(&lost) }));
    for _ in 0..2 {
        let answer = scene.post_once("k", "/webhooks", WEBHOOK).await.expect(503);
        assert_eq!(answer.code(), "unavailable");
        assert_eq!(scene.count("/webhooks").await, 1);
    }
    let webhook = first_webhook(&scene).await;
    // The request is neither validated nor executed again, whatever has changed since.
    scene.json("PATCH", &format!("/webhooks/{webhook}"), r#"{"description":"new"}"#).await.expect(200);
    let made = scene.post_once("k", "/webhooks", WEBHOOK).await.expect(201);
    assert_eq!(made.json()["id"], webhook);
    assert_eq!(made.json()["description"], serde_json::Value::Null);
    assert_eq!(scene.count("/webhooks").await, 1);
    assert_again(&made, &scene.post_once("k", "/webhooks", WEBHOOK).await);
    // A different request is still refused.
    let other = WEBHOOK.replace("webhook\"", "another\"");
    assert_eq!(scene.post_once("k", "/webhooks", other).await.expect(422).code(), "idempotency_key_reused");
}

#[tokio::test]
async fn an_event_is_published_once_after_the_response_of_its_commit_was_lost() {
    let lost = Arc::new(AtomicU32::new(1));
    let scene = Scene::with_store(|services, store, ambient| {
        let store: Arc<dyn EventRepository> = Arc::new(Lossy { store, lost: Arc::clone(&lost) });
        let (publisher, task) = Publisher::new(store, ambient, services.event_types.clone());
        tokio::spawn(task.run());
        services.publisher = publisher;
    });
    scene.webhook().await;
    scene.post_once("k", "/events", EVENT).await.expect(503);
    assert_eq!(scene.count("/events").await, 1);
    // There are more webhooks by now, but the event went to one.
    scene.webhook().await;
    let accepted = scene.post_once("k", "/events", EVENT).await.expect(202);
    assert_eq!(accepted.json()["deliveries"], 1);
    assert_eq!(scene.count("/events").await, 1);
    assert_eq!(scene.count("/deliveries").await, 1);
    let event = scene.get(&format!("/events/{}", accepted.json()["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(event.json()["deliveries"]["data"].as_array().unwrap().len(), 1);
}

/// The same for a batch, including events that repeat a producer's own id.
#[tokio::test]
async fn a_batch_is_published_once_after_the_response_of_its_commit_was_lost() {
    let lost = Arc::new(AtomicU32::new(0));
    let scene = Scene::with_store(|services, store, ambient| {
        let store: Arc<dyn EventRepository> = Arc::new(Lossy { store, lost: Arc::clone(&lost) });
        let (publisher, task) = Publisher::new(store, ambient, services.event_types.clone());
        tokio::spawn(task.run());
        services.publisher = publisher;
    });
    scene.webhook().await;
    let keyed = EVENT.replacen('{', r#"{"id":"mine","#, 1);
    let first = scene.post("/events", keyed.clone()).await.expect(202).json();
    // The batch is long enough to be treated as a long body.
    let long = format!(r#"{{"event":"command.failed","data":{{"a":"{}"}}}}"#, "a".repeat(200_000));
    let batch = format!(r#"{{"events":[{EVENT},{keyed},{long},{long},{EVENT}]}}"#);
    lost.store(2, Ordering::Relaxed);
    for _ in 0..2 {
        scene.post_once("k", "/events/batch", batch.clone()).await.expect(503);
        scene.webhook().await;
    }
    let accepted = scene.post_once("k", "/events/batch", batch.clone()).await.expect(202);
    let events = accepted.json()["events"].as_array().unwrap().clone();
    assert_eq!(events.len(), 5);
    assert_eq!(events[1], first);
    assert!(events.iter().all(|event| event["deliveries"] == 1), "{events:?}");
    assert_eq!(scene.count("/events").await, 5);
    assert_eq!(scene.count("/deliveries").await, 5);
    assert_again(&accepted, &scene.post_once("k", "/events/batch", batch).await);
}

/// The process dies after the operation and before the response is recorded. Once the lease has expired, a
/// repetition gets exactly the same response.
#[tokio::test]
async fn an_unrecorded_response_is_reproduced_byte_for_byte() {
    let dead = Arc::new(AtomicBool::new(true));
    let scene = Scene::with_store(|services, store, ambient| {
        let keys = Arc::new(Forgetful { store, dead: Arc::clone(&dead) });
        services.idempotency = Idempotency::new(keys, ambient);
    });
    let webhook = scene.post_once("k1", "/webhooks", WEBHOOK).await.expect(201);
    let event = scene.post_once("k2", "/events", EVENT).await.expect(202);
    scene.post_once("k1", "/webhooks", WEBHOOK).await.expect(409);
    dead.store(false, Ordering::Relaxed);
    scene.clock.advance(LEASE);
    for _ in 0..2 {
        let again = scene.post_once("k1", "/webhooks", WEBHOOK).await;
        let replayed = again.header("idempotent-replayed") == "true";
        if replayed {
            assert_again(&webhook, &again);
        } else {
            assert_same(&webhook, &again);
        }
        assert_eq!(scene.post_once("k2", "/events", EVENT).await.json(), event.json());
    }
    assert_eq!(scene.count("/webhooks").await, 1);
    assert_eq!(scene.count("/events").await, 1);
}

/// The process dies as above: an operation on a delivery is not executed twice. The repetition is answered as
/// if the operation had just been executed, whatever has happened to the delivery since.
#[tokio::test]
async fn an_operation_on_a_delivery_is_executed_once_despite_a_crash() {
    let dead = Arc::new(AtomicBool::new(true));
    let scene = Scene::with_store(|services, store, ambient| {
        let keys = Arc::new(Forgetful { store, dead: Arc::clone(&dead) });
        services.idempotency = Idempotency::new(keys, ambient);
    });
    let webhook = scene.webhook().await;
    let event = scene.event().await;
    let delivery = scene.delivery_of(&event).await["id"].as_str().unwrap().to_owned();
    let fail = async || {
        let attempt = samples::attempt(1, scene.clock.now(), 500);
        scene.attempt(&webhook, Settled::Failed(FailureReason::RedeliveryFailed), attempt).await;
    };
    fail().await;
    let (redeliver, cancel) =
        (format!("/deliveries/{delivery}/redeliver"), format!("/deliveries/{delivery}/cancel"));
    let post = async |key: &str, path: &str| scene.post_once(key, path, "{}").await;
    assert_eq!(post("k1", &redeliver).await.expect(202).json()["status"], "pending");
    fail().await;
    scene.clock.advance(LEASE);
    let again = post("k1", &redeliver).await.expect(202).json();
    assert_eq!((&again["status"], &again["attempts"]), (&"failed".into(), &2.into()));

    // The same holds for a cancellation, as long as the delivery is not redelivered.
    assert_eq!(post("k2", &redeliver).await.expect(202).json()["status"], "pending");
    assert_eq!(post("k3", &cancel).await.expect(200).json()["status"], "cancelled");
    scene.clock.advance(LEASE);
    dead.store(false, Ordering::Relaxed);
    let again = post("k3", &cancel).await.expect(200);
    assert_eq!(again.json()["status"], "cancelled");
    assert_again(&again, &post("k3", &cancel).await);
    // A first request learns that the delivery has ended.
    assert_eq!(post("k4", &cancel).await.expect(409).code(), "delivery_finished");
    assert_eq!(post("k2", &redeliver).await.expect(202).json()["status"], "cancelled");
}

#[tokio::test]
async fn a_too_long_body_gets_the_limit_of_its_route() {
    let scene = Scene::new();
    let delivery = "dlv_01h455vb4pex5vsknk084sn02q";
    for (path, limit) in [
        ("/webhooks".to_owned(), 256 * 1024),
        ("/events".to_owned(), 256 * 1024),
        (format!("/deliveries/{delivery}/redeliver"), 256 * 1024),
        ("/events/batch".to_owned(), 16 * 1024 * 1024),
    ] {
        let body = vec![b' '; limit + 1];
        let plain = scene.post(&path, body.clone()).await.expect(413);
        assert!(plain.detail().contains(&limit.to_string()), "{}", plain.detail());
        let keyed = scene.post_once("k", &path, body).await.expect(413);
        assert_eq!(keyed.detail(), plain.detail(), "{path}");
    }
}

#[tokio::test]
async fn a_panic_releases_the_key() {
    let scene = Scene::new();
    let body = WEBHOOK.replace("example.com", "panic.example");
    for _ in 0..2 {
        let answer = scene.post_once("k", "/webhooks", body.clone()).await.expect(500);
        assert_eq!(answer.code(), "internal_error");
        assert!(!answer.text().contains("s3cret"), "{}", answer.text());
    }
}

/// Every route with a POST must be guarded, and all guarded routes have the same layer. The test reads the
/// routes from the source, because a router cannot list them.
#[tokio::test]
async fn every_post_accepts_an_idempotency_key() {
    let source = include_str!("../../src/routes.rs");
    let routes: Vec<_> = source.split(".route(").skip(1).collect();
    let mut posts = Vec::new();
    for route in &routes {
        let path = route.split('"').nth(1).unwrap();
        if route.contains("post(") {
            posts.push(path);
        }
    }
    assert!(posts.len() >= 4 && posts.contains(&"/webhooks/{id}/test"), "{posts:?}");
    let scene = Scene::new();
    for path in posts {
        let path = path.replace(['{', '}'], "");
        let answer = scene.post_once("not one", &path, "{}").await.expect(422);
        assert_eq!(answer.places(), ["#Idempotency-Key"], "{path}");
    }
    // There are no other routes with a POST.
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/src"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if !path.ends_with("src/routes.rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                assert!(
                    !text.contains("routing::{") && !text.contains("routing::post"),
                    "{}",
                    path.display()
                );
            }
        }
    }
}

/// The point at which a test holds a write back.
#[derive(Default)]
struct Gate {
    reached: tokio::sync::Notify,
    open: tokio::sync::Notify,
}

/// Stores webhooks once the gate is open.
struct Gated {
    store: Arc<MemoryStore>,
    gate: Arc<Gate>,
}

/// Executes every call, but loses the responses of the first few writes.
struct Lossy {
    store: Arc<MemoryStore>,
    lost: Arc<AtomicU32>,
}

impl Lossy {
    fn lose(&self) -> Result<(), StoreError> {
        let count =
            self.lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |count| count.checked_sub(1));
        if count.is_ok() { Err(StoreError::Unavailable("the connection was reset".into())) } else { Ok(()) }
    }
}

/// Records no responses while the process is dead.
struct Forgetful {
    store: Arc<MemoryStore>,
    dead: Arc<AtomicBool>,
}

#[async_trait]
impl IdempotencyRepository for Forgetful {
    async fn begin(&self, request: &KeyRequest) -> Result<KeyState, StoreError> {
        self.store.begin(request).await
    }

    async fn end(&self, key: &IdempotencyKey, token: LeaseToken, end: &KeyEnd) -> Result<bool, StoreError> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(StoreError::Unavailable("the process is dead".into()));
        }
        self.store.end(key, token, end).await
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        IdempotencyRepository::prune(&*self.store).await
    }
}

/// Claims a key, and answers once the gate is open. Later requests find the key in use, or answered.
struct GatedKeys {
    store: Arc<MemoryStore>,
    gate: Arc<Gate>,
}

#[async_trait]
impl IdempotencyRepository for GatedKeys {
    async fn begin(&self, request: &KeyRequest) -> Result<KeyState, StoreError> {
        let state = self.store.begin(request).await?;
        if matches!(state, KeyState::Taken { .. }) {
            self.gate.reached.notify_one();
            self.gate.open.notified().await;
        }
        Ok(state)
    }

    async fn end(&self, key: &IdempotencyKey, token: LeaseToken, end: &KeyEnd) -> Result<bool, StoreError> {
        self.store.end(key, token, end).await
    }

    async fn prune(&self) -> Result<u64, StoreError> {
        IdempotencyRepository::prune(&*self.store).await
    }
}

#[async_trait]
impl EventRepository for Lossy {
    async fn publish_within(
        &self,
        events: &[NewEvent],
        max_deliveries: u32,
    ) -> Result<PublishOutcome, StoreError> {
        let published = self.store.publish_within(events, max_deliveries).await?;
        self.lose()?;
        Ok(published)
    }

    async fn get(&self, access: &Access, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        EventRepository::get(&*self.store, access, id).await
    }

    async fn list(
        &self,
        access: &Access,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        EventRepository::list(&*self.store, access, filter, page).await
    }

    async fn count_deliveries(
        &self,
        access: &Access,
        events: &[EventId],
    ) -> Result<Vec<DeliveryCounts>, StoreError> {
        self.store.count_deliveries(access, events).await
    }
}

/// Delegates all methods of a repository except `create` to the store.
macro_rules! webhook_repository {
    ($wrapper:ty, |$this:ident, $webhook:ident, $secrets:ident| $create:expr) => {
        #[async_trait]
        impl WebhookRepository for $wrapper {
            async fn create(&self, $webhook: &Webhook, $secrets: &SigningSecrets) -> Result<(), StoreError> {
                let $this = self;
                $create
            }

            async fn get(&self, access: &Access, id: WebhookId) -> Result<Option<Webhook>, StoreError> {
                WebhookRepository::get(&*self.store, access, id).await
            }

            async fn list(
                &self,
                access: &Access,
                filter: &WebhookFilter,
                page: PageRequest<WebhookId>,
            ) -> Result<Page<Webhook>, StoreError> {
                WebhookRepository::list(&*self.store, access, filter, page).await
            }

            async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError> {
                self.store.update(webhook).await
            }

            async fn rotate_secret(
                &self,
                access: &Access,
                id: WebhookId,
                rotation: &SecretRotation,
            ) -> Result<Rotated, StoreError> {
                self.store.rotate_secret(access, id, rotation).await
            }

            async fn secrets(
                &self,
                access: &Access,
                id: WebhookId,
            ) -> Result<Option<SigningSecrets>, StoreError> {
                self.store.secrets(access, id).await
            }

            async fn delete(
                &self,
                access: &Access,
                id: WebhookId,
                versions: Option<&[u64]>,
            ) -> Result<Updated, StoreError> {
                self.store.delete(access, id, versions).await
            }

            async fn health(&self, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError> {
                self.store.health(ids).await
            }

            async fn spent_rates(&self, ids: &[WebhookId]) -> Result<Vec<Option<Timestamp>>, StoreError> {
                self.store.spent_rates(ids).await
            }

            async fn disable_failing(
                &self,
                after: Duration,
                limit: u32,
            ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError> {
                self.store.disable_failing(after, limit).await
            }

            async fn disable_expired(&self, limit: u32) -> Result<Vec<WebhookId>, StoreError> {
                self.store.disable_expired(limit).await
            }
        }
    };
}

webhook_repository!(Lossy, |this, webhook, secrets| {
    this.store.create(webhook, secrets).await?;
    this.lose()
});

webhook_repository!(Gated, |this, webhook, secrets| {
    this.gate.reached.notify_one();
    this.gate.open.notified().await;
    this.store.create(webhook, secrets).await
});
