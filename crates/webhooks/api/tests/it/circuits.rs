//! The circuit of a webhook, in its JSON and its tag.

use std::time::Duration;

use rdev_webhooks_domain::health::{FIRST_OPEN, OPEN_AFTER, OPEN_AFTER_FAILING_FOR};
use rdev_webhooks_domain::ports::{Clock, DeliveryQueue};
use rdev_webhooks_domain::{HealthEffect, Settled, Settlement};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::scene::{Scene, request};

impl Scene {
    /// Claims one delivery of a webhook, and settles it so that it can be claimed again.
    async fn fails(&self, webhook: &str, health: HealthEffect) {
        let lease = self.claim(webhook).await.lease;
        let settled = Settled::RetryAfter(Duration::ZERO);
        let settlement = Settlement { lease, settled, attempt: None, gone: None, health };
        assert_eq!(self.store.settle(&[settlement]).await.unwrap(), [true]);
    }

    /// Opens the circuit of a webhook that has a claimable delivery.
    pub(crate) async fn open_circuit(&self, webhook: &str) {
        for failures in 1..=OPEN_AFTER {
            self.fails(webhook, HealthEffect::Unavailable).await;
            if failures == 1 {
                self.clock.advance(OPEN_AFTER_FAILING_FOR);
            }
        }
    }

    async fn shown(&self, path: &str) -> (Value, String) {
        let answer: Answer = self.get(path).await.expect(200);
        (answer.json()["circuit"].clone(), answer.header("etag").to_owned())
    }
}

#[tokio::test]
async fn a_webhook_shows_its_circuit_and_its_tag_changes_with_it() {
    let scene = Scene::new();
    let well = json!({
        "state": "closed", "open_until": null, "consecutive_failures": 0, "failing_since": null
    });
    let made = scene.post("/webhooks", crate::scene::WEBHOOK).await.expect(201);
    assert_eq!(made.json()["circuit"], well);
    let webhook = made.json()["id"].as_str().unwrap().to_owned();
    let path = format!("/webhooks/{webhook}");
    assert_eq!(scene.shown(&path).await, (well.clone(), "\"1\"".to_owned()));

    scene.event().await;
    let since = scene.clock.now();
    let mut tags = vec!["\"1\"".to_owned()];
    for n in 1..=OPEN_AFTER {
        scene.fails(&webhook, HealthEffect::Unavailable).await;
        if n == 1 {
            scene.clock.advance(OPEN_AFTER_FAILING_FOR);
        }
        let (circuit, tag) = scene.shown(&path).await;
        assert_eq!(
            (&circuit["consecutive_failures"], &circuit["failing_since"]),
            (&n.into(), &since.to_string().into())
        );
        tags.push(tag);
    }
    let (open, tag) = scene.shown(&path).await;
    let until = since + OPEN_AFTER_FAILING_FOR + FIRST_OPEN;
    assert_eq!((&open["state"], &open["open_until"]), (&"open".into(), &until.to_string().into()));
    scene.call("GET", &path, &[("if-none-match", &tag)]).await.expect(304);

    // The circuit becomes half-open by time alone, and the shown state includes the probe in flight.
    scene.clock.advance(FIRST_OPEN);
    scene.call("GET", &path, &[("if-none-match", &tag)]).await.expect(200);
    let (half_open, tag) = scene.shown(&path).await;
    assert_eq!((&half_open["state"], &half_open["open_until"]), (&"half_open".into(), &Value::Null));
    tags.push(tag);
    let probe = scene.claim(&webhook).await;
    assert_eq!(scene.shown(&path).await.0, half_open);
    let list = scene.get("/webhooks").await.expect(200).json();
    assert_eq!(list["data"][0]["circuit"], half_open);

    let success = Settlement {
        lease: probe.lease,
        settled: Settled::Succeeded,
        attempt: None,
        gone: None,
        health: HealthEffect::Succeeded,
    };
    assert_eq!(scene.store.settle(&[success]).await.unwrap(), [true]);
    assert_eq!(scene.shown(&path).await, (well, "\"1\"".to_owned()));
    let count = tags.len();
    tags.sort_unstable();
    tags.dedup();
    assert_eq!(tags.len(), count, "each state has its own tag");
}

#[tokio::test]
async fn a_moved_webhook_does_not_show_failures_from_before_the_move() {
    let scene = Scene::new();
    let body = json!({"url": "https://both.example/", "events": ["*"], "projects": ["my-project", "mine"]});
    let made = scene.post("/webhooks", body.to_string()).await.expect(201).json();
    let limited = json!({"scopes": ["webhooks:read"], "projects": ["mine"]});
    let key = scene.post("/api-keys", limited.to_string()).await.expect(201).json();
    let authorization = format!("Bearer {}", key["key"].as_str().unwrap());
    let webhook = made["id"].as_str().unwrap();
    scene.event().await;
    scene.fails(webhook, HealthEffect::Unavailable).await;

    let path = format!("/webhooks/{webhook}");
    scene.json("PATCH", &path, r#"{"projects":["mine"]}"#).await.expect(200);
    for path in [path.clone(), format!("{path}/stats")] {
        let shown = scene.call("GET", &path, &[("authorization", &authorization)]).await.expect(200).json();
        assert_eq!(shown["circuit"], made["circuit"], "{path}");
    }
}

#[tokio::test]
async fn if_match_ignores_changes_of_the_circuit() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let path = format!("/webhooks/{webhook}");
    scene.event().await;
    scene.fails(&webhook, HealthEffect::Rejected).await;
    let (circuit, tag) = scene.shown(&path).await;
    assert_eq!((&circuit["state"], &circuit["consecutive_failures"]), (&"closed".into(), &0.into()));
    scene.fails(&webhook, HealthEffect::Unavailable).await;

    let patch = async |if_match: &str, body: &'static str| {
        let headers = [("content-type", "application/json"), ("if-match", if_match)];
        scene.send(request("PATCH", &path, &headers, body)).await
    };
    let changed = patch(&tag, r#"{"description":"a"}"#).await.expect(200);
    assert_eq!(changed.json()["circuit"]["consecutive_failures"], 1);
    assert_eq!(changed.header("etag"), scene.shown(&path).await.1);
    patch(&tag, r#"{"description":"b"}"#).await.expect(412);

    // Another URL is another endpoint.
    let moved = scene.json("PATCH", &path, r#"{"url":"https://other.example/"}"#).await.expect(200);
    assert_eq!(
        (moved.json()["circuit"]["failing_since"].clone(), moved.header("etag")),
        (Value::Null, "\"3\"")
    );
}
