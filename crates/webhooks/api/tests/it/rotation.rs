//! Rotation of a webhook's secret, and its public key.

use std::time::Duration;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::Clock;
use rdev_webhooks_domain::signing::{Headers, PublicKey, SigningScheme, SigningSecret, Verifier, sign_all};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::scene::{KEY, Scene, WEBHOOK, request};

const ED25519: &str = r#"{"url":"https://example.com/webhook","events":["*"],"signing":"ed25519"}"#;
const DAY: Duration = Duration::from_secs(86_400);

/// Creates a webhook and returns its path and its secret.
async fn made(scene: &Scene, body: &'static str) -> (String, SigningSecret) {
    let made = scene.post("/webhooks", body).await.expect(201);
    (made.header("location").to_owned(), secret(&made.json()))
}

fn secret(webhook: &Value) -> SigningSecret {
    webhook["secret"].as_str().unwrap().parse().unwrap()
}

async fn rotate(scene: &Scene, webhook: &str, body: &'static str) -> Answer {
    scene.post(&format!("{webhook}/secret/rotate"), body).await
}

/// Returns the `webhook-signature` that a worker would send now.
async fn signature(scene: &Scene, webhook: &str) -> String {
    scene.call("POST", &format!("{webhook}/test"), &[]).await.expect(202);
    let leased = scene.claim(webhook.strip_prefix("/webhooks/").unwrap()).await;
    let now = scene.clock.now();
    sign_all(leased.target.secrets.active(now), "evt_1", now.as_unix_seconds(), b"{}")
}

fn verifies(key: &Verifier, signature: &str, now: Timestamp) -> bool {
    let now = now.as_unix_seconds();
    let at = now.to_string();
    let headers = Headers { id: Some("evt_1"), timestamp: Some(&at), signature: Some(signature) };
    key.verify(headers, b"{}", now).is_ok()
}

#[tokio::test]
async fn both_secrets_sign_until_the_overlap_ends() {
    let scene = Scene::new();
    for body in [WEBHOOK, ED25519] {
        let (webhook, old) = made(&scene, body).await;
        let rotated = rotate(&scene, &webhook, "").await.expect(200);
        let until = scene.clock.now() + DAY;
        assert_eq!(rotated.json()["previous_secret_expires_at"], until.to_string());
        let new = secret(&rotated.json());
        assert_eq!(new.scheme(), old.scheme());
        assert_ne!(new, old);

        let sent = signature(&scene, &webhook).await;
        let entries: Vec<&str> = sent.split(' ').collect();
        assert_eq!(entries.len(), 2, "{sent}");
        let now = scene.clock.now();
        assert!(verifies(&Verifier::new(&new), entries[0], now), "the new one comes first");
        assert!(verifies(&Verifier::new(&old), entries[1], now));

        scene.clock.advance(DAY);
        let sent = signature(&scene, &webhook).await;
        assert!(!sent.contains(' '), "{sent}");
        assert!(verifies(&Verifier::new(&new), &sent, scene.clock.now()));
    }
}

#[tokio::test]
async fn a_rotation_is_shown_during_the_overlap_and_its_secret_once() {
    let scene = Scene::new();
    let (webhook, _) = made(&scene, WEBHOOK).await;
    let before = scene.get(&webhook).await.expect(200).json();
    assert!(before.get("previous_secret_expires_at").is_none(), "{before}");

    let rotated = rotate(&scene, &webhook, r#"{"overlap_seconds":60}"#).await.expect(200);
    assert_eq!(rotated.header("etag"), "\"2-rotating\"");
    let mut expected = rotated.json();
    let secret = expected.as_object_mut().unwrap().remove("secret").unwrap();
    assert_eq!(expected["previous_secret_expires_at"], "2025-01-15T10:31:00Z");
    let read = scene.get(&webhook).await.expect(200);
    assert_eq!((read.header("etag"), read.json()), ("\"2-rotating\"", expected.clone()));
    let listed = scene.get("/webhooks").await.expect(200);
    assert_eq!(listed.json()["data"], json!([expected]));
    assert!(!listed.text().contains(secret.as_str().unwrap()));

    scene.clock.advance(Duration::from_secs(60));
    let known = [("if-none-match", "\"2-rotating\"")];
    let after = scene.call("GET", &webhook, &known).await.expect(200);
    assert_eq!(after.header("etag"), "\"2\"");
    expected.as_object_mut().unwrap().remove("previous_secret_expires_at");
    assert_eq!(after.json(), expected);
}

#[tokio::test]
async fn an_overlap_of_zero_ends_the_old_secret_at_once() {
    let scene = Scene::new();
    let (webhook, old) = made(&scene, WEBHOOK).await;
    rotate(&scene, &webhook, "{}").await.expect(200);
    let rotated = rotate(&scene, &webhook, r#"{"overlap_seconds":0}"#).await.expect(200);
    assert_eq!(rotated.header("etag"), "\"3\"");
    assert!(rotated.json().get("previous_secret_expires_at").is_none());
    let sent = signature(&scene, &webhook).await;
    assert!(!sent.contains(' ') && !verifies(&Verifier::new(&old), &sent, scene.clock.now()), "{sent}");
}

#[tokio::test]
async fn public_keys_are_shown_wherever_a_webhook_is() {
    let scene = Scene::new();
    let made = scene.post("/webhooks", ED25519).await.expect(201);
    let webhook = made.header("location").to_owned();
    let public_key = |secret: &SigningSecret| json!(secret.public_key().unwrap().to_string());
    let old = secret(&made.json());
    assert_eq!(made.json()["public_key"], public_key(&old));
    assert!(made.json()["public_key"].as_str().unwrap().starts_with("whpk_"));
    assert_eq!(scene.get(&webhook).await.json()["public_key"], public_key(&old));

    let rotated = rotate(&scene, &webhook, "{}").await.expect(200).json();
    let new = secret(&rotated);
    let patched = scene.json("PATCH", &webhook, r#"{"description":"a"}"#).await.expect(200).json();
    for shown in [
        rotated,
        patched,
        scene.get(&webhook).await.json(),
        scene.get("/webhooks").await.json()["data"][0].clone(),
    ] {
        assert_eq!(shown["public_key"], public_key(&new), "{shown}");
        assert_eq!(shown["previous_public_key"], public_key(&old), "{shown}");
    }
    // Each public key that is shown verifies the deliveries.
    let sent = signature(&scene, &webhook).await;
    for secret in [&old, &new] {
        let key: PublicKey = public_key(secret).as_str().unwrap().parse().unwrap();
        assert!(verifies(&Verifier::new(key), &sent, scene.clock.now()));
    }
    scene.clock.advance(DAY);
    let shown = scene.get(&webhook).await.json();
    assert!(shown.get("previous_public_key").is_none(), "{shown}");
    let (symmetric, _) = self::made(&scene, WEBHOOK).await;
    assert!(scene.get(&symmetric).await.json().get("public_key").is_none());
}

/// Returns the public keys of a key set, parsed, in its order.
fn keys(answer: &Answer) -> Vec<PublicKey> {
    let set = answer.json();
    let keys = set["keys"].as_array().unwrap().iter();
    let text =
        |key: &Value| format!("whpk_{}=", key["x"].as_str().unwrap().replace('-', "+").replace('_', "/"));
    keys.map(|key| text(key).parse().unwrap()).collect()
}

#[tokio::test]
async fn the_key_set_has_the_keys_that_verify() {
    let scene = Scene::new();
    let (webhook, old) = made(&scene, ED25519).await;
    let path = format!("{webhook}/jwks.json");
    let anybody = async || {
        let mut request = request("GET", &path, &[], "");
        request.headers_mut().remove("authorization");
        scene.send(request).await.expect(200)
    };
    let (old, only) = (old.public_key().unwrap(), anybody().await);
    assert_eq!(keys(&only), [old]);
    let key = &only.json()["keys"][0];
    for (member, value) in [("kty", "OKP"), ("crv", "Ed25519"), ("use", "sig"), ("alg", "EdDSA")] {
        assert_eq!(key[member], value, "{key}");
    }
    let rotated = rotate(&scene, &webhook, "").await.expect(200).json();
    let new = secret(&rotated).public_key().unwrap();
    let both = anybody().await;
    assert_eq!(keys(&both), [new, old], "both are listed while both sign, the new one first");
    assert_eq!(both.json()["keys"][1], *key);
    assert_ne!(both.json()["keys"][0]["kid"], key["kid"]);
    let sent = signature(&scene, &webhook).await;
    for key in keys(&both) {
        assert!(verifies(&Verifier::new(key), &sent, scene.clock.now()));
    }
    scene.clock.advance(DAY);
    assert_eq!(keys(&anybody().await), [new]);

    scene.json("PATCH", &webhook, r#"{"enabled":false}"#).await.expect(200);
    assert_eq!(keys(&anybody().await), [new], "a disabled webhook has its keys");
    scene.call("DELETE", &webhook, &[]).await.expect(204);
    scene.get(&path).await.expect(404);
    let (symmetric, _) = made(&scene, WEBHOOK).await;
    let none = scene.get(&format!("{symmetric}/jwks.json")).await.expect(200);
    assert_eq!(none.json(), json!({ "keys": [] }));
}

#[tokio::test]
async fn a_project_scoped_key_gets_the_key_sets_that_it_sees() {
    let scene = Scene::new();
    let with_projects =
        |projects: &str| ED25519.replace("\"events\"", &format!("\"projects\":{projects},\"events\""));
    let made = async |projects: &str| {
        let made = scene.post("/webhooks", with_projects(projects)).await.expect(201);
        format!("{}/jwks.json", made.header("location"))
    };
    let (mine, theirs, all) = (made(r#"["mine"]"#).await, made(r#"["theirs"]"#).await, made("[]").await);
    // The scope does not matter.
    let key = scene.post("/api-keys", r#"{"scopes":["events:write"],"projects":["mine"]}"#).await.expect(201);
    let limited = format!("Bearer {}", key.json()["key"].as_str().unwrap());
    let administrator = format!("Bearer {KEY}");
    for (authorization, expected) in [
        (limited.as_str(), [200, 404, 404]),
        (administrator.as_str(), [200, 200, 200]),
        // What is no valid key counts as none.
        ("Bearer rdev_0", [200, 200, 200]),
        ("Basic eA==", [200, 200, 200]),
    ] {
        for (path, status) in [&mine, &theirs, &all].into_iter().zip(expected) {
            scene.call("GET", path, &[("authorization", authorization)]).await.expect(status);
        }
    }
}

#[tokio::test]
async fn a_rotation_requires_the_version_in_if_match() {
    let scene = Scene::new();
    let (webhook, _) = made(&scene, WEBHOOK).await;
    let path = format!("{webhook}/secret/rotate");
    let rotate =
        async |if_match: &str| scene.send(request("POST", &path, &[("if-match", if_match)], "")).await;
    for stale in ["\"2\"", "W/\"1\"", "\"01\"", "1"] {
        let answer = rotate(stale).await.expect(412);
        assert_eq!(
            (answer.code().as_str(), answer.places()),
            ("version_mismatch", vec!["#If-Match".to_owned()])
        );
    }
    assert_eq!(scene.get(&webhook).await.header("etag"), "\"1\"");
    for fresh in ["\"1\"", "\"2-rotating\"", "*"] {
        rotate(fresh).await.expect(200);
    }
    assert_eq!(scene.get(&webhook).await.header("etag"), "\"4-rotating\"");
}

#[tokio::test]
async fn an_invalid_rotation_is_refused() {
    let scene = Scene::new();
    let (webhook, _) = made(&scene, WEBHOOK).await;
    for (body, places) in [
        (r#"{"overlap_seconds":-1}"#, vec!["/overlap_seconds"]),
        (r#"{"overlap_seconds":604801}"#, vec!["/overlap_seconds"]),
        (r#"{"overlap_seconds":"60"}"#, vec!["/overlap_seconds"]),
        (r#"{"overlap_seconds":1.5,"secret":"mine"}"#, vec!["/overlap_seconds", "/secret"]),
        ("[]", vec![""]),
    ] {
        let refused = rotate(&scene, &webhook, body).await.expect(422);
        assert_eq!(refused.places(), places, "{body}");
    }
    rotate(&scene, &webhook, "{").await.expect(400);
    assert_eq!(scene.get(&webhook).await.header("etag"), "\"1\"");
    for body in ["", "{}", r#"{"overlap_seconds":null}"#, r#"{"overlap_seconds":604800}"#] {
        rotate(&scene, &webhook, body).await.expect(200);
    }
}

/// A symmetric secret and a key pair of the caller's own.
fn own_secrets() -> [(&'static str, String); 2] {
    let pair = SigningSecret::generate(SigningScheme::Ed25519, [7; 32]);
    [
        ("hmac-sha256", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw".to_owned()),
        ("ed25519", pair.expose().expose_secret().to_owned()),
    ]
}

#[tokio::test]
async fn a_secret_of_the_callers_own_signs_from_the_first_delivery_on() {
    let scene = Scene::new();
    for (signing, own) in own_secrets() {
        let body = json!({
            "url": "https://example.com/webhook", "events": ["*"], "signing": signing, "secret": own
        });
        let made = scene.json("POST", "/webhooks", body.to_string()).await.expect(201);
        assert_eq!(made.json()["secret"], own);
        let sent = signature(&scene, made.header("location")).await;
        assert!(verifies(&Verifier::new(own.parse::<SigningSecret>().unwrap()), &sent, scene.clock.now()));
        let shown = scene.get(made.header("location")).await.expect(200);
        assert!(!shown.text().contains(&own), "{}", shown.text());
    }
}

#[tokio::test]
async fn a_rotation_to_a_secret_of_the_callers_own_takes_effect_once() {
    let scene = Scene::new();
    for (signing, own) in own_secrets() {
        let body = json!({"url": "https://example.com/webhook", "events": ["*"], "signing": signing});
        let made = scene.json("POST", "/webhooks", body.to_string()).await.expect(201);
        let (webhook, old) = (made.header("location"), secret(&made.json()));
        let path = format!("{webhook}/secret/rotate");
        for _ in 0..2 {
            let rotated = scene.json("POST", &path, json!({"secret": own}).to_string()).await.expect(200);
            assert_eq!(rotated.json()["secret"], own);
            assert_eq!(rotated.header("etag"), "\"2-rotating\"");
        }
        let sent = signature(&scene, webhook).await;
        let entries: Vec<&str> = sent.split(' ').collect();
        let now = scene.clock.now();
        assert!(verifies(&Verifier::new(own.parse::<SigningSecret>().unwrap()), entries[0], now));
        assert!(verifies(&Verifier::new(&old), entries[1], now));
    }
}

#[tokio::test]
async fn a_secret_of_the_other_scheme_is_refused_and_not_repeated() {
    let scene = Scene::new();
    let [(_, symmetric), (_, pair)] = own_secrets();
    for (signing, wrong) in [("hmac-sha256", pair), ("ed25519", symmetric)] {
        let body = json!({"url": "https://example.com/webhook", "events": ["*"], "signing": signing});
        let made = scene.json("POST", "/webhooks", body.to_string()).await.expect(201);
        let mut with_secret = body.clone();
        with_secret["secret"] = json!(wrong);
        let path = format!("{}/secret/rotate", made.header("location"));
        for (path, body) in [("/webhooks", with_secret), (path.as_str(), json!({"secret": wrong}))] {
            let refused = scene.json("POST", path, body.to_string()).await.expect(422);
            assert_eq!(refused.json()["errors"][0]["pointer"], "/secret", "{}", refused.text());
            assert!(!refused.text().contains(&wrong), "{}", refused.text());
        }
        let kept = scene.get(made.header("location")).await.expect(200);
        assert_eq!(kept.header("etag"), "\"1\"");
    }
}
