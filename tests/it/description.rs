//! Checks the OpenAPI description against the running program with requests generated from it.

use std::process::Stdio;
use std::time::Duration;

use rdev_webhooks_tests::{AllInOne, python};
use serde_json::json;
use tokio::process::Command;

/// The configuration of Schemathesis: how it generates requests and what it checks of the responses.
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/schemathesis.toml");

#[tokio::test]
async fn responses_to_generated_requests_match_the_description() {
    let folder = tempfile::tempdir().unwrap();
    // No delivery reaches a generated address: no proxy listens here.
    let nowhere = ["--egress-proxy", "http://127.0.0.1:9", "--log", "warn"];
    let server = AllInOne::start_with(folder.path(), &nowhere, Stdio::inherit()).await;
    // A webhook for the requests to find.
    let webhook = json!({ "url": "https://example.com/webhook", "events": ["*"] }).to_string();
    server.client.post("/webhooks", &webhook).await.expect(201);
    for event in ["command.started", "command.completed"] {
        let event = json!({ "event": event, "data": { "project": "my-project" } }).to_string();
        server.client.post("/events", &event).await.expect(202);
    }

    let run = Command::new(python())
        .args(["-m", "schemathesis.cli", "--config-file", CONFIG, "--no-color", "run"])
        .arg(format!("{}/openapi.json", server.client.base()))
        .args(["--header", &format!("Authorization: Bearer {}", server.client.key())])
        .current_dir(folder.path())
        .env_remove("SCHEMATHESIS_HOOKS")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(Duration::from_secs(300), run).await.expect("it ends").unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{told}\n{}", String::from_utf8_lossy(&output.stderr));
}
