//! Deliveries and their attempts.

use std::time::Duration;

use rdev_webhooks_domain::ports::{Clock, DeliveryQueue};
use rdev_webhooks_domain::{
    Attempt, AttemptOutcome, CapturedResponse, FailureClass, FailureReason, Phases, Settled,
};
use rdev_webhooks_testkit::samples;
use serde_json::json;

use crate::scene::{EVENT, Scene, request};

/// Returns an attempt with every optional part.
fn answered(scene: &Scene, status: u16, body: &[u8], truncated: bool) -> Attempt {
    Attempt {
        phases: Phases {
            dns: Some(Duration::from_micros(1_500)),
            connect: Some(Duration::from_millis(2)),
            tls: None,
            first_byte: Some(Duration::from_micros(10)),
        },
        outcome: AttemptOutcome::answered(CapturedResponse {
            status,
            headers: vec![
                ("set-cookie".to_owned(), "a".to_owned()),
                ("set-cookie".to_owned(), "b".to_owned()),
            ],
            body: body.to_vec().into(),
            truncated,
        }),
        ..samples::attempt(1, scene.clock.now(), status)
    }
}

#[tokio::test]
async fn a_new_delivery_is_pending_and_has_no_attempts() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let event = scene.event().await;
    let delivery = scene.delivery_of(&event).await;
    let id = delivery["id"].as_str().unwrap();
    let expected = json!({
        "id": id,
        "event_id": event,
        "event": "command.completed",
        "project": "my-project",
        "webhook_id": webhook,
        "status": "pending",
        "attempts": 0,
        "next_attempt_at": null,
        "finished_at": null,
        "reason": null,
        "reason_detail": null,
        "created_at": "2025-01-15T10:30:00Z",
        // It is due, and no worker runs.
        "waiting_for": "share",
    });
    assert_eq!(delivery, expected);
    let mut shown = scene.get(&format!("/deliveries/{id}")).await.expect(200).json();
    let members = shown.as_object_mut().unwrap();
    let request = members.remove("request").unwrap();
    assert_eq!(members.remove("last_attempt"), Some(json!(null)));
    assert_eq!(shown, expected);
    let expected =
        json!({"method": "POST", "url": "https://example.com/webhook", "headers": null, "body": EVENT});
    assert_eq!(request, expected);
    let attempts = scene.get(&format!("/deliveries/{id}/attempts")).await.expect(200).json();
    assert_eq!(attempts, json!({"data": [], "has_more": false, "next_cursor": null}));
}

#[tokio::test]
async fn a_delivery_shows_the_exact_headers_of_its_last_attempt() {
    let scene = Scene::new();
    let body = r#"{"url":"https://example.com/","events":["*"],"headers":{"x-token":"s3cret"}}"#;
    let made = scene.post("/webhooks", body).await.expect(201).json();
    let webhook = made["id"].as_str().unwrap();
    let event = scene.event().await;
    let settled = Settled::RetryAfter(Duration::from_secs(5));
    scene.attempt(webhook, settled, samples::attempt(1, scene.clock.now(), 500)).await;

    let id = scene.delivery_of(&event).await["id"].as_str().unwrap().to_owned();
    let shown = scene.get(&format!("/deliveries/{id}")).await.expect(200);
    assert!(!shown.text().contains("s3cret"));
    let shown = shown.json();
    assert_eq!(shown["status"], "retrying");
    assert_eq!(shown["next_attempt_at"], "2025-01-15T10:30:05Z");
    let headers = &shown["request"]["headers"];
    for (name, value) in [
        ("content-type", "application/json"),
        ("webhook-id", event.as_str()),
        ("webhook-timestamp", "1736937000"),
        ("webhook-signature", "v1,c2lnbmF0dXJl"),
        ("x-rdev-attempt", "1"),
        ("x-rdev-delivery", id.as_str()),
        ("x-token", "[redacted]"),
    ] {
        assert_eq!(headers[name], value, "{headers}");
    }
    assert_eq!(shown["last_attempt"]["status"], 500);
    assert_eq!(shown["last_attempt"]["next_attempt_at"], "2025-01-15T10:30:05Z");
}

#[tokio::test]
async fn attempts_are_listed_in_full_last_first() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let event = scene.event().await;
    let retry = Settled::RetryAfter(Duration::ZERO);
    scene.attempt(&webhook, retry, answered(&scene, 500, "grün".as_bytes(), false)).await;
    scene.attempt(&webhook, retry, answered(&scene, 502, b"\xff\x00", true)).await;
    let timeout = Attempt {
        outcome: AttemptOutcome::failed(FailureClass::Timeout, "no answer within 15 s"),
        ..samples::attempt(1, scene.clock.now(), 0)
    };
    scene.attempt(&webhook, Settled::Failed(FailureReason::AttemptsExhausted), timeout).await;

    let delivery = scene.delivery_of(&event).await;
    assert_eq!((&delivery["status"], &delivery["reason"]), (&json!("failed"), &json!("attempts_exhausted")));
    assert!(delivery["reason_detail"].as_str().unwrap().contains("retry policy"));
    assert_eq!(delivery["finished_at"], "2025-01-15T10:30:00Z");
    assert_eq!((&delivery["attempts"], &delivery["next_attempt_at"]), (&json!(3), &json!(null)));

    let path = format!("/deliveries/{}/attempts", delivery["id"].as_str().unwrap());
    let attempts = scene.get(&path).await.expect(200).json()["data"].clone();
    let numbers: Vec<_> = attempts.as_array().unwrap().iter().map(|one| one["number"].clone()).collect();
    assert_eq!(numbers, [3, 2, 1]);
    assert_eq!(attempts[0]["error"], json!({"class": "timeout", "detail": "no answer within 15 s"}));
    assert_eq!((&attempts[0]["status"], &attempts[0]["response"]), (&json!(null), &json!(null)));
    assert_eq!(attempts[1]["response"]["body"], "/wA=");
    assert_eq!(attempts[1]["response"]["body_encoding"], "base64");
    assert_eq!(attempts[1]["response"]["truncated"], true);
    let first = json!({
        "id": attempts[2]["id"],
        "number": 1,
        "trigger": "automatic",
        "started_at": "2025-01-15T10:30:00Z",
        "duration_ms": 12,
        "phases": {"dns_ms": 1.5, "connect_ms": 2, "tls_ms": null, "first_byte_ms": 0.01},
        "status": 500,
        "error": {"class": "status", "detail": "the endpoint responded with 500"},
        "response": {
            "status": 500,
            "headers": [["set-cookie", "a"], ["set-cookie", "b"]],
            "body": "grün",
            "body_encoding": "utf-8",
            "truncated": false,
        },
        "next_attempt_at": null,
    });
    assert_eq!(attempts[2], first);
    assert!(attempts[2]["id"].as_str().unwrap().starts_with("att_"));

    let page = scene.get(&format!("{path}?limit=2")).await.expect(200);
    assert!(page.header("link").starts_with(&format!("<{path}?limit=2&cursor=")));
    let cursor = page.json()["next_cursor"].as_str().unwrap().to_owned();
    let rest = scene.get(&format!("{path}?cursor={cursor}")).await.expect(200).json();
    assert_eq!(rest["data"], json!([first]));
    assert_eq!(rest["has_more"], false);
}

#[tokio::test]
async fn redeliver_repeats_a_finished_delivery() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let event = scene.event().await;
    scene.attempt(&webhook, Settled::Succeeded, samples::attempt(1, scene.clock.now(), 204)).await;
    let delivery = scene.delivery_of(&event).await;
    assert_eq!(delivery["status"], "succeeded");
    let path = format!("/deliveries/{}/redeliver", delivery["id"].as_str().unwrap());

    for (body, status) in [("", 202), ("{}", 202), (" ", 400), ("[]", 422), (r#"{"a":1}"#, 422), ("{", 400)] {
        scene.post(&path, body).await.expect(status);
    }
    let again = scene.call("POST", &path, &[]).await.expect(202).json();
    assert_eq!((&again["status"], &again["attempts"]), (&json!("pending"), &json!(1)));
    let typed = request("POST", &path, &[("content-type", "text/plain")], "{}");
    scene.send(typed).await.expect(415);
    let empty = request("POST", &path, &[("content-type", "text/plain")], "");
    scene.send(empty).await.expect(202);

    scene.claim(&webhook).await;
    let refused = scene.call("POST", &path, &[]).await.expect(409);
    assert_eq!(refused.code(), "delivery_in_flight");
    assert_eq!(scene.delivery_of(&event).await["status"], "in_flight");
}

#[tokio::test]
async fn redeliver_refuses_a_disabled_webhook() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let event = scene.event().await;
    scene.json("PATCH", &format!("/webhooks/{webhook}"), r#"{"enabled":false}"#).await.expect(200);
    let id = scene.delivery_of(&event).await["id"].as_str().unwrap().to_owned();
    let refused = scene.call("POST", &format!("/deliveries/{id}/redeliver"), &[]).await.expect(409);
    assert_eq!(refused.code(), "webhook_disabled");
}

#[tokio::test]
async fn cancel_ends_a_waiting_delivery() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let event = scene.event().await;
    let id = scene.delivery_of(&event).await["id"].as_str().unwrap().to_owned();
    let path = format!("/deliveries/{id}/cancel");
    for (body, status) in [("[]", 422), (r#"{"a":1}"#, 422), ("{", 400)] {
        scene.post(&path, body).await.expect(status);
    }
    let leased = scene.claim(&webhook).await;
    let refused = scene.call("POST", &path, &[]).await.expect(409);
    assert_eq!(refused.code(), "delivery_in_flight");
    scene.store.release(&[leased.lease]).await.unwrap();

    let cancelled = scene.call("POST", &path, &[]).await.expect(200).json();
    for (member, expected) in [
        ("id", json!(id)),
        ("status", json!("cancelled")),
        ("reason", json!("requested")),
        ("finished_at", json!("2025-01-15T10:30:00Z")),
        ("next_attempt_at", json!(null)),
    ] {
        assert_eq!(cancelled[member], expected, "{member}");
    }
    assert!(cancelled["reason_detail"].as_str().unwrap().contains("on request"));
    let mut listed = scene.delivery_of(&event).await;
    assert_eq!(listed.as_object_mut().unwrap().remove("waiting_for"), Some(json!(null)));
    assert_eq!(listed, cancelled);
    let refused = scene.post(&path, "{}").await.expect(409);
    assert_eq!(refused.code(), "delivery_finished");
    let again = scene.call("POST", &format!("/deliveries/{id}/redeliver"), &[]).await.expect(202).json();
    assert_eq!(again["status"], "pending");
}

#[tokio::test]
async fn deliveries_are_listed_by_every_filter() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let other = scene.webhook().await;
    let event = scene.event().await;
    scene.clock.advance(Duration::from_secs(1));
    scene.post("/events", r#"{"event":"command.failed","data":{}}"#).await.expect(202);
    scene.attempt(&webhook, Settled::Succeeded, samples::attempt(1, scene.clock.now(), 200)).await;
    for (query, expected) in [
        (String::new(), 4),
        ("?status=succeeded".to_owned(), 1),
        ("?status=pending".to_owned(), 3),
        ("?event=command.failed".to_owned(), 2),
        (format!("?event={event}"), 2),
        ("?project=my-project".to_owned(), 2),
        (format!("?webhook={other}"), 2),
        (format!("?webhook={webhook}&status=pending"), 1),
        ("?since=2025-01-15T10:30:01Z".to_owned(), 2),
        ("?until=2025-01-15T10:30:01Z".to_owned(), 2),
        ("?since=2025-01-15T10:30:01+0000".to_owned(), 2),
        ("?since=2025-01-15T12:30:01.000000+02:00&until=2025-01-15T12:30:01%2B0200".to_owned(), 0),
    ] {
        let listed = scene.get(&format!("/deliveries{query}")).await.expect(200).json();
        assert_eq!(listed["data"].as_array().unwrap().len(), expected, "{query}");
        if !query.contains("webhook=") {
            let one = scene.get(&format!("/webhooks/{other}/deliveries{query}")).await.expect(200).json();
            let all = one["data"].as_array().unwrap();
            assert!(all.iter().all(|delivery| delivery["webhook_id"] == other.as_str()), "{query}");
        }
    }
}

#[tokio::test]
async fn a_delivery_says_what_it_waits_for() {
    let scene = Scene::new();
    let body = r#"{"url":"https://example.com/","events":["*"],"rate_limit":5}"#;
    let made = scene.post("/webhooks", body).await.expect(201).json();
    let (webhook, path) =
        (made["id"].as_str().unwrap(), format!("/webhooks/{}", made["id"].as_str().unwrap()));
    let event = scene.event().await;
    let delivery = format!("/deliveries/{}", scene.delivery_of(&event).await["id"].as_str().unwrap());
    let shown = async |waiting_for: serde_json::Value, next_attempt_at: serde_json::Value| {
        let shown = scene.get(&delivery).await.expect(200).json();
        assert_eq!((&shown["waiting_for"], &shown["next_attempt_at"]), (&waiting_for, &next_attempt_at));
        for list in ["/deliveries".to_owned(), format!("{path}/deliveries")] {
            let listed = scene.get(&list).await.expect(200).json()["data"][0].clone();
            assert_eq!(
                (&listed["waiting_for"], &listed["next_attempt_at"]),
                (&waiting_for, &next_attempt_at)
            );
            let listed_keys: Vec<_> = listed.as_object().unwrap().keys().collect();
            let shown = shown.as_object().unwrap().keys();
            let shown: Vec<_> =
                shown.filter(|key| !["request", "last_attempt"].contains(&key.as_str())).collect();
            assert_eq!(listed_keys, shown);
        }
    };
    shown(json!("share"), json!(null)).await;

    let retry = Settled::RetryAfter(Duration::from_secs(5));
    scene.attempt(webhook, retry, samples::attempt(1, scene.clock.now(), 500)).await;
    shown(json!(null), json!("2025-01-15T10:30:05Z")).await;
    // That attempt has spent the rate.
    scene.json("PATCH", &path, json!({"rate_limit": 0.1}).to_string()).await.expect(200);
    shown(json!("rate"), json!("2025-01-15T10:30:10Z")).await;
    scene.clock.advance(Duration::from_secs(6));
    shown(json!("rate"), json!("2025-01-15T10:30:10Z")).await;
    // The rate allows it, and no worker has claimed it yet.
    scene.clock.advance(Duration::from_millis(4_999));
    shown(json!("rate"), json!("2025-01-15T10:30:10.999Z")).await;
    scene.clock.advance(Duration::from_millis(1));
    shown(json!("share"), json!(null)).await;
    scene.json("PATCH", &path, json!({"enabled": false}).to_string()).await.expect(200);
    shown(json!("webhook_disabled"), json!(null)).await;
    scene.json("PATCH", &path, json!({"enabled": true, "rate_limit": null}).to_string()).await.expect(200);

    scene.clock.advance(Duration::from_secs(5));
    scene.open_circuit(webhook).await;
    let circuit = scene.get(&path).await.expect(200).json()["circuit"].clone();
    assert_eq!(circuit["state"], "open");
    shown(json!("circuit"), circuit["open_until"].clone()).await;
    scene.clock.advance(Duration::from_secs(60 * 60));
    shown(json!("circuit"), json!(scene.clock.now().to_string())).await;
}
