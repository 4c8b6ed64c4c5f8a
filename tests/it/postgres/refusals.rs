//! Logs and metrics while Postgres refuses statements or is unavailable.

use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_tests::{Client, Deployment, Log};
use serde_json::Value;
use tokio::process::Command;

const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
const AWAY: &str = "database unavailable";
const BACK: &str = "database available again";
const REFUSED: &str = "operation rejected by the database";
const TAKEN: &str = "operation recovered";

/// A trigger that raises an error for each row that a statement would insert.
const RAISE: &str = "CREATE FUNCTION public.raise() RETURNS trigger LANGUAGE plpgsql AS
    $$ BEGIN RAISE EXCEPTION 'no more of these'; END $$;";

pub(super) async fn sql(deployment: &Deployment, statements: &str) {
    // The parameters after the question mark are the store's own.
    let url = deployment.url().split('?').next().unwrap();
    let done = Command::new("psql")
        .args(["--no-psqlrc", "--quiet", "--set=ON_ERROR_STOP=1", "--dbname", url])
        .args(["--command", statements])
        .output()
        .await
        .unwrap();
    assert!(done.status.success(), "{done:?}");
}

async fn raise_on(deployment: &Deployment, table: &str) {
    let trigger = format!(
        "CREATE TRIGGER raise BEFORE INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION public.raise();"
    );
    sql(deployment, &format!("{RAISE}{trigger}")).await;
}

/// Returns the only line with the given message.
fn only(log: &Log, message: &str) -> Value {
    let mut lines = log.lines(message);
    assert_eq!(lines.len(), 1, "{}", log.text());
    lines.remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_publishes_are_counted_and_logged_once_with_their_cause() {
    let deployment = Deployment::start().await;
    let log = Log::new();
    let (api, client) = deployment.logging_api(&log).await;
    client.post("/events", EVENT).await.expect(202);
    raise_on(&deployment, "rdev_webhooks.events").await;
    for _ in 0..20 {
        let refused = client.post("/events", EVENT).await.expect(500);
        assert!(refused["detail"].as_str().unwrap().contains("log"), "{refused}");
    }
    log.until(REFUSED).await;
    let line = only(&log, REFUSED);
    assert_eq!(line["operation"], "publish");
    assert_eq!(line["level"], "ERROR");
    assert!(line["error"].as_str().unwrap().contains("no more of these"), "{line}");
    let metrics = client.metrics().await;
    assert_eq!(metrics[r#"rdev_webhooks_publish_failures_total{reason="refused"}"#], 20.0);
    assert_eq!(metrics["rdev_webhooks_ready"], 1.0, "it is ready for other requests");

    sql(&deployment, "DROP TRIGGER raise ON rdev_webhooks.events").await;
    // The failure ends when a publish succeeds.
    while log.lines(TAKEN).is_empty() {
        client.post("/events", EVENT).await.expect(202);
    }
    assert_eq!(only(&log, TAKEN)["failures"], 20);
    only(&log, REFUSED);
    assert!(api.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_refused_writes_are_logged_once_with_their_cause() {
    let deployment = Deployment::start().await;
    let log = Log::new();
    let (api, client) = deployment.logging_api(&log).await;
    raise_on(&deployment, "rdev_webhooks.webhooks").await;
    for _ in 0..5 {
        client.post("/webhooks", r#"{"url":"https://example.com/","events":["*"]}"#).await.expect(500);
    }
    log.until(REFUSED).await;
    let line = only(&log, REFUSED);
    assert_eq!(line["operation"], "POST /webhooks");
    assert!(line["error"].as_str().unwrap().contains("no more of these"), "{line}");
    assert!(line["span"]["request_id"].is_string(), "{line}");
    assert!(api.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_settlements_are_counted_and_logged_once() {
    let deployment = Deployment::start().await;
    let (api, client) = deployment.further_api().await;
    let log = Log::new();
    let worker = deployment.logging_worker(&log).await;
    let receiver = Receiver::accepting().await;
    client.subscribe(receiver.url("/").as_str()).await;
    raise_on(&deployment, "rdev_webhooks.deliveries").await;
    for _ in 0..5 {
        client.post("/events", EVENT).await.expect(202);
    }
    let admin = Client::new(&worker.base(), "no key is needed here");
    admin.until_metrics(|metrics| metrics["rdev_webhooks_outcomes_refused_total"] == 5.0).await;
    let line = only(&log, REFUSED);
    assert_eq!(line["operation"], "record outcomes");
    assert!(line["error"].as_str().unwrap().contains("no more of these"), "{line}");
    assert!(worker.stop().await.success() && api.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_and_worker_log_an_outage_in_one_line_and_its_end_in_another() {
    let deployment = Deployment::start().await;
    let (api_log, worker_log) = (Log::new(), Log::new());
    let (api, client) = deployment.logging_api(&api_log).await;
    let worker = deployment.logging_worker(&worker_log).await;
    let admin = Client::new(&worker.base(), "no key is needed here");
    for shown in [&client, &admin] {
        shown.until_metrics(|metrics| metrics.get("rdev_webhooks_ready") == Some(&1.0)).await;
    }

    deployment.postgres.stop_immediate().await;
    for _ in 0..20 {
        client.post("/events", EVENT).await.expect(503);
        client.request(http::Method::GET, "/events", None).await.unwrap().expect(503);
    }
    for (shown, log) in [(&client, &api_log), (&admin, &worker_log)] {
        // The age of due deliveries grows while no process can read the queue.
        shown
            .until_metrics(|metrics| {
                metrics["rdev_webhooks_ready"] == 0.0
                    && metrics["rdev_webhooks_queue_survey_age_seconds"] > 12.0
                    && metrics["rdev_webhooks_queue_oldest_due_seconds"] > 12.0
            })
            .await;
        let line = only(log, AWAY);
        assert_eq!(line["level"], "ERROR");
        assert!(line["error"].as_str().unwrap().starts_with("the database is unavailable: "), "{line}");
    }
    let metrics = client.metrics().await;
    assert_eq!(metrics[r#"rdev_webhooks_publish_failures_total{reason="unavailable"}"#], 20.0);

    deployment.postgres.restart().await;
    for (shown, log) in [(&client, &api_log), (&admin, &worker_log)] {
        let back = log.until(BACK).await;
        assert!(back["duration_ms"].as_u64().unwrap() > 12_000, "{back}");
        shown.until_metrics(|metrics| metrics["rdev_webhooks_ready"] == 1.0).await;
        only(log, AWAY);
        assert!(log.lines(REFUSED).is_empty(), "{}", log.text());
    }
    assert!(worker.stop().await.success() && api.stop().await.success());
}
