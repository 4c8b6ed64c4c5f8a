//! An outage of Postgres.

use std::time::Duration;

use http::Method;
use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_tests::Deployment;
use tokio::time::Instant;

const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
const OUTAGE: Duration = Duration::from_secs(20);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_postgres_is_reported_and_survived() {
    let deployment = Deployment::start().await;
    let receiver = Receiver::accepting().await;
    let (api, worker) = (deployment.api().await, deployment.worker().await);
    let client = deployment.client();
    client.subscribe(receiver.url("/").as_str()).await;
    client.post("/events", EVENT).await.expect(202);
    receiver.wait_for(1, Duration::from_secs(10)).await;

    deployment.postgres.stop_immediate().await;
    let gone = Instant::now();
    let used = || api.cpu_seconds() + worker.cpu_seconds();
    let before = used();
    let refused = client.request_with_headers(Method::POST, "/events", Some(EVENT)).await;
    let (answer, headers) = refused.unwrap();
    assert_eq!(answer.status, 503, "{:#}", answer.body);
    assert!(headers.contains_key("retry-after"));
    assert_eq!(client.request(Method::GET, "/readyz", None).await.unwrap().status, 503);
    assert_eq!(client.request(Method::GET, "/healthz", None).await.unwrap().status, 200);
    tokio::time::sleep_until(gone + OUTAGE).await;
    let busy = used() - before;
    assert!(busy < 4.0, "{busy:.1} s of processor time in {OUTAGE:?} of waiting");

    deployment.postgres.restart().await;
    client.until_status("/readyz", 200).await;
    client.post("/events", EVENT).await.expect(202);
    receiver.wait_for(2, Duration::from_secs(10)).await;
    assert!(worker.stop().await.success() && api.stop().await.success());
}
