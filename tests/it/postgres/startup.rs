//! The start of the deployed binaries, with missing options and with a database that is not ready.

use std::process::Output;
use std::time::Duration;

use http::Method;
use rdev_webhooks_testkit::postgres::PostgresServer;
use rdev_webhooks_tests::{Deployment, Log, binary};
use serde_json::json;
use tokio::process::Command;

use super::refusals::sql;

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
async fn an_unmigrated_database_is_refused_with_the_command_to_run() {
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
async fn a_worker_answers_its_probes() {
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_an_unavailable_database() {
    let deployment = Deployment::start().await;
    let client = deployment.client();
    deployment.postgres.stop_immediate().await;
    let waiting = async {
        client.until_status("/healthz", 200).await;
        let ready = client.request(Method::GET, "/readyz", None).await.unwrap();
        assert_eq!((ready.status.as_u16(), &ready.body["code"]), (503, &json!("unavailable")));
        let refused = client.post("/events", r#"{"event":"command.started","data":{}}"#).await;
        refused.expect(503);
        deployment.postgres.restart().await;
    };
    let (_api, ()) = tokio::join!(deployment.api(), waiting);
    client.until_status("/readyz", 200).await;
    client.post("/events", r#"{"event":"command.started","data":{}}"#).await.expect(202);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_waits_for_a_read_only_database() {
    let deployment = Deployment::start().await;
    let client = deployment.client();
    sql(&deployment, "ALTER DATABASE postgres SET default_transaction_read_only = on").await;
    let waiting = async {
        client.until_status("/healthz", 200).await;
        client.until_status("/readyz", 503).await;
        let writable = "SET transaction_read_only = off; \
                        ALTER DATABASE postgres RESET default_transaction_read_only";
        sql(&deployment, writable).await;
    };
    let (_api, ()) = tokio::join!(deployment.api(), waiting);
    client.until_status("/readyz", 200).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_that_waits_for_its_database_can_be_stopped() {
    let postgres = PostgresServer::start().await;
    let url = postgres.url("postgres");
    postgres.stop_immediate().await;
    for (name, bind) in [("rdev-webhooks-api", "--bind"), ("rdev-webhooks-worker", "--admin-bind")] {
        let log = Log::new();
        let mut command = Command::new(binary(name));
        command
            .args(["--database-url", &url, bind, "127.0.0.1:0"])
            .env("RDEV_ENCRYPTION_KEY", ENCRYPTION_KEY)
            .env("RDEV_API_KEY", "a-key-of-a-test-that-is-long-enough")
            .stderr(log.writer())
            .kill_on_drop(true);
        let mut child = command.spawn().unwrap();
        log.until("database unavailable; waiting for it").await;
        let id = child.id().unwrap().to_string();
        assert!(Command::new("kill").args(["-TERM", &id]).status().await.unwrap().success());
        let ended = tokio::time::timeout(Duration::from_secs(10), child.wait()).await.expect("it ends");
        assert_eq!(ended.unwrap().code(), Some(0), "{}", log.text());
    }
}
