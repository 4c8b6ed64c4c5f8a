//! The receivers in `examples/`, against the running program.

use std::path::Path;

use http::Method;
use rdev_webhooks_tests::{AllInOne, Process, binary, node, node_folder, python};
use serde_json::{Value, json};
use tokio::process::Command;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_flask_receiver_accepts_only_verified_deliveries() {
    let mut flask = Command::new(python());
    flask.arg(Path::new(EXAMPLES).join("flask/receiver.py"));
    receives(flask, "hmac-sha256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_express_receiver_accepts_only_verified_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(node_folder().join("node_modules"), folder.path().join("node_modules"))
        .unwrap();
    let receiver = folder.path().join("receiver.mjs");
    std::fs::copy(Path::new(EXAMPLES).join("express/receiver.mjs"), &receiver).unwrap();
    let mut express = node();
    express.arg(receiver);
    receives(express, "hmac-sha256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_axum_receiver_accepts_only_verified_deliveries() {
    for signing in ["hmac-sha256", "ed25519"] {
        receives(Command::new(binary("rdev-webhooks-example-axum")), signing).await;
    }
}

/// Sends a receiver one event twice, and one with another webhook's signature.
async fn receives(mut receiver: Command, signing: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    // The receiver needs the secret at its start, and has an address only after it.
    let webhook = json!({
        "url": "http://127.0.0.1:9/", "events": ["command.completed"], "signing": signing, "enabled": false,
        "retry": { "max_attempts": 1 },
    });
    let webhook = server.client.post("/webhooks", &webhook.to_string()).await.expect(201);
    let secret = if signing == "ed25519" { &webhook["public_key"] } else { &webhook["secret"] };
    receiver.env("WEBHOOK_SECRET", secret.as_str().unwrap()).env("PORT", "0");
    receiver.env("DATABASE", folder.path().join("receiver.db"));
    let receiver = Process::spawn(receiver, "/webhook").await;
    let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap());
    let change = json!({ "url": receiver.base(), "enabled": true }).to_string();
    server.client.request(Method::PATCH, &path, Some(&change)).await.unwrap().expect(200);

    let event = json!({ "event": "command.completed", "data": { "command_id": "cmd-1", "text": "ö ☃" } });
    server.client.post("/events", &event.to_string()).await.expect(202);
    let deliveries =
        server.client.until(&format!("{path}/deliveries"), |all| is_finished(&all["data"][0], 1)).await;
    assert_eq!(deliveries["data"][0]["status"], "succeeded", "{deliveries:#}");
    let delivery = format!("/deliveries/{}", deliveries["data"][0]["id"].as_str().unwrap());
    let again = format!("{delivery}/redeliver");
    server.client.post(&again, "").await.expect(202);
    let shown = server.client.until(&delivery, |shown| is_finished(shown, 2)).await;
    assert_eq!(shown["status"], "succeeded", "{shown:#}");

    // A signature with another secret is refused.
    server.client.post(&format!("{path}/secret/rotate"), r#"{"overlap_seconds":0}"#).await.expect(200);
    server.client.post(&again, "").await.expect(202);
    let shown = server.client.until(&delivery, |shown| is_finished(shown, 3)).await;
    assert_eq!(
        (&shown["status"], &shown["last_attempt"]["status"]),
        (&json!("failed"), &json!(401)),
        "{shown:#}"
    );
    let printed = receiver.output().await;
    assert_eq!(printed.matches("received command.completed").count(), 1, "{printed}");
    assert!(printed.contains("cmd-1"), "{printed}");
}

/// Returns whether a delivery has finished with the given number of attempts.
fn is_finished(delivery: &Value, attempts: u64) -> bool {
    delivery["attempts"] == attempts && !delivery["finished_at"].is_null()
}
