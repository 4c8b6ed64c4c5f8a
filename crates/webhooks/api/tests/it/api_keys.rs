//! The life of an API key.

use std::sync::Arc;
use std::time::Duration;

use rdev_access::ApiKeySecret;
use rdev_access::ApiKeys;
use rdev_app::Ambient;
use rdev_webhooks_domain::ports::Clock;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::failures::Broken;
use crate::scene::{EVENT, KEY, Scene, WEBHOOK, request};

/// Sends a request with an API key.
async fn with(scene: &Scene, key: &str, method: &str, path: &str, body: &'static str) -> Answer {
    let authorization = format!("Bearer {key}");
    let headers = [("authorization", authorization.as_str()), ("content-type", "application/json")];
    scene.send(request(method, path, &headers, body)).await
}

/// Creates a key and returns its id and its text.
async fn made(scene: &Scene, body: &Value) -> (String, String) {
    let made = scene.post("/api-keys", body.to_string()).await.expect(201).json();
    let text = |name: &str| made[name].as_str().unwrap().to_owned();
    (text("id"), text("key"))
}

#[tokio::test]
async fn a_key_is_shown_once_and_authenticates_from_then_on() {
    let scene = Scene::new();
    let body = json!({"name": "CI", "scopes": ["events:write", "webhooks:read"], "projects": ["b", "a"],
        "expires_at": "2025-01-16T10:30:00+01:00"});
    let answer = scene.post("/api-keys", body.to_string()).await.expect(201);
    let mut shown = answer.json();
    let id = shown["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("key_"));
    assert_eq!(answer.header("location"), format!("/api-keys/{id}"));
    let key = shown.as_object_mut().unwrap().remove("key").unwrap();
    let key = key.as_str().unwrap();
    assert!(key.starts_with("rdev_") && key.len() == 44, "{key}");
    let expected = json!({
        "id": id,
        "name": "CI",
        "hint": &key[..9],
        "scopes": ["events:write", "webhooks:read"],
        "projects": ["a", "b"],
        "created_at": "2025-01-15T10:30:00Z",
        "expires_at": "2025-01-16T09:30:00Z",
        "last_used_at": null,
    });
    assert_eq!(shown, expected);
    assert_eq!(scene.get(answer.header("location")).await.expect(200).json(), expected);
    let listed = scene.get("/api-keys").await.expect(200);
    assert_eq!(listed.json()["data"], json!([expected]));
    assert!(!listed.text().contains(key));
    with(&scene, key, "GET", "/webhooks", "").await.expect(200);
}

#[tokio::test]
async fn a_key_permits_only_what_its_scopes_include() {
    let scene = Scene::new();
    let webhook = scene.webhook().await;
    let path = format!("/webhooks/{webhook}");
    let requests = [
        ("events:write", "POST", "/events", EVENT, 202),
        ("webhooks:read", "GET", path.as_str(), "", 200),
        ("webhooks:read", "GET", "/events", "", 200),
        ("webhooks:write", "POST", "/webhooks", WEBHOOK, 201),
        ("webhooks:write", "PATCH", path.as_str(), "{}", 200),
        ("admin", "GET", "/api-keys", "", 200),
    ];
    for (scope, includes) in [
        ("events:write", vec!["events:write"]),
        ("webhooks:read", vec!["webhooks:read"]),
        ("webhooks:write", vec!["webhooks:write", "webhooks:read"]),
        ("admin", vec!["events:write", "webhooks:read", "webhooks:write", "admin"]),
    ] {
        let (_, key) = made(&scene, &json!({"scopes": [scope]})).await;
        for (needed, method, path, body, status) in requests {
            let answer = with(&scene, &key, method, path, body).await;
            if includes.contains(&needed) {
                answer.expect(status);
            } else {
                let refused = answer.expect(403);
                assert_eq!(refused.code(), "forbidden");
                assert!(refused.detail().contains(needed), "{}", refused.detail());
            }
        }
    }
}

#[tokio::test]
async fn deleting_a_key_leaves_the_others_valid() {
    let scene = Scene::new();
    let (one_id, one) = made(&scene, &json!({"scopes": ["admin"]})).await;
    let (_, other) = made(&scene, &json!({"scopes": ["admin"]})).await;
    with(&scene, &one, "GET", "/webhooks", "").await.expect(200);
    with(&scene, &other, "DELETE", &format!("/api-keys/{one_id}"), "").await.expect(204);
    let refused = with(&scene, &one, "GET", "/webhooks", "").await.expect(401);
    assert!(refused.detail().contains("deleted"), "{}", refused.detail());
    with(&scene, &other, "GET", "/webhooks", "").await.expect(200);
    for (method, path) in [("GET", &one_id), ("DELETE", &one_id)] {
        let gone = scene.call(method, &format!("/api-keys/{path}"), &[]).await.expect(404);
        assert_eq!(gone.detail(), "The API key was not found.");
    }
}

#[tokio::test]
async fn a_refused_key_gets_the_reason() {
    let scene = Scene::new();
    let (_, key) = made(&scene, &json!({"scopes": ["admin"], "expires_at": "2025-01-15T10:31:00Z"})).await;
    let (deleted_id, deleted) = made(&scene, &json!({"scopes": ["admin"]})).await;
    scene.call("DELETE", &format!("/api-keys/{deleted_id}"), &[]).await.expect(204);
    let last = if key.ends_with('0') { "1" } else { "0" };
    let mistyped = format!("{}{last}", &key[..43]);
    with(&scene, &key, "GET", "/webhooks", "").await.expect(200);
    scene.clock.advance(Duration::from_secs(60));
    for (sent, detail, challenge) in [
        ("wr0ng", "39 letters and digits", "malformed"),
        (&format!("{KEY}x"), "39 letters and digits", "malformed"),
        (&key[..43], "39 letters and digits", "malformed"),
        (mistyped.as_str(), "checksum", "malformed"),
        (deleted.as_str(), "was deleted", "unknown"),
        (key.as_str(), "has expired", "expired"),
    ] {
        let refused = with(&scene, sent, "GET", "/webhooks", "").await.expect(401);
        assert!(refused.detail().contains(detail), "{sent}: {}", refused.detail());
        let header = refused.header("www-authenticate");
        assert!(
            header.starts_with("Bearer error=\"invalid_token\"") && header.contains(challenge),
            "{header}"
        );
        assert!(!refused.text().contains(sent));
    }
}

#[tokio::test]
async fn every_fault_of_a_key_is_reported_at_its_place() {
    let scene = Scene::new();
    for (body, places) in [
        (json!({}), vec!["/scopes"]),
        (json!({"scopes": null}), vec!["/scopes"]),
        (json!({"scopes": []}), vec!["/scopes"]),
        (json!({"scopes": "admin"}), vec!["/scopes"]),
        (json!({"scopes": ["root", "admin", 7]}), vec!["/scopes/0", "/scopes/2"]),
        (json!({"scopes": ["root"], "projects": []}), vec!["/projects", "/scopes/0"]),
        (json!({"scopes": ["admin"], "projects": ["a"]}), vec!["/projects"]),
        (
            json!({"scopes": ["admin", "x"], "projects": ["a", ""]}),
            vec!["/projects", "/projects/1", "/scopes/1"],
        ),
        (json!({"scopes": ["admin"], "expires_at": "2025-01-15T10:30:00Z"}), vec!["/expires_at"]),
        (json!({"scopes": ["admin"], "expires_at": "tomorrow"}), vec!["/expires_at"]),
        (json!({"scopes": ["admin"], "name": ""}), vec!["/name"]),
        (json!({"scopes": ["admin"], "name": "a\nb"}), vec!["/name"]),
        (json!({"scopes": ["admin"], "name": "é".repeat(101)}), vec!["/name"]),
        (json!({"scopes": ["admin"], "scope": "admin", "key": "mine"}), vec!["/key", "/scope"]),
        (
            json!({"scopes": [], "projects": [1], "expires_at": "2000-01-01T00:00:00Z", "name": 1, "x": 1}),
            vec!["/expires_at", "/name", "/projects/0", "/scopes", "/x"],
        ),
    ] {
        let refused = scene.post("/api-keys", body.to_string()).await.expect(422);
        let mut found = refused.places();
        // One place may have two faults.
        found.dedup();
        assert_eq!(found, places, "{body} {}", refused.text());
    }
    scene.post("/api-keys", "{").await.expect(400);
    assert_eq!(scene.get("/api-keys").await.json()["data"], json!([]));
    scene.get("/api-keys/nonsense").await.expect(404);
    assert_eq!(scene.get("/api-keys?scope=admin").await.expect(422).places(), ["?scope"]);
}

#[tokio::test]
async fn without_the_database_only_the_administrator_key_works() {
    let scene = Scene::with(|services| {
        services.api_keys = ApiKeys::new(Arc::new(Broken::Away), Ambient::system()).0;
    });
    let secret = ApiKeySecret::generate([7; 24]);
    let key = secret.expose().expose_secret();
    let answer = with(&scene, key, "GET", "/webhooks", "").await.expect(503);
    assert_eq!(answer.code(), "unavailable");
    with(&scene, KEY, "GET", "/webhooks", "").await.expect(200);
    with(&scene, &key[..43], "GET", "/webhooks", "").await.expect(401);
}

#[tokio::test(start_paused = true)]
async fn the_last_use_is_recorded() {
    let scene = Scene::new();
    let (id, key) = made(&scene, &json!({"scopes": ["webhooks:read"]})).await;
    let used = scene.clock.now();
    with(&scene, &key, "GET", "/webhooks", "").await.expect(200);
    let path = format!("/api-keys/{id}");
    let reported = async {
        while scene.get(&path).await.json()["last_used_at"] != used.to_string() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), reported).await.expect("the use was not recorded");
}
