//! The log messages of a process's start, work and end.

use std::process::Stdio;
use std::time::Duration;

use futures_util::future::join_all;
use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::{AllInOne, Log};

const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;

#[tokio::test]
async fn start_and_shutdown_are_logged_with_their_settings() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new();
    let server = AllInOne::start_with_log(folder.path(), "info", log.writer()).await;
    let started = log.until("started").await;
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(started["program"], "rdev-webhooks");
    assert_eq!(started["database"], "sqlite");
    assert!(started["database_version"].as_str().unwrap().starts_with("3."), "{started}");
    assert_eq!(started["allowed_destinations"], "127.0.0.0/8,::1/128");
    assert_eq!(started["encryption_keys"].as_str().unwrap().len(), 8, "a key id has eight digits: {started}");
    assert!(server.stop().await.success());
    let draining = log.until("draining").await;
    assert_eq!(draining["drain_timeout_ms"], 20_000.0);
    assert!(log.until("stopped").await["uptime_s"].is_u64());
    for file in ["api-key", "encryption-key"] {
        let key = std::fs::read_to_string(folder.path().join(file)).unwrap();
        assert!(!log.text().contains(key.trim()), "{file}");
    }
}

#[tokio::test]
async fn a_failed_attempt_is_logged_with_numeric_durations() {
    let folder = tempfile::tempdir().unwrap();
    let log = Log::new();
    let server = AllInOne::start_with_log(folder.path(), "info", log.writer()).await;
    let receiver = Receiver::start(Script::sequence([Reply::status(500), Reply::status(200)])).await;
    server.client.subscribe(receiver.url("/").as_str()).await;
    server.client.post("/events", EVENT).await.expect(202);
    let failed = log.until("attempt failed").await;
    assert_eq!((&failed["class"], &failed["next"]), (&"status".into(), &"retry".into()), "{failed}");
    assert!(failed["duration_ms"].as_f64().unwrap() > 0.0, "{failed}");
    assert!(failed["retry_in_ms"].as_f64().unwrap() >= 5_000.0, "{failed}");
    assert!(server.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stalled_log_reader_stalls_no_request() {
    let folder = tempfile::tempdir().unwrap();
    // The pipe's read end stays open and is never read.
    let server = AllInOne::start_with_log(folder.path(), "trace", Stdio::piped()).await;
    let asking = async {
        while server.client.metrics().await["rdev_webhooks_log_lines_dropped_total"] == 0.0 {
            // Each request logs a few lines.
            join_all((0..100).map(|_| server.client.get("/webhooks"))).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(60), asking)
        .await
        .expect("log lines are dropped instead of stalling requests");
    server.client.post("/events", EVENT).await.expect(202);
    assert!(server.stop().await.success());
}

/// Durations and other values are numbers or names in a log of either format: `?value` shows Rust's own
/// notation, which no collector reads.
#[test]
fn no_log_line_shows_a_value_in_rusts_notation() {
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut folders = vec![root.join("crates"), root.join("bins")];
    let mut faults = Vec::new();
    let mut calls = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).unwrap();
                for call in text.split("tracing::").skip(1).filter_map(arguments) {
                    calls += 1;
                    if call.contains("= ?") || call.contains(" ?") || call.contains("(?") {
                        faults.push(format!("{}: {call}", path.display()));
                    }
                }
            }
        }
    }
    assert!(calls > 50, "{calls} calls were found");
    assert!(faults.is_empty(), "{faults:#?}");
}

/// Returns the arguments of a logging macro's call, up to its message.
fn arguments(text: &str) -> Option<&str> {
    let name = text.split('!').next()?;
    let is_log = ["trace", "debug", "info", "warn", "error"].contains(&name);
    let call = text.get(name.len() + 1..)?;
    is_log.then(|| call.split('"').next().unwrap_or(call))
}
