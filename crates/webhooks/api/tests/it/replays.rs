//! Replays of a webhook's deliveries.

use std::time::Duration;

use rdev_webhooks_domain::ports::{Clock, ReplayRepository};
use rdev_webhooks_domain::{FailureReason, Settled};
use rdev_webhooks_testkit::samples;
use serde_json::{Value, json};

use crate::scene::{Scene, request};

const FAILED: Settled = Settled::Failed(FailureReason::AttemptsExhausted);
const ALL: &str = r#"{"since":"2025-01-01T00:00:00Z"}"#;

impl Scene {
    /// Creates a delivery that ended like this, and whose event was accepted a second ago.
    async fn ended(&self, webhook: &str, settled: Settled) -> String {
        let event = self.event().await;
        let status = if settled == FAILED { 500 } else { 200 };
        self.attempt(webhook, settled, samples::attempt(1, self.clock.now(), status)).await;
        self.clock.advance(Duration::from_secs(1));
        self.delivery_of(&event).await["id"].as_str().unwrap().to_owned()
    }

    async fn begin(&self, webhook: &str, body: &'static str) -> Value {
        self.post(&format!("/webhooks/{webhook}/replay"), body).await.expect(202).json()
    }

    /// Advances a replay by one step.
    async fn step(&self, replay: &Value) {
        let id = replay["id"].as_str().unwrap().parse().unwrap();
        self.store.advance(id).await.unwrap().unwrap();
    }

    async fn replay(&self, replay: &Value) -> Value {
        let (webhook, id) = (replay["webhook_id"].as_str().unwrap(), replay["id"].as_str().unwrap());
        self.get(&format!("/webhooks/{webhook}/replays/{id}")).await.expect(200).json()
    }
}

#[tokio::test]
async fn a_replay_starts_and_shows_its_progress() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let first = scene.ended(&webhook, FAILED).await;
    scene.ended(&webhook, FAILED).await;
    scene.ended(&webhook, Settled::Succeeded).await;
    let path = format!("/webhooks/{webhook}/replay");
    let begun = scene.post(&path, ALL).await.expect(202);
    let replay = begun.json();
    let id = replay["id"].as_str().unwrap();
    assert!(id.starts_with("rpl_"));
    assert_eq!(begun.header("location"), format!("/webhooks/{webhook}/replays/{id}"));
    let expected = json!({
        "id": id,
        "webhook_id": webhook,
        "state": "running",
        "reason": null,
        "since": "2025-01-01T00:00:00Z",
        "until": "2025-01-15T10:30:03Z",
        "status": "failed",
        "count": 2,
        "count_is_exact": true,
        "queued": 0,
        "waiting": 0,
        "succeeded": 0,
        "failed": 0,
        "cancelled": 0,
        "created_at": "2025-01-15T10:30:03Z",
        "finished_at": null,
    });
    assert_eq!(replay, expected);
    assert_eq!(scene.replay(&replay).await, expected);

    scene.step(&replay).await;
    let shown = scene.replay(&replay).await;
    assert_eq!((&shown["queued"], &shown["waiting"]), (&json!(2), &json!(2)));
    let delivery = scene.get(&format!("/deliveries/{first}")).await.expect(200).json();
    assert_eq!((&delivery["status"], &delivery["attempts"]), (&json!("pending"), &json!(1)));
    let now = scene.clock.now();
    scene.attempt(&webhook, Settled::Succeeded, samples::attempt(2, now, 200)).await;
    scene.attempt(&webhook, FAILED, samples::attempt(2, now, 500)).await;
    scene.step(&replay).await;
    let shown = scene.replay(&replay).await;
    assert_eq!((&shown["state"], &shown["finished_at"]), (&json!("completed"), &replay["created_at"]));
    assert_eq!((&shown["succeeded"], &shown["failed"], &shown["waiting"]), (&json!(1), &json!(1), &json!(0)));
}

#[tokio::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    scene.ended(&webhook, FAILED).await;
    scene.ended(&webhook, Settled::Succeeded).await;
    scene.ended(&webhook, Settled::Succeeded).await;
    let before = scene.everything().await;
    let path = format!("/webhooks/{webhook}/replay");
    for (members, status, expected) in [
        ("", "failed", 1),
        (r#","status":null,"until":null"#, "failed", 1),
        (r#","status":"succeeded""#, "succeeded", 2),
        (r#","status":"cancelled""#, "cancelled", 0),
        (r#","status":"succeeded","until":"2025-01-15T10:30:02Z""#, "succeeded", 1),
        (r#","status":"succeeded","until":"2030-01-01T00:00:00Z""#, "succeeded", 2),
    ] {
        let body = format!(r#"{{"since":"2025-01-15T10:30:00Z","dry_run":true{members}}}"#);
        let counted = scene.post(&path, body).await.expect(200).json();
        assert_eq!((&counted["count"], &counted["status"]), (&json!(expected), &json!(status)), "{members}");
        assert_eq!((&counted["dry_run"], &counted["count_is_exact"]), (&json!(true), &json!(true)));
        assert!(counted["until"].as_str().unwrap() <= "2025-01-15T10:30:03Z", "{counted}");
    }
    assert_eq!(scene.everything().await, before);
    let listed = scene.get(&format!("/webhooks/{webhook}/replays")).await.expect(200).json();
    assert_eq!(listed, json!({"data": [], "has_more": false, "next_cursor": null}));
}

#[tokio::test]
async fn a_replay_can_be_cancelled_while_it_runs() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    scene.ended(&webhook, FAILED).await;
    let replay = scene.begin(&webhook, ALL).await;
    let cancel = format!("/webhooks/{webhook}/replays/{}/cancel", replay["id"].as_str().unwrap());
    scene.post(&cancel, r#"{"a":1}"#).await.expect(422);
    let cancelled = scene.call("POST", &cancel, &[]).await.expect(200).json();
    assert_eq!((&cancelled["state"], &cancelled["reason"]), (&json!("cancelled"), &json!("requested")));
    assert_eq!(cancelled["finished_at"], "2025-01-15T10:30:01Z");
    assert_eq!(scene.replay(&replay).await, cancelled);
    let refused = scene.post(&cancel, "{}").await.expect(409);
    assert_eq!(refused.code(), "replay_ended");
}

#[tokio::test]
async fn a_webhook_has_one_replay_at_a_time_and_none_while_it_is_disabled() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    scene.ended(&webhook, FAILED).await;
    let path = format!("/webhooks/{webhook}/replay");
    scene.begin(&webhook, ALL).await;
    assert_eq!(scene.post(&path, ALL).await.expect(409).code(), "replay_running");
    scene.json("PATCH", &format!("/webhooks/{webhook}"), r#"{"enabled":false}"#).await.expect(200);
    assert_eq!(scene.post(&path, ALL).await.expect(409).code(), "webhook_disabled");
    // Counting is allowed.
    scene.post(&path, r#"{"since":"2025-01-01T00:00:00Z","dry_run":true}"#).await.expect(200);
}

#[tokio::test]
async fn replays_are_listed_newest_first_for_their_own_webhook() {
    let scene = Scene::new();
    let (webhook, other) = (scene.webhook().await, scene.webhook().await);
    let mut replays = Vec::new();
    for _ in 0..3 {
        scene.clock.advance(Duration::from_secs(1));
        // There is nothing to replay, so the replay completes at once.
        let replay = scene.begin(&webhook, ALL).await;
        assert_eq!((&replay["state"], &replay["count"]), (&json!("completed"), &json!(0)));
        assert_eq!(replay["finished_at"], replay["created_at"]);
        assert_eq!(scene.replay(&replay).await, replay);
        replays.insert(0, replay);
    }
    let path = format!("/webhooks/{webhook}/replays");
    let page = scene.get(&format!("{path}?limit=2")).await.expect(200);
    assert!(page.header("link").starts_with(&format!("<{path}?limit=2&cursor=")));
    assert_eq!(page.json()["data"], json!(replays[..2]));
    let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = scene.get(&format!("{path}?cursor={cursor}")).await.expect(200).json();
    assert_eq!(rest["data"], json!(replays[2..]));

    let id = replays[0]["id"].as_str().unwrap();
    for path in ["", "/cancel"] {
        let method = if path.is_empty() { "GET" } else { "POST" };
        let path = format!("/webhooks/{other}/replays/{id}{path}");
        scene.call(method, &path, &[]).await.expect(404);
    }
    scene.call("DELETE", &format!("/webhooks/{webhook}"), &[]).await.expect(204);
    scene.get(&path).await.expect(404);
    scene.get(&format!("{path}/{id}")).await.expect(404);
}

#[tokio::test]
async fn a_project_scoped_key_replays_only_its_projects_and_sees_no_other_replay() {
    let scene = Scene::new();
    // The webhook received the events of every project at first.
    let webhook = scene.webhook().await;
    scene.ended(&webhook, FAILED).await;
    scene.post("/events", r#"{"event":"command.failed","data":{"project":"other"}}"#).await.expect(202);
    scene.attempt(&webhook, FAILED, samples::attempt(1, scene.clock.now(), 500)).await;
    scene.clock.advance(Duration::from_secs(1));
    let all = scene.begin(&webhook, ALL).await;
    assert_eq!(all["count"], 2);
    let all = format!("/webhooks/{webhook}/replays/{}", all["id"].as_str().unwrap());

    let body = r#"{"scopes":["webhooks:write"],"projects":["my-project"]}"#;
    let key = scene.post("/api-keys", body).await.expect(201).json()["key"].as_str().unwrap().to_owned();
    let limited = async |method: &str, path: &str, body: &'static str| {
        let authorization = format!("Bearer {key}");
        let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
        scene.send(request(method, path, &headers, body)).await
    };
    let path = format!("/webhooks/{webhook}/replay");
    for (method, path) in [("POST", &path), ("GET", &format!("{path}s")), ("GET", &all)] {
        limited(method, path, ALL).await.expect(404);
    }

    // Now the webhook belongs to the key's project, but its earlier deliveries do not.
    let owned = r#"{"projects":["my-project"]}"#;
    scene.json("PATCH", &format!("/webhooks/{webhook}"), owned).await.expect(200);
    limited("GET", &all, "").await.expect(404);
    limited("POST", &format!("{all}/cancel"), "").await.expect(404);
    assert_eq!(limited("GET", &format!("{path}s"), "").await.expect(200).json()["data"], json!([]));
    let refused = limited("POST", &path, ALL).await.expect(409);
    assert_eq!(refused.code(), "replay_running");
    assert!(refused.detail().contains("one that this API key cannot see"), "{}", refused.detail());
    scene.call("POST", &format!("{all}/cancel"), &[]).await.expect(200);
    let replay = limited("POST", &path, ALL).await.expect(202).json();
    assert_eq!(replay["count"], 1);
    scene.step(&replay).await;
    let shown = limited("GET", &format!("{path}s"), "").await.expect(200).json();
    assert_eq!((&shown["data"][0]["queued"], &shown["data"][1]), (&json!(1), &json!(null)));
    let listed = scene.get(&format!("{path}s")).await.expect(200).json();
    assert_eq!(listed["data"].as_array().map(Vec::len), Some(2));
}

#[tokio::test]
async fn a_webhook_gets_the_events_from_before_it_was_made() {
    let scene = Scene::new();
    for body in [
        r#"{"event":"command.failed","data":{"project":"my-project"}}"#,
        r#"{"event":"command.failed","data":{"project":"other"}}"#,
        r#"{"event":"command.started","data":{"project":"my-project"}}"#,
    ] {
        scene.post("/events", body).await.expect(202);
        scene.clock.advance(Duration::from_secs(1));
    }
    let body = r#"{"url":"https://example.com/","events":["command.failed"],"projects":["my-project"]}"#;
    let webhook = scene.post("/webhooks", body).await.expect(201).json()["id"].as_str().unwrap().to_owned();
    let path = format!("/webhooks/{webhook}/replay");
    let missing = r#"{"since":"2025-01-01T00:00:00Z","status":"missing"}"#;
    let counted = scene
        .post(&path, r#"{"since":"2025-01-01T00:00:00Z","status":"missing","dry_run":true}"#)
        .await
        .expect(200)
        .json();
    assert_eq!((&counted["count"], &counted["status"]), (&json!(1), &json!("missing")));
    let replay = scene.begin(&webhook, missing).await;
    scene.step(&replay).await;
    scene.attempt(&webhook, Settled::Succeeded, samples::attempt(1, scene.clock.now(), 200)).await;
    scene.step(&replay).await;
    let shown = scene.replay(&replay).await;
    assert_eq!((&shown["state"], &shown["status"]), (&json!("completed"), &json!("missing")));
    assert_eq!((&shown["queued"], &shown["succeeded"]), (&json!(1), &json!(1)));
    let nothing = scene.begin(&webhook, missing).await;
    assert_eq!((&nothing["state"], &nothing["count"]), (&json!("completed"), &json!(0)));

    for status in [r#""lost""#, r#""pending""#, r#""Missing""#, "1"] {
        let body = format!(r#"{{"since":"2025-01-01T00:00:00Z","status":{status}}}"#);
        let refused = scene.post(&path, body).await.expect(422).json();
        assert_eq!(refused["errors"][0]["pointer"], "/status", "{refused}");
    }
    let refused = scene.post(&path, r#"{"since":"2025-01-01T00:00:00Z","status":"lost"}"#).await.json();
    assert!(refused["errors"][0]["detail"].as_str().unwrap().contains("missing"), "{refused}");
}
