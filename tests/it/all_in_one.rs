//! `rdev-webhooks serve`, from the first `curl` to the last attempt.

use std::time::{Duration, Instant};

use http::Method;
use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::{AllInOne, Process, verified_by_python};
use serde_json::json;
use tokio::process::Command;

const SEED_DATA: &str =
    r#"{"command_id":"cmd-123","project":"my-project","type":"claude","exit_code":0,"duration_ms":5432}"#;
const SOON: Duration = Duration::from_secs(10);

fn seed_body() -> String {
    format!(r#"{{"event":"command.completed","timestamp":"2025-01-15T10:30:00Z","data":{SEED_DATA}}}"#)
}

#[tokio::test]
async fn the_commands_in_the_banner_work() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let key = std::fs::read_to_string(folder.path().join("api-key")).unwrap();
    assert!(!server.banner.contains(key.trim()), "output to a pipe contains no API key");
    let lines: Vec<_> = server.banner.lines().filter(|line| line.starts_with("  ")).collect();
    let [listen, publish, curl] = lines.as_slice() else { panic!("{}", server.banner) };
    let mut listening = Command::new("sh");
    let state = folder.path().join("state");
    listening.args(["-c", &format!("exec {listen} 2>&1")]).env("XDG_STATE_HOME", state);
    let mut listening = Process::spawn(listening, "Ready!").await;
    for line in [publish, curl] {
        let output = Command::new("sh").args(["-c", line]).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        let printed = String::from_utf8(output.stdout).unwrap();
        let id = printed.split(|char: char| !char.is_alphanumeric() && char != '_');
        let id = id.into_iter().find(|word| word.starts_with("evt_")).unwrap();
        listening.wait_for(&format!("--> command.completed [{id}]")).await;
    }
    listening.kill().await;
    let root = server.client.send(Method::GET, "/", &[], None).await.unwrap();
    assert_eq!((root.status().as_u16(), &root.headers()["location"]), (302, &"/docs".parse().unwrap()));
    assert!(server.stop().await.success());

    let again = AllInOne::start(folder.path()).await;
    assert!(!again.banner.contains(key.trim()), "a second start does not print the key");
}

#[tokio::test]
async fn the_receiver_gets_the_seeds_event_and_the_python_package_verifies_it() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let receiver = Receiver::accepting().await;
    let (_, secret) = server.client.subscribe(receiver.url("/webhook").as_str()).await;
    let published = server.client.post("/events", &seed_body()).await.expect(202);
    assert_eq!(published["deliveries"], 1);
    let request = receiver.wait_for(1, SOON).await.remove(0);

    assert_eq!(request.body, seed_body());
    assert_eq!((request.method.as_str(), request.path.as_str()), ("POST", "/webhook"));
    assert_eq!(request.header("content-type"), "application/json");
    assert_eq!(request.header("webhook-id"), published["id"].as_str().unwrap());
    assert_eq!(request.header("x-rdev-event"), "command.completed");
    assert_eq!(request.header("x-rdev-attempt"), "1");
    assert!(request.header("user-agent").starts_with("rdev-webhooks/"));
    assert!(verified_by_python(&secret, &request).await.is_ok());
    let mut forged = request;
    forged.body = forged.body.iter().rev().copied().collect();
    assert!(verified_by_python(&secret, &forged).await.is_err(), "a changed body does not verify");
}

#[tokio::test]
async fn two_failures_are_followed_by_success_after_five_and_ten_seconds() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let script =
        Script::sequence([Reply::status(500).body("not now"), Reply::status(500), Reply::status(200)]);
    let receiver = Receiver::start(script).await;
    server.client.subscribe(receiver.url("/").as_str()).await;
    server.client.post("/events", &seed_body()).await.expect(202);
    let requests = receiver.wait_for(3, Duration::from_secs(20)).await;

    let gap = |n: usize| (requests[n].arrived_at - requests[n - 1].arrived_at).as_secs_f64();
    // Never early. The use cases' own tests check in paused time how late a retry may be: this machine also
    // runs the rest of the suite.
    assert!((5.0..7.0).contains(&gap(1)), "{}", gap(1));
    assert!((10.0..13.0).contains(&gap(2)), "{}", gap(2));
    let all = |name: &str| requests.iter().map(|r| r.header(name).to_owned()).collect::<Vec<_>>();
    assert!(all("webhook-id").windows(2).all(|pair| pair[0] == pair[1]));
    assert!(all("webhook-timestamp").windows(2).all(|pair| pair[0] < pair[1]));
    assert_eq!(all("x-rdev-attempt"), ["1", "2", "3"]);

    let page = server.client.until("/deliveries", |page| page["data"][0]["status"] == "succeeded").await;
    let id = page["data"][0]["id"].as_str().unwrap();
    let attempts = server.client.get(&format!("/deliveries/{id}/attempts")).await;
    let first = &attempts["data"][2];
    assert_eq!((&first["number"], &first["status"]), (&json!(1), &json!(500)));
    assert_eq!(first["response"]["body"], "not now");
    assert!(first["duration_ms"].as_f64().unwrap() > 0.0);
}

#[tokio::test]
async fn a_delivery_that_failed_three_times_can_be_redelivered() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let script = Script::by(|number, _| Reply::status(if number < 3 { 503 } else { 204 }));
    let receiver = Receiver::start(script).await;
    let body =
        format!(r#"{{"url":"{}","events":["*"],"retry":{{"schedule_ms":[100,100]}}}}"#, receiver.url("/"));
    server.client.post("/webhooks", &body).await.expect(201);
    server.client.post("/events", &seed_body()).await.expect(202);
    let page = server.client.until("/deliveries", |page| page["data"][0]["status"] == "failed").await;
    let id = page["data"][0]["id"].as_str().unwrap().to_owned();
    server.client.post(&format!("/deliveries/{id}/redeliver"), "{}").await.expect(202);
    let delivery =
        server.client.until(&format!("/deliveries/{id}"), |delivery| delivery["status"] == "succeeded").await;
    assert_eq!(delivery["attempts"], 4);
    assert_eq!(delivery["request"]["body"], seed_body());
    let requests = receiver.requests();
    assert_eq!(requests[3].header("webhook-id"), requests[0].header("webhook-id"));
    let sent = &delivery["request"]["headers"];
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature", "x-rdev-attempt", "user-agent"] {
        assert_eq!(sent[name], requests[3].header(name), "the history shows {name} as it was sent");
    }
}

#[tokio::test]
async fn shutdown_finishes_the_deliveries_in_flight() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let gate = rdev_webhooks_testkit::receiver::Gate::closed();
    let receiver = Receiver::start(Script::sequence([Reply::status(200).once(&gate)])).await;
    server.client.subscribe(receiver.url("/").as_str()).await;
    server.client.post("/events", &seed_body()).await.expect(202);
    receiver.wait_for(1, SOON).await;
    let stopping = tokio::spawn(server.stop());
    let asked = Instant::now();
    gate.open();
    assert!(stopping.await.unwrap().success());
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());

    let again = AllInOne::start(folder.path()).await;
    let page = again.client.get("/deliveries").await;
    assert_eq!(page["data"][0]["status"], "succeeded");
    assert_eq!(receiver.requests().len(), 1);
}
