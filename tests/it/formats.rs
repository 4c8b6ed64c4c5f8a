//! The formats of deliveries, read by those who define them.

use std::process::Stdio;
use std::time::Duration;

use http::Method;
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_testkit::receiver::{ReceivedRequest, Receiver, verify_text};
use rdev_webhooks_tests::{AllInOne, node, node_folder, python};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Reads the given request with the package of PyPI, and prints the event as JSON.
const PYTHON_READER: &str = r#"
import json, sys
from cloudevents.core.bindings.http import HTTPMessage, from_http_event

given = json.load(sys.stdin)
event = from_http_event(HTTPMessage(given["headers"], given["body"].encode()))
print(json.dumps({
    "id": event.get_id(), "source": event.get_source(), "type": event.get_type(),
    "time": event.get_time().isoformat(), "project": event.get_extension("project"),
    "content_type": event.get_datacontenttype(), "data": event.get_data(),
}))
"#;

/// The same with the package of npm, which also validates the event.
const NODE_READER: &str = r#"
import { readFileSync } from "node:fs";
import { HTTP } from "cloudevents";

const given = JSON.parse(readFileSync(0, "utf8"));
const event = HTTP.toEvent({ headers: given.headers, body: given.body });
event.validate();
console.log(JSON.stringify({
  id: event.id, source: event.source, type: event.type, time: event.time.replace(".000Z", "+00:00"),
  project: event.project, content_type: event.datacontenttype, data: event.data,
}));
"#;

/// Returns what a program prints for this input.
async fn output(mut program: Command, input: &str) -> String {
    let mut child = program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output =
        tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await.unwrap().unwrap();
    assert!(output.status.success());
    String::from_utf8(output.stdout).unwrap()
}

/// Verifies the request with the webhook's secret, at the time of its signature.
fn verify(webhook: &Value, request: &ReceivedRequest) {
    let seconds: i64 = request.header("webhook-timestamp").parse().unwrap();
    verify_text(request, webhook["secret"].as_str().unwrap(), Timestamp::from_millis(seconds * 1_000))
        .unwrap();
}

/// Subscribes a receiver in a format, publishes an event, and returns the event's id and the verified request,
/// which the delivery shows as it was sent.
async fn delivered(server: &AllInOne, format: &str, event: &Value) -> (String, ReceivedRequest) {
    let receiver = Receiver::accepting().await;
    let webhook = json!({"url": receiver.url("/").as_str(), "events": ["command.failed"], "format": format});
    let webhook = server.client.post("/webhooks", &webhook.to_string()).await.expect(201);
    let event = server.client.post("/events", &event.to_string()).await.expect(202);
    let request = receiver.wait_for(1, Duration::from_secs(10)).await.remove(0);
    verify(&webhook, &request);

    let path = format!("/deliveries?webhook={}", webhook["id"].as_str().unwrap());
    let listed = server.client.until(&path, |listed| listed["data"][0]["status"] == "succeeded").await;
    let shown =
        server.client.get(&format!("/deliveries/{}", listed["data"][0]["id"].as_str().unwrap())).await;
    assert_eq!(shown["request"]["body"], String::from_utf8_lossy(&request.body).as_ref());
    assert_eq!(shown["request"]["headers"]["content-type"], request.header("content-type"));
    let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap());
    server.client.request(Method::DELETE, &path, None).await.unwrap().expect(204);
    (event["id"].as_str().unwrap().to_owned(), request)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_event_is_read_by_the_packages_of_pypi_and_npm() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let data = json!({"command_id": "cmd-1", "project": "a \"b\" \\ ö", "exit_code": 1});
    let event = json!({"event": "command.failed", "timestamp": "2025-01-15T10:30:00Z", "data": data});
    let (id, request) = delivered(&server, "cloudevents", &event).await;
    assert_eq!(request.header("content-type"), "application/cloudevents+json");

    std::os::unix::fs::symlink(node_folder().join("node_modules"), folder.path().join("node_modules"))
        .unwrap();
    std::fs::write(folder.path().join("reader.py"), PYTHON_READER).unwrap();
    std::fs::write(folder.path().join("reader.mjs"), NODE_READER).unwrap();
    let given = json!({
        "headers": {"content-type": request.header("content-type")},
        "body": String::from_utf8(request.body.to_vec()).unwrap(),
    });
    for (mut program, reader) in [(Command::new(python()), "reader.py"), (node(), "reader.mjs")] {
        program.arg(folder.path().join(reader));
        let read: Value = serde_json::from_str(&output(program, &given.to_string()).await).unwrap();
        let expected = json!({
            "id": id, "source": "urn:rdev:webhooks", "type": "command.failed",
            "time": "2025-01-15T10:30:00+00:00", "project": "a \"b\" \\ ö",
            "content_type": "application/json", "data": data,
        });
        assert_eq!(read, expected, "{reader}");
    }
    server.stop().await;
}

/// The rules of Slack's incoming webhooks: a JSON object whose `text` is not empty, of at most 40,000 characters,
/// in which `<`, `>` and `&` stand only for themselves by their escapes, so that no one is mentioned.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_message_keeps_the_rules_of_slack() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    for (project, text) in [
        (json!("my-project"), "command.failed in `my-project`"),
        (json!("<!channel> & `x` <@U1>"), "command.failed in `&lt;!channel&gt; &amp; 'x' &lt;@U1&gt;`"),
        (json!(null), "command.failed"),
    ] {
        let event = json!({"event": "command.failed", "data": {"command_id": "cmd-1", "project": project}});
        let (_, request) = delivered(&server, "slack", &event).await;
        assert_eq!(request.header("content-type"), "application/json");
        let message: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(message, json!({"text": text}));
    }
    server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_standard_body_names_the_type() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let event =
        r#"{"event":"command.failed","timestamp":"2025-01-15T10:30:00Z","data":{ "b" : 1.0,"a":"é" }}"#;
    let event: Box<serde_json::value::RawValue> = serde_json::from_str(event).unwrap();
    let receiver = Receiver::accepting().await;
    let webhook = json!({"url": receiver.url("/").as_str(), "events": ["*"], "format": "standard"});
    let webhook = server.client.post("/webhooks", &webhook.to_string()).await.expect(201);
    server.client.post("/events", event.get()).await.expect(202);
    let request = receiver.wait_for(1, Duration::from_secs(10)).await.remove(0);
    verify(&webhook, &request);
    let expected =
        r#"{"type":"command.failed","timestamp":"2025-01-15T10:30:00Z","data":{ "b" : 1.0,"a":"é" }}"#;
    assert_eq!(String::from_utf8_lossy(&request.body), expected);
    server.stop().await;
}
