//! The filters of lists by the last attempt, the key, the command and metadata.

use std::time::Duration;

use rdev_webhooks_domain::ports::{Clock, DeliveryQueue};
use rdev_webhooks_domain::{Access, Attempt, AttemptOutcome, FailureClass, FailureReason, Settled, Trigger};
use rdev_webhooks_testkit::samples;
use serde_json::{Value, json};

use crate::scene::Scene;

async fn count(scene: &Scene, list: &str) -> usize {
    scene.get(list).await.expect(200).json()["data"].as_array().unwrap().len()
}

#[tokio::test]
async fn deliveries_are_listed_by_their_last_attempt() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let exhausted = Settled::Failed(FailureReason::AttemptsExhausted);
    let later = Settled::RetryAfter(Duration::from_secs(3_600));
    let timeout = AttemptOutcome::failed(FailureClass::Timeout, "no response");
    for (settled, outcome) in [
        (Settled::Succeeded, samples::attempt(1, scene.clock.now(), 200).outcome),
        (Settled::Succeeded, samples::attempt(1, scene.clock.now(), 204).outcome),
        (exhausted, samples::attempt(1, scene.clock.now(), 503).outcome),
        (later, timeout),
    ] {
        scene.event().await;
        let attempt = Attempt { outcome, ..samples::attempt(1, scene.clock.now(), 200) };
        scene.attempt(&webhook, settled, attempt).await;
    }
    let again = scene.get("/deliveries?code=503").await.expect(200).json()["data"][0]["id"].clone();
    let again = again.as_str().unwrap().parse().unwrap();
    scene.store.redeliver(Access::everything(), again, &Trigger::Manual.into()).await.unwrap();
    let attempt = Attempt { trigger: Trigger::Manual, ..samples::attempt(2, scene.clock.now(), 500) };
    scene.attempt(&webhook, exhausted, attempt).await;
    scene.event().await;
    for (query, expected) in [
        ("", 5),
        ("?code=200", 1),
        ("?code=204", 1),
        ("?code=503", 0),
        ("?code=500", 1),
        ("?class=status", 1),
        ("?class=timeout", 1),
        ("?class=dns", 0),
        ("?trigger=automatic", 3),
        ("?trigger=manual", 1),
        ("?trigger=replay", 0),
        ("?trigger=manual&code=500&class=status&status=failed&project=my-project", 1),
        ("?trigger=manual&code=500&status=succeeded", 0),
        ("?class=timeout&status=retrying&data.command_id=cmd-123", 1),
    ] {
        assert_eq!(count(&scene, &format!("/deliveries{query}")).await, expected, "{query}");
        let of_webhook = format!("/webhooks/{webhook}/deliveries{query}");
        assert_eq!(count(&scene, &of_webhook).await, expected, "{query}");
    }
    let page = scene.get("/deliveries?trigger=automatic&limit=2").await.expect(200).json();
    let cursor = page["next_cursor"].as_str().unwrap();
    assert_eq!(count(&scene, &format!("/deliveries?trigger=automatic&cursor={cursor}")).await, 1);
}

#[tokio::test]
async fn events_and_deliveries_are_listed_by_key_and_command() {
    let scene = Scene::new();
    scene.webhook().await;
    for body in [
        json!({"event": "command.started", "id": "a b".replace(' ', "-"), "data": {"command_id": "cmd 1&ü"}}),
        json!({"event": "command.failed", "id": "other", "data": {"command_id": "cmd 1&ü"}}),
        json!({"event": "command.failed", "data": {"command_id": 1}}),
    ] {
        scene.post("/events", body.to_string()).await.expect(202);
    }
    for (list, expected) in [
        ("/events?key=a-b", 1),
        ("/events?key=A-B", 0),
        ("/events?key=other&data.command_id=cmd+1%26%C3%BC", 1),
        ("/events?data.command_id=cmd+1%26%C3%BC", 2),
        ("/events?data.command_id=cmd+1%26%C3%BC&event=command.failed", 1),
        ("/events?data.command_id=1", 0),
        ("/deliveries?data.command_id=cmd%201%26%C3%BC", 1),
        ("/deliveries?data.command_id=cmd%201%26%C3%BC&event=command.failed", 1),
        ("/deliveries?data.command_id=cmd", 0),
    ] {
        assert_eq!(count(&scene, list).await, expected, "{list}");
    }
}

#[tokio::test]
async fn webhooks_are_listed_by_metadata() {
    let scene = Scene::new();
    for metadata in
        [json!({"tenant": "acme", "tier": "gold"}), json!({"tenant": "acme", "a.b": "x y"}), json!({})]
    {
        let body = json!({"url": "https://a.example/", "events": ["*"], "metadata": metadata});
        scene.post("/webhooks", body.to_string()).await.expect(201);
    }
    for (query, expected) in [
        ("?metadata.tenant=acme", 2),
        ("?metadata.tenant=acme&metadata.tier=gold", 1),
        ("?metadata.tenant=acme&metadata.tier=silver", 0),
        ("?metadata.a.b=x+y&enabled=true&event=command.failed", 1),
        ("?metadata.tenant=", 0),
    ] {
        assert_eq!(count(&scene, &format!("/webhooks{query}")).await, expected, "{query}");
    }
    let page = scene.get("/webhooks?metadata.tenant=acme&limit=1").await.expect(200);
    assert!(page.text().contains("\"has_more\":true"));
}

#[tokio::test]
async fn a_filter_refuses_values_that_nothing_has() {
    let scene = Scene::new();
    let long = "x".repeat(256);
    let key = "k".repeat(41);
    let pairs: String = (0..51).map(|n| format!("metadata.k{n}=v&")).collect();
    for (list, parameter, detail) in [
        ("/deliveries?code=99", "code", "must be an HTTP status, a whole number from 100 to 999"),
        ("/deliveries?code=1000", "code", "must be an HTTP status"),
        ("/deliveries?code=2xx", "code", "must be an HTTP status"),
        ("/deliveries?code=%2B200", "code", "must be an HTTP status"),
        ("/deliveries?code=200&code=500", "code", "is given twice"),
        (
            "/deliveries?class=slow",
            "class",
            "must be one of dns, refused_destination, connect, tls, timeout, reset, protocol, status, abandoned",
        ),
        ("/deliveries?class=", "class", "must be one of dns"),
        ("/deliveries?trigger=Manual", "trigger", "must be one of automatic, manual, replay"),
        ("/deliveries?data.command_id=", "data.command_id", "must be 1 to 255 characters"),
        (&format!("/deliveries?data.command_id={long}"), "data.command_id", "must be 1 to 255 characters"),
        ("/deliveries?data.project=a", "data.project", "is unknown; known parameters:"),
        ("/deliveries?key=a", "key", "is unknown"),
        ("/events?key=a%20b", "key", "must be 1 to 255 visible ASCII characters"),
        ("/events?data.command_id=a%00", "data.command_id", "without control characters"),
        ("/events?code=200", "code", "is unknown"),
        ("/events/stream?code=200", "code", "is unknown"),
        (
            "/webhooks?metadata=a",
            "metadata",
            "is unknown; known parameters: event, enabled, project, metadata.KEY",
        ),
        ("/webhooks?metadata.=a", "metadata.", "must have a key of 1 to 40 characters"),
        (&format!("/webhooks?metadata.{key}=a"), &format!("metadata.{key}"), "must have a key of 1 to 40"),
        (
            &format!("/webhooks?metadata.a={}", "v".repeat(501)),
            "metadata.a",
            "must be at most 500 characters",
        ),
        ("/webhooks?metadata.a=%01", "metadata.a", "control characters"),
        ("/webhooks?metadata.a=1&metadata.a=2", "metadata.a", "is given twice"),
        (&format!("/webhooks?{pairs}limit=1"), "metadata.k9", "must contain at most 50 pairs"),
    ] {
        let refused = scene.get(list).await.expect(422).json();
        let errors = refused["errors"].as_array().unwrap();
        assert_eq!(errors.len(), 1, "{list}: {errors:?}");
        assert_eq!(errors[0]["parameter"], parameter, "{list}");
        let given = errors[0]["detail"].as_str().unwrap();
        assert!(given.contains(detail), "{list}: {given}");
    }
    let both = scene.get("/deliveries?code=x&class=y&trigger=z").await.expect(422).json();
    let parameters: Vec<_> = both["errors"].as_array().unwrap().iter().map(|one| &one["parameter"]).collect();
    assert_eq!(parameters, [&Value::from("code"), &Value::from("class"), &Value::from("trigger")]);
}
