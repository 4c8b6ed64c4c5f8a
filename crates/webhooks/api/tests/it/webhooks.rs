//! The life of a webhook.

use rdev_webhooks_domain::ports::WebhookRepository;
use serde_json::{Value, json};

use crate::scene::{Scene, WEBHOOK};

const FULL: &str = r#"{
    "url": "https://example.com/webhook?a=1",
    "events": ["command.failed", "command.*", "command.failed"],
    "description": "two\nlines é",
    "metadata": {"tenant": "acme", "a.b/~c": "", "é": "two\nlines"},
    "projects": ["b", "a"],
    "headers": {"X-Token": "s3cret", "x-other": "v4lue"},
    "retry": {"max_attempts": 5, "multiplier": 1.5},
    "rate_limit": 0.5,
    "max_in_flight": 7,
    "timeout_ms": 2500,
    "format": "cloudevents",
    "signing": "ed25519",
    "expires_at": "2025-01-16T12:30:00+02:00",
    "enabled": false
}"#;

#[tokio::test]
async fn the_smallest_webhook_has_the_defaults() {
    let scene = Scene::new();
    let made = scene.post("/webhooks", WEBHOOK).await.expect(201);
    let mut webhook = made.json();
    let id = webhook["id"].as_str().unwrap().to_owned();
    assert_eq!(made.header("location"), format!("/webhooks/{id}"));
    assert_eq!(made.header("etag"), "\"1\"");
    let secret = webhook.as_object_mut().unwrap().remove("secret").unwrap();
    assert!(secret.as_str().unwrap().starts_with("whsec_"), "{secret}");
    let expected = json!({
        "id": id,
        "url": "https://example.com/webhook",
        "description": null,
        "metadata": {},
        "events": ["command.completed", "command.failed"],
        "projects": [],
        "headers": {},
        "retry": {"max_attempts": 3, "initial_backoff_ms": 5000, "multiplier": 2, "max_backoff_ms": 3600000},
        "rate_limit": null,
        "max_in_flight": null,
        "timeout_ms": null,
        "circuit": {
            "state": "closed", "open_until": null, "consecutive_failures": 0, "failing_since": null
        },
        "format": "rdev",
        "signing": "hmac-sha256",
        "enabled": true,
        "expires_at": null,
        "created_at": "2025-01-15T10:30:00Z",
        "updated_at": "2025-01-15T10:30:00Z",
    });
    assert_eq!(webhook, expected);
    let read = scene.get(made.header("location")).await.expect(200);
    assert_eq!(read.json(), expected);
    let listed = scene.get("/webhooks").await.expect(200).json();
    assert_eq!(listed, json!({"data": [expected], "has_more": false, "next_cursor": null}));
}

#[tokio::test]
async fn every_setting_is_kept_and_no_secret_is_shown_again() {
    let scene = Scene::new();
    let made = scene.post("/webhooks", FULL).await.expect(201);
    let webhook = made.json();
    assert!(webhook["secret"].as_str().unwrap().starts_with("whsk_"));
    for (member, expected) in [
        ("url", json!("https://example.com/webhook?a=1")),
        ("events", json!(["command.*", "command.failed"])),
        ("description", json!("two\nlines é")),
        ("metadata", json!({"tenant": "acme", "a.b/~c": "", "é": "two\nlines"})),
        ("projects", json!(["a", "b"])),
        ("headers", json!({"x-token": "[redacted]", "x-other": "[redacted]"})),
        (
            "retry",
            json!({"max_attempts": 5, "initial_backoff_ms": 5000, "multiplier": 1.5, "max_backoff_ms": 3600000}),
        ),
        ("rate_limit", json!(0.5)),
        ("max_in_flight", json!(7)),
        ("timeout_ms", json!(2500)),
        ("format", json!("cloudevents")),
        ("signing", json!("ed25519")),
        ("expires_at", json!("2025-01-16T10:30:00Z")),
        ("enabled", json!(false)),
        ("disabled_reason", json!("manual")),
        ("disabled_at", json!("2025-01-15T10:30:00Z")),
    ] {
        assert_eq!(webhook[member], expected, "{member}");
    }
    let path = made.header("location");
    for text in [scene.get(path).await.text(), scene.get("/webhooks").await.text(), made.text()] {
        assert!(!text.contains("s3cret") && !text.contains("v4lue"), "{text}");
    }
    let read = scene.get(path).await.expect(200).json();
    assert!(read.get("secret").is_none(), "{read}");
}

#[tokio::test]
async fn null_means_absent_in_a_new_webhook() {
    let scene = Scene::new();
    let nulls = r#"{"url":"https://example.com/webhook","events":["command.completed","command.failed"],
        "description":null,"metadata":null,"projects":null,"headers":null,"retry":null,"rate_limit":null,
        "max_in_flight":null,"timeout_ms":null,"format":null,"signing":null,"secret":null,"expires_at":null,"enabled":null}"#;
    let without = scene.post("/webhooks", WEBHOOK).await.expect(201).json();
    let with = scene.post("/webhooks", nulls).await.expect(201).json();
    for (member, value) in without.as_object().unwrap() {
        if !["id", "secret"].contains(&member.as_str()) {
            assert_eq!(&with[member], value, "{member}");
        }
    }
}

#[tokio::test]
async fn a_patch_may_repeat_the_current_signing() {
    let scene = Scene::new();
    for (signing, same) in [("hmac-sha256", &["\"hmac-sha256\"", "null"][..]), ("ed25519", &["\"ed25519\""])]
    {
        let body = json!({"url": "https://example.com/", "events": ["*"], "signing": signing});
        let made = scene.post("/webhooks", body.to_string()).await.expect(201).json();
        let path = format!("/webhooks/{}", made["id"].as_str().unwrap());
        for same in same {
            let patch = format!(r#"{{"signing":{same}}}"#);
            let answer = scene.json("PATCH", &path, patch).await.expect(200);
            assert_eq!((answer.header("etag"), &answer.json()["signing"]), ("\"1\"", &json!(signing)));
        }
        let other = if signing == "ed25519" { "null" } else { "\"ed25519\"" };
        scene.json("PATCH", &path, format!(r#"{{"signing":{other}}}"#)).await.expect(422);
    }
}

#[tokio::test]
async fn a_retry_policy_is_shown_as_it_was_given() {
    let scene = Scene::new();
    for (given, shown) in [
        (json!({"schedule_ms": [0, 1000.0, 86_400_000]}), json!({"schedule_ms": [0, 1000, 86_400_000]})),
        (json!({"schedule_ms": []}), json!({"schedule_ms": []})),
        (
            json!({"initial_backoff_ms": 7_200_000}),
            json!({"max_attempts": 3, "initial_backoff_ms": 7_200_000, "multiplier": 2, "max_backoff_ms": 7_200_000}),
        ),
    ] {
        let body = json!({"url": "https://example.com/", "events": ["*"], "retry": given});
        let made = scene.post("/webhooks", body.to_string()).await.expect(201);
        assert_eq!(made.json()["retry"], shown);
    }
}

async fn patched(scene: &Scene, id: &str, patch: &Value) -> Value {
    let path = format!("/webhooks/{id}");
    let answer = scene.json("PATCH", &path, patch.to_string()).await.expect(200);
    let read = scene.get(&path).await.expect(200);
    assert_eq!(answer.json(), read.json());
    assert_eq!(answer.header("etag"), read.header("etag"));
    read.json()
}

#[tokio::test]
async fn a_patch_changes_the_members_it_names_and_null_resets_them() {
    let scene = Scene::new();
    let made = scene.post("/webhooks", FULL).await.expect(201).json();
    let id = made["id"].as_str().unwrap();
    scene.clock.advance(std::time::Duration::from_secs(1));
    for (patch, member, expected) in [
        (json!({"url": "http://example.org"}), "url", json!("http://example.org/")),
        (json!({"events": ["*"]}), "events", json!(["*"])),
        (json!({"description": "new"}), "description", json!("new")),
        (json!({"description": null}), "description", json!(null)),
        (
            json!({"metadata": {"tenant": null, "plan": "pro", "unknown": null}}),
            "metadata",
            json!({"a.b/~c": "", "é": "two\nlines", "plan": "pro"}),
        ),
        (json!({"metadata": {}}), "metadata", json!({"a.b/~c": "", "é": "two\nlines", "plan": "pro"})),
        (json!({"metadata": null}), "metadata", json!({})),
        (json!({"projects": null}), "projects", json!([])),
        (
            json!({"headers": {"X-Other": null, "x-new": "1"}}),
            "headers",
            json!({"x-token": "[redacted]", "x-new": "[redacted]"}),
        ),
        (json!({"headers": null}), "headers", json!({})),
        (json!({"rate_limit": 10}), "rate_limit", json!(10)),
        (json!({"rate_limit": null}), "rate_limit", json!(null)),
        (json!({"max_in_flight": null}), "max_in_flight", json!(null)),
        (json!({"timeout_ms": null}), "timeout_ms", json!(null)),
        (json!({"expires_at": "2025-01-17T00:00:00Z"}), "expires_at", json!("2025-01-17T00:00:00Z")),
        (json!({"enabled": true}), "enabled", json!(true)),
        (json!({"expires_at": null}), "expires_at", json!(null)),
        (json!({"enabled": false}), "disabled_reason", json!("manual")),
        (json!({"enabled": null}), "enabled", json!(true)),
    ] {
        let webhook = patched(&scene, id, &patch).await;
        assert_eq!(webhook[member], expected, "{patch}");
        assert_eq!(webhook["updated_at"], "2025-01-15T10:30:01Z");
        assert_eq!((&webhook["signing"], &webhook["format"]), (&json!("ed25519"), &json!("cloudevents")));
    }
}

#[tokio::test]
async fn a_patch_of_the_retry_policy_is_merged_over_the_present_one() {
    let scene = Scene::new();
    let id = scene.webhook().await;
    let shown = |attempts: u32, initial: u32, factor: u32, max: u32| json!({"max_attempts": attempts, "initial_backoff_ms": initial, "multiplier": factor, "max_backoff_ms": max});
    for (patch, expected) in [
        (json!({"max_attempts": 9}), shown(9, 5_000, 2, 3_600_000)),
        (json!({"initial_backoff_ms": 10, "max_backoff_ms": 20}), shown(9, 10, 2, 20)),
        (json!({"initial_backoff_ms": 50}), shown(9, 50, 2, 50)),
        (json!({"max_attempts": null}), shown(3, 50, 2, 50)),
        (json!({}), shown(3, 50, 2, 50)),
        (json!({"schedule_ms": [1]}), json!({"schedule_ms": [1]})),
        (json!({}), json!({"schedule_ms": [1]})),
        (json!({"multiplier": 3}), shown(3, 5_000, 3, 3_600_000)),
        (json!({"schedule_ms": null, "multiplier": 4}), shown(3, 5_000, 4, 3_600_000)),
        (json!(null), shown(3, 5_000, 2, 3_600_000)),
    ] {
        let webhook = patched(&scene, &id, &json!({"retry": patch})).await;
        assert_eq!(webhook["retry"], expected, "{patch}");
    }
}

#[tokio::test]
async fn the_media_type_of_merge_patches_is_accepted() {
    let scene = Scene::new();
    let path = format!("/webhooks/{}", scene.webhook().await);
    let headers = [("content-type", "application/merge-patch+json; charset=utf-8")];
    let sent = crate::scene::request("PATCH", &path, &headers, r#"{"description":"a"}"#);
    assert_eq!(scene.send(sent).await.expect(200).json()["description"], "a");
    let sent = crate::scene::request("POST", "/webhooks", &headers, WEBHOOK);
    scene.send(sent).await.expect(415);
}

#[tokio::test]
async fn a_deleted_webhook_is_404_and_its_history_stays() {
    let scene = Scene::new();
    let id = scene.webhook().await;
    let event = scene.event().await;
    let delivery = scene.delivery_of(&event).await["id"].as_str().unwrap().to_owned();
    let path = format!("/webhooks/{id}");
    scene.call("DELETE", &path, &[]).await.expect(204);
    for (method, path) in [("GET", path.clone()), ("DELETE", path.clone()), ("POST", format!("{path}/test"))]
    {
        scene.call(method, &path, &[]).await.expect(404);
    }
    scene.json("PATCH", &path, "{}").await.expect(404);
    let listed = scene.get(&format!("{path}/deliveries")).await.expect(200).json();
    assert_eq!(listed["data"][0]["status"], "cancelled");
    assert_eq!(listed["data"][0]["reason"], "webhook_deleted");
    assert!(listed["data"][0]["reason_detail"].as_str().unwrap().contains("deleted"));
    let none = scene.get(&format!("{path}/deliveries?status=failed")).await.expect(200).json();
    assert_eq!(none["data"], json!([]));
    let shown = scene.get(&format!("/deliveries/{delivery}")).await.expect(200).json();
    assert_eq!(shown["request"]["url"], json!(null));
    let answer = scene.call("POST", &format!("/deliveries/{delivery}/redeliver"), &[]).await.expect(409);
    assert_eq!(answer.code(), "webhook_deleted");
}

#[tokio::test]
async fn a_test_delivery_goes_only_to_its_webhook() {
    let scene = Scene::new();
    let id = scene.webhook().await;
    scene.webhook().await;
    for body in ["", "{}"] {
        let delivery = scene.post(&format!("/webhooks/{id}/test"), body).await.expect(202).json();
        assert_eq!(delivery["webhook_id"], id.as_str());
        assert_eq!(delivery["event"], "webhook.test");
        assert_eq!(delivery["status"], "pending");
    }
    assert_eq!(scene.get("/deliveries").await.json()["data"].as_array().unwrap().len(), 2);
    patched(&scene, &id, &json!({"enabled": false})).await;
    let answer = scene.call("POST", &format!("/webhooks/{id}/test"), &[]).await.expect(409);
    assert_eq!(answer.code(), "webhook_disabled");
}

#[tokio::test]
async fn webhooks_are_listed_by_event_project_and_state() {
    let scene = Scene::new();
    let mut ids = Vec::new();
    for body in [
        json!({"url": "https://a.example/", "events": ["command.*"]}),
        json!({"url": "https://b.example/", "events": ["command.failed"], "projects": ["p"]}),
        json!({"url": "https://c.example/", "events": ["*"], "enabled": false}),
    ] {
        scene.clock.advance(std::time::Duration::from_millis(1));
        let made = scene.post("/webhooks", body.to_string()).await.expect(201).json();
        ids.push(made["id"].as_str().unwrap().to_owned());
    }
    for (query, expected) in [
        ("", vec![2, 1, 0]),
        ("?event=command.failed", vec![2, 1, 0]),
        ("?event=command.started", vec![2, 0]),
        ("?enabled=true", vec![1, 0]),
        ("?enabled=false&event=command.started", vec![2]),
        ("?project=p&enabled=true&event=command.failed", vec![1, 0]),
        ("?project=q&enabled=true", vec![0]),
    ] {
        let listed = scene.get(&format!("/webhooks{query}")).await.expect(200).json();
        let listed: Vec<_> = listed["data"].as_array().unwrap().iter().map(|one| one["id"].clone()).collect();
        let expected: Vec<_> = expected.iter().map(|place: &usize| json!(ids[*place])).collect();
        assert_eq!(listed, expected, "{query}");
    }
}

#[tokio::test]
async fn a_patch_may_not_exceed_the_maximum_number_of_headers() {
    let scene = Scene::new();
    let path = format!("/webhooks/{}", scene.webhook().await);
    let names = |range: std::ops::Range<u32>| {
        let members: Vec<_> = range.map(|n| format!("\"x-{n}\":\"1\"")).collect();
        members.join(",")
    };
    scene.json("PATCH", &path, format!("{{\"headers\":{{{}}}}}", names(0..32))).await.expect(200);
    let before = scene.get(&path).await.expect(200).json();
    let patch = r#"{"description":"changed","headers":{"x-new":"1"}}"#;
    let refused = scene.json("PATCH", &path, patch).await.expect(422);
    assert_eq!(refused.places(), ["/headers/x-new"]);
    assert_eq!(scene.get(&path).await.expect(200).json(), before, "a rejected patch changes nothing");
    scene.json("PATCH", &path, r#"{"headers":{"x-new":"1","X-3":null}}"#).await.expect(200);
}

#[tokio::test]
async fn a_patch_may_replace_all_pairs_of_metadata_and_never_exceeds_their_number() {
    let scene = Scene::new();
    let id = scene.webhook().await;
    let pairs = |prefix: &str| -> serde_json::Map<String, Value> {
        (0..50).map(|number| (format!("{prefix}{number}"), json!("v".repeat(500)))).collect()
    };
    patched(&scene, &id, &json!({"metadata": pairs("a")})).await;
    let path = format!("/webhooks/{id}");
    let more = json!({"metadata": {"a0": "changed", "b": "1"}});
    let refused = scene.json("PATCH", &path, more.to_string()).await.expect(422).json();
    assert_eq!(refused["errors"][0]["pointer"], "/metadata", "{refused}");
    let mut replaced = pairs("b");
    replaced.extend(pairs("a").into_iter().map(|(key, _)| (key, Value::Null)));
    let webhook = patched(&scene, &id, &json!({"metadata": replaced})).await;
    assert_eq!(webhook["metadata"], json!(pairs("b")));
}

#[tokio::test]
async fn an_enabled_webhook_expires_in_the_future() {
    let scene = Scene::new();
    let (now, later) = ("2025-01-15T10:30:00Z", "2025-01-15T10:30:01Z");
    let refused = async |answer: crate::answer::Answer| {
        let answer = answer.expect(422).json();
        assert_eq!(answer["errors"][0]["pointer"], "/expires_at", "{answer}");
    };
    let new = |expires_at: &str, enabled: bool| json!({"url": "https://example.com/webhook", "events": ["*"], "expires_at": expires_at, "enabled": enabled});
    refused(scene.json("POST", "/webhooks", new(now, true).to_string()).await).await;
    scene.json("POST", "/webhooks", new(now, false).to_string()).await.expect(201);
    let made = scene.json("POST", "/webhooks", new(later, true).to_string()).await.expect(201);
    let (path, id) = (made.header("location"), made.json()["id"].as_str().unwrap().to_owned());
    refused(scene.json("PATCH", path, json!({"expires_at": now}).to_string()).await).await;

    scene.clock.advance(std::time::Duration::from_secs(1));
    assert_eq!(scene.store.disable_expired(10).await.unwrap().len(), 1);
    let webhook = scene.get(path).await.expect(200).json();
    assert_eq!((&webhook["enabled"], &webhook["disabled_reason"]), (&json!(false), &json!("expired")));
    patched(&scene, &id, &json!({"description": "expired"})).await;
    refused(scene.json("PATCH", path, json!({"enabled": true}).to_string()).await).await;
    let enabled = patched(&scene, &id, &json!({"enabled": true, "expires_at": "2025-01-15T11:00:00Z"})).await;
    assert_eq!(enabled["enabled"], true);
}
