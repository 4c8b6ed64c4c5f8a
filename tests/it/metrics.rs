//! The series of `GET /metrics`.

use std::collections::BTreeMap;

use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::{AllInOne, Client, Deployment};

const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;

fn sum(metrics: &BTreeMap<String, f64>, prefix: &str) -> f64 {
    metrics.iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, value)| value).sum()
}

#[tokio::test]
async fn one_process_counts_an_event_from_publish_to_success() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let receiver = Receiver::start(Script::sequence([Reply::status(500), Reply::status(200)])).await;
    let body = format!(r#"{{"url":"{}","events":["*"],"retry":{{"schedule_ms":[100]}}}}"#, receiver.url("/"));
    server.client.post("/webhooks", &body).await.expect(201);
    let keyed = EVENT.replace(r#""data""#, r#""id":"mine","data""#);
    server.client.post("/events", &keyed).await.expect(202);
    server.client.post("/events", &keyed).await.expect(202);

    let metrics = server
        .client
        .until_metrics(|metrics| {
            metrics.get(r#"rdev_webhooks_deliveries_finished_total{status="succeeded",reason=""}"#)
                == Some(&1.0)
        })
        .await;
    for (series, value) in [
        ("rdev_webhooks_events_published_total", 1.0),
        ("rdev_webhooks_events_repeated_total", 1.0),
        ("rdev_webhooks_deliveries_created_total", 1.0),
        (r#"rdev_webhooks_attempts_total{outcome="status"}"#, 1.0),
        (r#"rdev_webhooks_attempts_total{outcome="success"}"#, 1.0),
        (r#"rdev_webhooks_attempts_total{outcome="timeout"}"#, 0.0),
        ("rdev_webhooks_retries_total", 1.0),
        ("rdev_webhooks_leases_lost_total", 0.0),
        ("rdev_webhooks_slots", 320.0),
        ("rdev_webhooks_delivery_latency_seconds_count", 1.0),
        ("rdev_webhooks_delivery_lateness_seconds_count", 2.0),
        (r#"rdev_webhooks_attempt_duration_seconds_count{outcome="success"}"#, 1.0),
        (
            r#"rdev_webhooks_http_request_duration_seconds_count{method="POST",route="/events",status="202"}"#,
            2.0,
        ),
    ] {
        assert_eq!(metrics.get(series), Some(&value), "{series} in {metrics:#?}");
    }
    assert!(
        metrics["rdev_webhooks_delivery_latency_seconds_sum"] >= 0.1,
        "the latency includes the wait for the retry"
    );
    assert!(metrics["process_resident_memory_bytes"] > 1e6);
    // The worker frees the slot after it has recorded the outcome.
    server.client.until_metrics(|metrics| metrics["rdev_webhooks_in_flight"] == 0.0).await;
    let text = format!("{metrics:?}");
    assert!(!text.contains("whsec_") && !text.contains("cmd-1"), "{text}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn api_and_worker_each_show_their_own_series() {
    let deployment = Deployment::start().await;
    let api = deployment.api().await;
    let worker = deployment.worker().await;
    let receiver = Receiver::accepting().await;
    let client = deployment.client();
    client.subscribe(receiver.url("/").as_str()).await;
    client.post("/events", EVENT).await.expect(202);

    let admin = Client::new(&worker.base(), "no key is needed here");
    let worked = admin
        .until_metrics(|metrics| {
            sum(metrics, "rdev_webhooks_deliveries_finished_total") == 1.0
                && metrics.contains_key("rdev_webhooks_queue_deliveries")
        })
        .await;
    assert_eq!(worked[r#"rdev_webhooks_circuits{state="open"}"#], 0.0);
    assert_eq!(worked["rdev_webhooks_settle_batch_outcomes_count"], 1.0);
    let served = Client::new(&api.base(), "none").metrics().await;
    assert_eq!(served["rdev_webhooks_publish_batch_events_count"], 1.0);
    for metrics in [&worked, &served] {
        assert!(sum(metrics, "rdev_webhooks_db_connections") >= 1.0, "{metrics:#?}");
        assert_eq!(sum(metrics, "rdev_webhooks_build_info"), 1.0);
    }
    assert_eq!(sum(&served, "rdev_webhooks_attempts_total"), 0.0, "the API makes no attempt");
}
