//! A program that only publishes and a program that only delivers: `examples/publish_only` and
//! `examples/worker_only`, on one database.

use std::time::Duration;

use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::{Deployment, Process, binary};
use serde_json::Value;
use tokio::process::Command;

const SOON: Duration = Duration::from_secs(10);
const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

async fn deliver(url: &str, key: &str, receiver: Option<&str>) -> Process {
    let mut command = Command::new(binary("rdev-webhooks-example-worker-only"));
    command.args(receiver).env("DATABASE_URL", url).env("RDEV_ENCRYPTION_KEY", key);
    Process::spawn(command, "delivering").await
}

/// Orders an item, and returns what was printed.
async fn order(url: &str, item: &str) -> String {
    let mut command = Command::new(binary("rdev-webhooks-example-publish-only"));
    let output = command.arg(item).env("DATABASE_URL", url).output().await.unwrap();
    let printed = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{printed}{}", String::from_utf8_lossy(&output.stderr));
    printed
}

async fn publishes_and_delivers(url: &str, key: &str) {
    let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
    let worker = deliver(url, key, Some(receiver.url("/").as_str())).await;
    assert!(order(url, "tea").await.starts_with("order 1: evt_"));
    // Rolled back.
    order(url, "").await;
    // While nothing delivers, the events wait.
    assert!(worker.stop().await.success());
    assert!(order(url, "cake").await.ends_with("with 1 deliveries\n"));
    let worker = deliver(url, key, None).await;
    let requests = receiver.wait_for(2, SOON).await;
    let item = |body: &[u8]| {
        let body: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(body["event"], "order.created");
        body["data"]["item"].as_str().unwrap().to_owned()
    };
    let mut items: Vec<_> = requests.iter().map(|request| item(&request.body)).collect();
    items.sort_unstable();
    assert_eq!(items, ["cake", "tea"]);
    assert!(worker.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_and_a_worker_share_postgres() {
    let deployment = Deployment::start().await;
    publishes_and_delivers(deployment.url(), &deployment.encryption_key).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_publisher_and_a_worker_share_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/shop.db", folder.path().display());
    publishes_and_delivers(&url, ENCRYPTION_KEY).await;
}
