//! `GET /events/stream`.

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt;
use http_body_util::BodyExt;
use rdev_webhooks_domain::ports::Clock;
use rdev_webhooks_domain::{FailureReason, Settled};
use rdev_webhooks_testkit::samples;
use serde_json::Value;
use tower::ServiceExt;

use crate::answer::Answer;
use crate::scene::{Scene, request};

/// A stream that is read event by event.
struct Stream {
    body: BodyDataStream,
    text: String,
}

/// An event of the stream.
#[derive(Debug)]
struct Event {
    id: String,
    data: Value,
}

impl Event {
    fn status(&self) -> &str {
        self.data["status"].as_str().unwrap()
    }
}

impl Scene {
    async fn stream(&self, query: &str, headers: &[(&str, &str)]) -> Stream {
        let request = request("GET", &format!("/events/stream{query}"), headers, "");
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        if head.status != 200 {
            let body = body.collect().await.unwrap().to_bytes();
            panic!("{}: {}", head.status, String::from_utf8_lossy(&body));
        }
        let header = |name: &str| head.headers[name].to_str().unwrap();
        assert_eq!(header("content-type"), "text/event-stream");
        assert_eq!(header("cache-control"), "no-store");
        let mut stream = Stream { body: body.into_data_stream(), text: String::new() };
        assert_eq!(stream.block().await.unwrap(), "retry: 1000");
        stream
    }

    async fn settle(&self, webhook: &str, settled: Settled, status: u16) {
        self.attempt(webhook, settled, samples::attempt(1, self.clock.now(), status)).await;
    }
}

impl Stream {
    /// Returns the text before the next empty line; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let more = tokio::time::timeout(Duration::from_secs(60), self.body.next()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
        }
    }

    /// Returns the next event, and skips comments.
    async fn event(&mut self) -> Event {
        loop {
            let block = self.block().await.expect("the stream goes on");
            let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            let Some(data) = line("data: ") else { continue };
            assert_eq!(line("event: "), Some("delivery"));
            return Event { id: line("id: ").unwrap().to_owned(), data: serde_json::from_str(data).unwrap() };
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deliveries_are_sent_as_they_change() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let mut stream = scene.stream("", &[]).await;
    scene.event().await;
    let pending = stream.event().await;
    assert_eq!(pending.status(), "pending");
    let id = pending.data["id"].as_str().unwrap();
    let mut listed = scene.get(&format!("/webhooks/{webhook}/deliveries")).await.json()["data"][0].take();
    // In the list it also says what it waits for, and until when.
    listed.as_object_mut().unwrap().remove("waiting_for").unwrap();
    listed["next_attempt_at"] = pending.data["next_attempt_at"].clone();
    assert_eq!(pending.data, listed);
    // No two changes have the same timestamp.
    scene.clock.advance(Duration::from_millis(1));
    scene.settle(&webhook, Settled::RetryAfter(Duration::ZERO), 500).await;
    let retrying = stream.event().await;
    assert_eq!((retrying.status(), &retrying.data["id"]), ("retrying", &Value::from(id)));
    scene.clock.advance(Duration::from_millis(1));
    scene.settle(&webhook, Settled::Succeeded, 200).await;
    let succeeded = stream.event().await;
    assert_eq!((succeeded.status(), &succeeded.data["attempts"]), ("succeeded", &Value::from(2)));
    // The delivery is redelivered, and ends again.
    scene.clock.advance(Duration::from_millis(1));
    scene.call("POST", &format!("/deliveries/{id}/redeliver"), &[]).await.expect(202);
    let pending = stream.event().await;
    assert_eq!((pending.status(), &pending.data["attempts"]), ("pending", &Value::from(2)));
    scene.clock.advance(Duration::from_millis(1));
    scene.settle(&webhook, Settled::Failed(FailureReason::RedeliveryFailed), 500).await;
    let failed = stream.event().await;
    assert_eq!((failed.status(), &failed.data["attempts"]), ("failed", &Value::from(3)));
    // No change is sent twice.
    assert!(stream.block().await.unwrap().starts_with(": keep-alive"));
}

#[tokio::test(start_paused = true)]
async fn a_reconnecting_client_misses_nothing() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let mut stream = scene.stream("", &[]).await;
    scene.event().await;
    let last = stream.event().await;
    drop(stream);
    scene.clock.advance(Duration::from_secs(60 * 60));
    scene.settle(&webhook, Settled::Failed(FailureReason::AttemptsExhausted), 500).await;
    for _ in 0..600 {
        scene.event().await;
        scene.clock.advance(Duration::from_millis(1));
    }
    for _ in 0..300 {
        scene.settle(&webhook, Settled::Succeeded, 200).await;
        scene.clock.advance(Duration::from_millis(1));
    }
    let mut stream = scene.stream("", &[("last-event-id", &last.id)]).await;
    let mut reported = std::collections::BTreeMap::new();
    while reported.len() < 601 {
        let event = stream.event().await;
        reported.insert(event.data["id"].as_str().unwrap().to_owned(), event.status().to_owned());
    }
    let count = |status: &str| reported.values().filter(|reported| *reported == status).count();
    assert_eq!((count("failed"), count("succeeded"), count("pending")), (1, 300, 300));
    // The stream continues with later changes.
    scene.settle(&webhook, Settled::Succeeded, 200).await;
    while stream.event().await.status() != "succeeded" {}
}

#[tokio::test(start_paused = true)]
async fn a_quiet_stream_sends_keep_alives_with_its_cursor() {
    let scene = Scene::new();
    let mut stream = scene.stream("?project=nobody", &[]).await;
    let began = tokio::time::Instant::now();
    let block = stream.block().await.unwrap();
    assert!(block.starts_with(": keep-alive\nid: "), "{block}");
    assert_eq!(began.elapsed().as_secs(), 15);
    let (_, id) = block.split_once("id: ").unwrap();
    scene.stream("", &[("last-event-id", id)]).await;
}

#[tokio::test(start_paused = true)]
async fn a_stream_accepts_the_filters_of_a_list() {
    let scene = Scene::new();
    let webhooks = [scene.webhook().await, scene.webhook().await];
    let mut one = scene.stream(&format!("?webhook={}", webhooks[1]), &[]).await;
    let mut ended = scene.stream("?status=succeeded", &[]).await;
    let mut project = scene.stream("?project=my-project&event=command.completed", &[]).await;
    scene.event().await;
    assert_eq!(one.event().await.data["webhook_id"], webhooks[1].as_str());
    project.event().await;
    scene.settle(&webhooks[0], Settled::Succeeded, 200).await;
    let reported = ended.event().await;
    assert_eq!(
        (reported.status(), &reported.data["webhook_id"]),
        ("succeeded", &Value::from(webhooks[0].as_str()))
    );
    for query in ["?status=done", "?webhook=evt_1", "?since=2025-01-01T00:00:00Z", "?limit=1"] {
        scene.get(&format!("/events/stream{query}")).await.expect(422);
    }
}

#[tokio::test]
async fn an_unknown_last_event_id_is_refused() {
    let scene = Scene::new();
    for id in ["7", "x y", "MTpldnRfMDFoNDU1dmI0cGV4NXZza25rMDg0c24wMnE", "MTpmZWVkQA"] {
        let refused: Answer = scene.call("GET", "/events/stream", &[("last-event-id", id)]).await.expect(422);
        assert_eq!(refused.places(), ["#Last-Event-ID"], "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_event_id_in_another_notation_is_refused() {
    let scene = Scene::new();
    let mut stream = scene.stream("?project=nobody", &[]).await;
    let block = stream.block().await.unwrap();
    let (_, id) = block.split_once("id: ").unwrap();
    let now = scene.clock.now().as_micros();
    assert_eq!(stream_cursor(&now.to_string()), id);
    let appended: Vec<_> = ["A", "M", "AA"].iter().map(|more| format!("{id}{more}")).collect();
    let forged = [stream_cursor(&format!("+{now}")), stream_cursor(&format!("0{now}"))];
    for id in appended.iter().chain(&forged) {
        let headers = [("last-event-id", id.as_str())];
        let refused = scene.call("GET", "/events/stream", &headers);
        // A stream that opens does not end.
        let refused = tokio::time::timeout(Duration::from_secs(60), refused).await.expect(id).expect(422);
        assert_eq!(refused.places(), ["#Last-Event-ID"], "{id}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_last_event_id_of_a_later_time_continues() {
    let scene = Scene::new();
    scene.webhook().await;
    let now = scene.clock.now().as_micros();
    for ahead in [59_000_000, 3_600_000_000, 300_000_000_000_000] {
        let mut stream =
            scene.stream("", &[("last-event-id", &stream_cursor(&(now + ahead).to_string()))]).await;
        let accepted = scene.event().await;
        let delivered = async { while stream.event().await.data["event_id"] != accepted {} };
        tokio::time::timeout(Duration::from_secs(60), delivered)
            .await
            .expect("the new event is in the stream");
        scene.clock.advance(Duration::from_millis(1));
    }
}

/// Returns the id of a stream event at a time in microseconds.
fn stream_cursor(micros: &str) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(format!("1:feed@{micros}"))
}

#[tokio::test(start_paused = true)]
async fn the_number_of_streams_is_limited() {
    let scene = Scene::new();
    let mut keys = Vec::new();
    for _ in 0..5 {
        keys.push(scene.reader(None).await.1);
    }
    let mut streams = Vec::new();
    for key in &keys {
        for _ in 0..20 {
            streams.push(scene.stream("", &[("authorization", key)]).await);
        }
        if streams.len() == 20 {
            let refused = scene.call("GET", "/events/stream", &[("authorization", key)]).await.expect(503);
            assert_eq!(refused.code(), "unavailable");
            assert!(refused.detail().starts_with("The API key has"), "{}", refused.detail());
        }
    }
    // A key with fewer streams takes the place of one with more, whose last stream ends.
    let _administrator = scene.stream("", &[]).await;
    let mut ended = 0;
    for stream in streams.iter_mut().skip(19).step_by(20) {
        let rest = loop {
            match tokio::time::timeout(Duration::from_millis(1), stream.block()).await {
                Ok(Some(_)) => {}
                rest => break rest,
            }
        };
        ended += usize::from(rest == Ok(None));
    }
    assert_eq!(ended, 1);
}

#[tokio::test(start_paused = true)]
async fn a_client_too_far_behind_is_disconnected() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let mut stream = scene.stream("", &[]).await;
    scene.event().await;
    let last = stream.event().await;
    // The client does not read for longer than changes are kept for it.
    tokio::time::sleep(Duration::from_secs(120)).await;
    scene.settle(&webhook, Settled::Succeeded, 200).await;
    assert_eq!(stream.block().await, None);
    let mut stream = scene.stream("", &[("last-event-id", &last.id)]).await;
    assert_eq!(stream.event().await.status(), "succeeded");
}

#[tokio::test(start_paused = true)]
async fn a_drain_ends_all_streams() {
    let scene = Scene::new();
    let mut stream = scene.stream("", &[]).await;
    scene.drain.cancel();
    while stream.block().await.is_some() {}
    scene.get("/events/stream").await.expect(503);
}

impl Scene {
    /// Creates an API key that may read; returns its id and its `Authorization` header.
    pub(crate) async fn reader(&self, projects: Option<&str>) -> (String, String) {
        let body = serde_json::json!({
            "scopes": ["webhooks:read"],
            "projects": projects.map(|project| vec![project]),
        });
        let made = self.post("/api-keys", body.to_string()).await.expect(201).json();
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), format!("Bearer {}", text("key")))
    }

    /// Creates a webhook for the events of these projects.
    pub(crate) async fn webhook_of(&self, projects: &[&str]) -> String {
        let body = serde_json::json!({"url": "https://example.com/", "events": ["*"], "projects": projects});
        let made = self.post("/webhooks", body.to_string()).await.expect(201).json();
        made["id"].as_str().unwrap().to_owned()
    }

    pub(crate) async fn event_of(&self, project: &str) {
        let body = serde_json::json!({"event": "command.completed", "data": {"project": project}});
        self.post("/events", body.to_string()).await.expect(202);
    }
}

#[tokio::test(start_paused = true)]
async fn a_project_scoped_key_sees_only_its_own_deliveries() {
    let scene = Scene::new();
    let own = scene.webhook_of(&["one"]).await;
    for projects in [&["one", "two"][..], &["two"], &[]] {
        scene.webhook_of(projects).await;
    }
    let (_, key) = scene.reader(Some("one")).await;
    let mut stream = scene.stream("", &[("authorization", &key)]).await;
    for project in ["two", "one", "two", "one"] {
        scene.event_of(project).await;
        scene.clock.advance(Duration::from_millis(1));
    }
    for _ in 0..2 {
        let reported = stream.event().await;
        assert_eq!(
            (&reported.data["webhook_id"], &reported.data["project"]),
            (&own.as_str().into(), &"one".into())
        );
    }
    assert!(stream.block().await.unwrap().starts_with(": keep-alive"));

    scene.call("DELETE", &format!("/webhooks/{own}"), &[]).await.expect(204);
    assert!(
        stream.block().await.unwrap().starts_with(": keep-alive"),
        "a deleted webhook belongs to no project"
    );
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_with_its_key() {
    let scene = Scene::new();
    let (id, key) = scene.reader(None).await;
    let mut stream = scene.stream("", &[("authorization", &key)]).await;
    assert!(stream.block().await.unwrap().starts_with(": keep-alive"));
    let deleted = tokio::time::Instant::now();
    scene.call("DELETE", &format!("/api-keys/{id}"), &[]).await.expect(204);
    while stream.block().await.is_some() {}
    assert!(deleted.elapsed() <= Duration::from_secs(6), "{:?}", deleted.elapsed());
}
