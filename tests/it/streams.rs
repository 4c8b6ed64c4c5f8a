//! The delivery stream on the embedded database.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::AllInOne;
use tokio::time::Instant;

const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_resumed_after_a_crash_misses_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
    server.client.subscribe(receiver.url("/").as_str()).await;
    let mut stream = server.client.watch("", None).await.unwrap();
    let mut told = BTreeMap::new();
    let mut published = Vec::new();
    let mut publish = async |server: &AllInOne| {
        let answer = server.client.post("/events", EVENT).await.expect(202);
        published.push(answer["id"].as_str().unwrap().to_owned());
    };
    for _ in 0..5 {
        publish(&server).await;
    }
    let last = stream.until(|delivery| delivery["status"] == "succeeded").await;
    told.insert(last.data["event_id"].as_str().unwrap().to_owned(), ());
    for _ in 0..20 {
        publish(&server).await;
    }
    server.kill().await;
    while let Some(event) = stream.next().await {
        drop(event);
    }
    let server = AllInOne::start(folder.path()).await;
    for _ in 0..5 {
        publish(&server).await;
    }
    let mut stream = server.client.watch("?status=succeeded", Some(&last.id)).await.unwrap();
    while told.len() < published.len() {
        let event = stream.next().await.expect("the stream continues");
        told.insert(event.data["event_id"].as_str().unwrap().to_owned(), ());
    }
    assert!(published.iter().all(|id| told.contains_key(id)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shutdown_ends_streams_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let mut stream = server.client.watch("", None).await.unwrap();
    let asked = Instant::now();
    let stopping = tokio::spawn(server.stop());
    assert!(stream.next().await.is_none());
    assert!(stopping.await.unwrap().success());
    assert!(asked.elapsed() < Duration::from_secs(10), "{:?}", asked.elapsed());
}
