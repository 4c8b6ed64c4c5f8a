//! The receivers in `examples/` and the recipes of docs/RECEIVING.md, against the running program.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use http::Method;
use rdev_webhooks_testkit::receiver::{ReceivedRequest, Receiver};
use rdev_webhooks_tests::{AllInOne, Client, Deployment, Process, binary, node, node_folder, python};
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

/// Verifies each of the given requests with the recipe for Python.
const PYTHON_DRIVER: &str = r#"
import json, sys
from recipe import load_keys, public_key, verify

for given in json.load(sys.stdin):
    keys = load_keys(given["keys"]) if given["keys"].startswith("http") else [public_key(given["keys"])]
    try:
        verify(keys, given["body"].encode(), given["headers"])
        print("verified")
    except Exception as refused:
        print("refused")
"#;

/// The same for Node.js.
const NODE_DRIVER: &str = r#"
import { readFileSync } from "node:fs";
import { loadKeys, publicKey, verifyWebhook } from "./recipe.mjs";

for (const given of JSON.parse(readFileSync(0, "utf8"))) {
  const keys = given.keys.startsWith("http") ? await loadKeys(given.keys) : [publicKey(given.keys)];
  try {
    verifyWebhook(keys, Buffer.from(given.body), given.headers);
    console.log("verified");
  } catch {
    console.log("refused");
  }
}
"#;

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_flask_receiver_accepts_only_verified_deliveries() {
    let mut flask = Command::new(python());
    flask.arg(Path::new(EXAMPLES).join("flask/receiver.py"));
    receives(flask, "hmac-sha256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_express_receiver_accepts_only_verified_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(node_folder().join("node_modules"), folder.path().join("node_modules"))
        .unwrap();
    let receiver = folder.path().join("receiver.mjs");
    std::fs::copy(Path::new(EXAMPLES).join("express/receiver.mjs"), &receiver).unwrap();
    let mut express = node();
    express.arg(receiver);
    receives(express, "hmac-sha256").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_axum_receiver_accepts_only_verified_deliveries() {
    for signing in ["hmac-sha256", "ed25519"] {
        receives(Command::new(binary("rdev-webhooks-example-axum")), signing).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_recipes_for_public_keys_verify_deliveries() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let receiver = Receiver::accepting().await;
    let webhook =
        json!({ "url": receiver.url("/").as_str(), "events": ["command.completed"], "signing": "ed25519" });
    let webhook = server.client.post("/webhooks", &webhook.to_string()).await.expect(201);
    let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap());
    let event = json!({ "event": "command.completed", "data": { "text": "ö ☃" } }).to_string();
    server.client.post("/events", &event).await.expect(202);
    let before = receiver.wait_for(1, Duration::from_secs(10)).await.remove(0);
    let rotated = server.client.post(&format!("{path}/secret/rotate"), "").await.expect(200);
    server.client.post("/events", &event).await.expect(202);
    let during = receiver.wait_for(2, Duration::from_secs(10)).await.remove(1);

    let key_set = format!("{}{path}/jwks.json", server.client.base());
    let (old, new) = (webhook["public_key"].as_str().unwrap(), rotated["public_key"].as_str().unwrap());
    let mut given = Vec::new();
    let mut expected = Vec::new();
    for (keys, request, result) in [
        // While both keys sign, the set has both.
        (key_set.as_str(), &before, "verified"),
        (key_set.as_str(), &during, "verified"),
        (old, &before, "verified"),
        (old, &during, "verified"),
        (new, &during, "verified"),
        (new, &before, "refused"),
    ] {
        given.push(recipe_input(keys, request));
        expected.push(result);
    }
    for (member, value) in [
        ("webhook-timestamp", "1736937000"),
        ("webhook-timestamp", "soon"),
        ("webhook-id", "evt_other"),
        ("webhook-signature", "v1,AAAA"),
        ("webhook-signature", "v1a,"),
        ("webhook-signature", ""),
    ] {
        let mut forged = recipe_input(&key_set, &during);
        forged["headers"][member] = json!(value);
        given.push(forged);
        expected.push("refused");
    }
    let mut forged = recipe_input(&key_set, &during);
    forged["body"] = json!(forged["body"].as_str().unwrap().replace('☃', "☀"));
    given.push(forged);
    expected.push("refused");
    let given = json!(given).to_string();

    std::fs::write(folder.path().join("recipe.py"), recipe("python", "Ed25519PublicKey")).unwrap();
    std::fs::write(folder.path().join("driver.py"), PYTHON_DRIVER).unwrap();
    std::fs::write(folder.path().join("recipe.mjs"), recipe("js", "createPublicKey")).unwrap();
    std::fs::write(folder.path().join("driver.mjs"), NODE_DRIVER).unwrap();
    for (mut program, driver) in [(Command::new(python()), "driver.py"), (node(), "driver.mjs")] {
        program.arg(folder.path().join(driver));
        let results = output(program, &given).await;
        assert_eq!(results.lines().collect::<Vec<_>>(), expected, "{driver}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receiver_once_acts_once_on_three_deliveries_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    let url = format!("sqlite://{}/receiver.db", folder.path().display());
    acts_once(&server.client, &url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn receiver_once_acts_once_on_three_deliveries_on_postgres() {
    let deployment = Deployment::start().await;
    let (_api, _worker) = (deployment.api().await, deployment.worker().await);
    acts_once(&deployment.client(), deployment.url()).await;
}

/// Has the sender deliver each of five events three times to `receiver_once` on a database.
async fn acts_once(sender: &Client, database: &str) {
    const EVENTS: usize = 5;
    let webhook = json!({
        "url": "http://127.0.0.1:9/", "events": ["command.completed"], "enabled": false,
        "retry": { "max_attempts": 1 },
    });
    let webhook = sender.post("/webhooks", &webhook.to_string()).await.expect(201);
    let mut receiver = Command::new(binary("rdev-webhooks-example-receiver-once"));
    receiver.env("WEBHOOK_SECRET", webhook["secret"].as_str().unwrap());
    receiver.env("DATABASE_URL", database).env("PORT", "0");
    let receiver = Process::spawn(receiver, "/webhook").await;
    let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap());
    let change = json!({ "url": receiver.base(), "enabled": true }).to_string();
    sender.request(Method::PATCH, &path, Some(&change)).await.unwrap().expect(200);

    for number in 0..EVENTS {
        let event = json!({ "event": "command.completed", "data": { "duration_ms": 1 << number } });
        sender.post("/events", &event.to_string()).await.expect(202);
    }
    let are_finished = |attempts: u64| {
        move |page: &Value| {
            let all = page["data"].as_array().unwrap();
            all.len() == EVENTS && all.iter().all(|delivery| is_finished(delivery, attempts))
        }
    };
    let list = format!("{path}/deliveries");
    for attempts in 1..=3 {
        let deliveries = sender.until(&list, are_finished(attempts)).await;
        for delivery in deliveries["data"].as_array().unwrap() {
            assert_eq!(delivery["status"], "succeeded", "{delivery:#}");
            if attempts < 3 {
                let again = format!("/deliveries/{}/redeliver", delivery["id"].as_str().unwrap());
                sender.post(&again, "").await.expect(202);
            }
        }
    }
    let printed = receiver.output().await;
    assert_eq!(printed.matches("acted on evt_").count(), 3 * EVENTS, "{printed}");
    assert_eq!(printed.matches(" before\n").count(), 2 * EVENTS, "{printed}");
    assert!(printed.contains(": 5 commands, 31 ms\n"), "{printed}");
}

/// Returns the block of docs/RECEIVING.md in a language that contains a word.
fn recipe(language: &str, word: &str) -> &'static str {
    let page = include_str!("../../docs/RECEIVING.md");
    let blocks = page.split("\n```").filter_map(|block| block.strip_prefix(language)?.strip_prefix('\n'));
    blocks.into_iter().find(|code| code.contains(word)).expect("the page has the recipe")
}

/// Returns a received request as the drivers read it.
fn recipe_input(keys: &str, request: &ReceivedRequest) -> Value {
    let headers =
        ["webhook-id", "webhook-timestamp", "webhook-signature"].map(|name| (name, request.header(name)));
    let body = std::str::from_utf8(&request.body).unwrap();
    json!({ "keys": keys, "body": body, "headers": std::collections::BTreeMap::from(headers) })
}

/// Runs a program with an input and returns its output.
async fn output(mut program: Command, input: &str) -> String {
    let program = program.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true);
    let mut child = program.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).await.unwrap();
    let output = tokio::time::timeout(Duration::from_secs(60), child.wait_with_output()).await;
    let output = output.expect("it ends in time").unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Sends a receiver one event twice, and one with another webhook's signature.
async fn receives(mut receiver: Command, signing: &str) {
    let folder = tempfile::tempdir().unwrap();
    let server = AllInOne::start(folder.path()).await;
    // The receiver needs the secret at its start, and has an address only after it.
    let webhook = json!({
        "url": "http://127.0.0.1:9/", "events": ["command.completed"], "signing": signing, "enabled": false,
        "retry": { "max_attempts": 1 },
    });
    let webhook = server.client.post("/webhooks", &webhook.to_string()).await.expect(201);
    let secret = if signing == "ed25519" { &webhook["public_key"] } else { &webhook["secret"] };
    receiver.env("WEBHOOK_SECRET", secret.as_str().unwrap()).env("PORT", "0");
    receiver.env("DATABASE", folder.path().join("receiver.db"));
    let receiver = Process::spawn(receiver, "/webhook").await;
    let path = format!("/webhooks/{}", webhook["id"].as_str().unwrap());
    let change = json!({ "url": receiver.base(), "enabled": true }).to_string();
    server.client.request(Method::PATCH, &path, Some(&change)).await.unwrap().expect(200);

    let event = json!({ "event": "command.completed", "data": { "command_id": "cmd-1", "text": "ö ☃" } });
    server.client.post("/events", &event.to_string()).await.expect(202);
    let deliveries =
        server.client.until(&format!("{path}/deliveries"), |all| is_finished(&all["data"][0], 1)).await;
    assert_eq!(deliveries["data"][0]["status"], "succeeded", "{deliveries:#}");
    let delivery = format!("/deliveries/{}", deliveries["data"][0]["id"].as_str().unwrap());
    let again = format!("{delivery}/redeliver");
    server.client.post(&again, "").await.expect(202);
    let shown = server.client.until(&delivery, |shown| is_finished(shown, 2)).await;
    assert_eq!(shown["status"], "succeeded", "{shown:#}");

    // A signature with another secret is refused.
    server.client.post(&format!("{path}/secret/rotate"), r#"{"overlap_seconds":0}"#).await.expect(200);
    server.client.post(&again, "").await.expect(202);
    let shown = server.client.until(&delivery, |shown| is_finished(shown, 3)).await;
    assert_eq!(
        (&shown["status"], &shown["last_attempt"]["status"]),
        (&json!("failed"), &json!(401)),
        "{shown:#}"
    );
    let printed = receiver.output().await;
    assert_eq!(printed.matches("received command.completed").count(), 1, "{printed}");
    assert!(printed.contains("cmd-1"), "{printed}");
}

/// Returns whether a delivery has finished with the given number of attempts.
fn is_finished(delivery: &Value, attempts: u64) -> bool {
    delivery["attempts"] == attempts && !delivery["finished_at"].is_null()
}
