//! The delivery stream of an API, with the deliveries of other processes.

use std::collections::BTreeSet;

use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::Deployment;

const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
const EVENTS: usize = 60;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_resumed_after_a_kill_of_its_api_shows_every_change() {
    let deployment = Deployment::start().await;
    let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
    let api = deployment.api().await;
    let _worker = deployment.worker().await;
    let client = deployment.client();
    client.subscribe(receiver.url("/").as_str()).await;
    let mut stream = client.watch("", None).await.unwrap();
    let mut published = BTreeSet::new();
    for _ in 0..EVENTS / 2 {
        let answer = client.post("/events", EVENT).await.expect(202);
        published.insert(answer["id"].as_str().unwrap().to_owned());
    }
    let mut succeeded = BTreeSet::new();
    let mut last = stream.until(|delivery| delivery["status"] == "succeeded").await;
    succeeded.insert(last.data["event_id"].as_str().unwrap().to_owned());

    api.kill().await;
    while let Some(event) = stream.next().await {
        if event.data["status"] == "succeeded" {
            succeeded.insert(event.data["event_id"].as_str().unwrap().to_owned());
        }
        last = event;
    }
    let _api = deployment.api().await;
    for _ in 0..EVENTS / 2 {
        let answer = client.post("/events", EVENT).await.expect(202);
        published.insert(answer["id"].as_str().unwrap().to_owned());
    }
    let mut stream = client.watch("", Some(&last.id)).await.unwrap();
    while succeeded.len() < EVENTS {
        let event = stream.until(|delivery| delivery["status"] == "succeeded").await;
        succeeded.insert(event.data["event_id"].as_str().unwrap().to_owned());
    }
    assert_eq!(succeeded, published);
}
