//! Python with the packages of `tests/requirements.txt`.

use std::path::PathBuf;
use std::process::Stdio;

use rdev_webhooks_testkit::receiver::ReceivedRequest;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Returns the path of its program. `scripts/setup` creates it.
#[must_use]
pub fn python() -> PathBuf {
    let default = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/test-venv/bin/python");
    let python = std::env::var_os("RDEV_TEST_PYTHON").map_or_else(|| PathBuf::from(default), PathBuf::from);
    assert!(python.exists(), "{} is missing: run scripts/setup", python.display());
    python
}

/// Verifies a request with the reference implementation, as an endpoint in Python would.
///
/// # Errors
///
/// Fails with what the implementation says.
pub async fn verified_by_python(secret: &str, request: &ReceivedRequest) -> Result<(), String> {
    const PROGRAM: &str = r#"
import json, sys
from standardwebhooks import Webhook
given = json.load(sys.stdin)
Webhook(given["secret"]).verify(given["body"].encode(), given["headers"])
"#;
    let header = |name: &str| request.header(name).to_owned();
    let given = json!({
        "secret": secret,
        "body": String::from_utf8_lossy(&request.body),
        "headers": {
            "webhook-id": header("webhook-id"),
            "webhook-timestamp": header("webhook-timestamp"),
            "webhook-signature": header("webhook-signature"),
        },
    });
    let mut program = Command::new(python())
        .args(["-c", PROGRAM])
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    program.stdin.take().unwrap().write_all(given.to_string().as_bytes()).await.unwrap();
    let output = program.wait_with_output().await.unwrap();
    let complaint = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() || complaint.contains("WebhookVerificationError"), "{complaint}");
    output.status.success().then_some(()).ok_or(complaint)
}
