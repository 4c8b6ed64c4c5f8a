//! What the deployed binaries say when they cannot work.

use std::process::Output;
use std::time::Duration;

use rdev_webhooks_testkit::postgres::PostgresServer;
use rdev_webhooks_tests::{Deployment, binary};
use tokio::process::Command;

const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

async fn start(name: &str, url: &str) -> Output {
    let mut command = Command::new(binary(name));
    command
        .args(["--database-url", url])
        .env("RDEV_ENCRYPTION_KEY", ENCRYPTION_KEY)
        .env("RDEV_API_KEY", "a-key-of-a-test-that-is-long-enough")
        .kill_on_drop(true);
    tokio::time::timeout(Duration::from_secs(25), command.output()).await.expect("it ends").unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_was_not_migrated_is_refused_with_the_command_to_run() {
    let postgres = PostgresServer::start().await;
    for name in ["rdev-webhooks-api", "rdev-webhooks-worker"] {
        let output = start(name, &postgres.url("postgres")).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("rdev-webhooks migrate"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_option_is_named() {
    for name in ["rdev-webhooks-api", "rdev-webhooks-worker"] {
        let output = Command::new(binary(name)).output().await.unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(said.contains("--database-url") && said.contains("RDEV_DATABASE_URL"), "{said}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_tells_whether_it_is_ready() {
    let deployment = Deployment::start().await;
    let worker = deployment.worker().await;
    let admin = rdev_webhooks_tests::Client::new(&worker.base(), "no key is needed here");
    admin.until_status("/readyz", 200).await;
    deployment.postgres.stop_immediate().await;
    admin.until_status("/readyz", 503).await;
    assert_eq!(admin.get("/healthz").await["status"], "ok");
    deployment.postgres.restart().await;
    admin.until_status("/readyz", 200).await;
}
