//! The limits of a webhook that several workers keep together.

use std::time::Duration;

use rdev_webhooks_testkit::receiver::Receiver;
use rdev_webhooks_testkit::soak;
use rdev_webhooks_tests::Deployment;
use serde_json::json;

const RATE: usize = 20;

/// How long the rate is measured: half a minute with `just soak`.
fn measured_for() -> Duration {
    Duration::from_secs(soak(8).min(30) as u64)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_workers_keep_a_rate_limit_together_even_if_one_dies() {
    let deployment = Deployment::start().await;
    let _api = deployment.api().await;
    let client = deployment.client();
    let receiver = Receiver::accepting().await;
    let webhook = json!({ "url": receiver.url("/").as_str(), "events": ["*"], "rate_limit": RATE });
    client.post("/webhooks", &webhook.to_string()).await.expect(201);
    let seconds = measured_for().as_secs() as usize;
    let events = vec![json!({ "event": "command.completed", "data": {} }); RATE * (seconds + 4)];
    client.post("/events/batch", &json!({ "events": events }).to_string()).await.expect(202);

    let (killed, _second, _third) =
        (deployment.worker().await, deployment.worker().await, deployment.worker().await);
    let half = RATE * (seconds / 2);
    receiver.wait_for(half, measured_for()).await;
    killed.kill().await;
    let requests = receiver.wait_for(RATE * (seconds + 2), measured_for() * 2).await;
    let began_at = requests[0].arrived_at;
    let within = requests.iter().filter(|request| request.arrived_at - began_at <= measured_for()).count();
    println!("{within} deliveries in {seconds} s");
    assert!((18 * seconds..=22 * seconds).contains(&within), "{within} deliveries in {seconds} s");
}
