//! Change of a deployment's encryption key.

use std::time::Duration;

use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_tests::{Deployment, binary};
use tokio::process::Command;

const NEW: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const EVENT: &str = r#"{"event":"command.completed","data":{}}"#;
const SOON: Duration = Duration::from_secs(15);

/// Runs a binary on the database to its end; returns its exit code, standard output and standard error.
async fn run(
    deployment: &Deployment,
    name: &str,
    args: &[&str],
    keys: &str,
) -> (Option<i32>, String, String) {
    let mut command = Command::new(binary(name));
    command
        .args(args)
        .env("RDEV_DATABASE_URL", deployment.url())
        .env("RDEV_ENCRYPTION_KEY", keys)
        .env("RDEV_API_KEY", "a-key-of-a-test-that-is-long-enough")
        .kill_on_drop(true);
    let output = tokio::time::timeout(Duration::from_secs(25), command.output()).await;
    let output = output.expect("it ends").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_encryption_key_can_be_changed_while_all_processes_run() {
    let mut deployment = Deployment::start().await;
    let old = deployment.encryption_key.clone();
    let (old_first, new_first) = (format!("{old},{NEW}"), format!("{NEW},{old}"));
    let receiver = Receiver::accepting().await;
    let client = deployment.client();
    let delivers = async |nth: usize| {
        client.post("/events", EVENT).await.expect(202);
        receiver.wait_for(nth, SOON).await;
    };

    let (api, worker) = (deployment.api().await, deployment.worker().await);
    client.subscribe(receiver.url("/").as_str()).await;
    delivers(1).await;
    refused(&deployment, NEW, &[NEW, &old]).await;
    assert!(api.stop().await.success() && worker.stop().await.success());

    deployment.encryption_key = new_first.clone();
    let api = deployment.api().await;
    deployment.encryption_key = old_first;
    let worker = deployment.worker().await;
    let (code, printed, complaint) = run(&deployment, "rdev-webhooks", &["rekey"], &new_first).await;
    assert_eq!(code, Some(0), "{complaint}");
    assert!(printed.contains("webhooks.secret: 1 re-encrypted"), "{printed}");
    assert!(printed.contains("no other key is needed"), "{printed}");
    let (_, printed, _) = run(&deployment, "rdev-webhooks", &["rekey"], &new_first).await;
    assert!(printed.contains("webhooks.secret: 0 re-encrypted"), "{printed}");
    delivers(2).await;
    assert!(api.stop().await.success() && worker.stop().await.success());

    deployment.encryption_key = NEW.to_owned();
    let (api, worker) = (deployment.api().await, deployment.worker().await);
    delivers(3).await;
    assert!(api.stop().await.success() && worker.stop().await.success());
    refused(&deployment, &old, &[NEW, &old]).await;
    let (code, _, complaint) = run(&deployment, "rdev-webhooks", &["rekey"], &old).await;
    assert_eq!(code, Some(1), "{complaint}");
    assert!(complaint.contains("another encryption key"), "{complaint}");
}

/// Panics unless every program refuses these keys in one line before it serves.
async fn refused(deployment: &Deployment, keys: &str, unspeakable: &[&str]) {
    for (name, args) in [
        ("rdev-webhooks-api", &["--bind", "127.0.0.1:0"][..]),
        ("rdev-webhooks-worker", &["--admin-bind", "127.0.0.1:0"]),
        ("rdev-webhooks", &["serve", "--bind", "127.0.0.1:0"]),
    ] {
        let (code, printed, complaint) = run(deployment, name, args, keys).await;
        assert_eq!((code, printed.as_str()), (Some(1), ""), "{name}: {complaint}");
        assert_eq!(complaint.lines().count(), 1, "{complaint}");
        assert!(complaint.contains("another encryption key"), "{complaint}");
        assert!(!unspeakable.iter().any(|key| complaint.contains(key)), "{complaint}");
    }
}
