//! `rdev`: commands by the API, run by the demo agent, and reported by webhooks.

mod credentials;
mod fleet;
mod kills;
mod output;
mod pods;
mod worktrees;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::time::Duration;

use rdev_webhooks_testkit::receiver::{ReceivedRequest, Receiver};
use rdev_webhooks_tests::{Client, Process, verified_by_python};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use fleet::Fleet;

const SOON: Duration = Duration::from_secs(20);
const ALL: Duration = Duration::from_secs(120);

/// Starts `rdev serve` on a free port.
async fn serve(data_dir: &Path, options: &[&str]) -> (Process, Client) {
    let mut args = vec!["serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir.to_str().unwrap()];
    args.extend(options);
    let process = Process::start("rdev", &args, &[], "Press Ctrl-C to stop").await;
    let key = std::fs::read_to_string(data_dir.join("api-key")).unwrap();
    let client = Client::new(&process.base(), key.trim());
    (process, client)
}

/// Creates a webhook of all reports of commands. Returns its secret.
async fn subscribe(client: &Client, receiver: &Receiver) -> String {
    let created = create_webhook(client, receiver).await;
    created["secret"].as_str().unwrap().to_owned()
}

async fn create_webhook(client: &Client, receiver: &Receiver) -> Value {
    let body = json!({"url": receiver.url("/hook").as_str(), "events": ["command.*"]});
    client.post("/webhooks", &body.to_string()).await.expect(201)
}

/// Returns the body that creates a project.
fn new_project(name: &str) -> Value {
    json!({"name": name, "provider": "demo", "max_running": 1_000})
}

async fn create_project(client: &Client, name: &str) -> Value {
    client.post("/projects", &new_project(name).to_string()).await.expect(201)
}

async fn run(client: &Client, prompt: &str) -> String {
    let body = json!({"prompt": prompt}).to_string();
    let command = client.post("/projects/my-project/commands", &body).await.expect(202);
    command["id"].as_str().unwrap().to_owned()
}

/// Returns all pages of a list.
async fn pages(client: &Client, path: &str) -> Vec<Value> {
    let (mut all, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = client.get(&format!("{path}?limit=100{cursor}")).await;
        all.extend(page["data"].as_array().unwrap().iter().cloned());
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return all,
        }
    }
}

/// Returns the data of all reports, by command and in order of arrival. A delivery may arrive twice, with the same id.
fn reports(requests: &[ReceivedRequest]) -> BTreeMap<String, Vec<(String, Value)>> {
    let (mut seen, mut reports) = (BTreeSet::new(), BTreeMap::<_, Vec<_>>::new());
    for request in requests {
        if !seen.insert(request.header("webhook-id")) {
            continue;
        }
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        let data = &body["data"];
        let of_command = reports.entry(data["command_id"].as_str().unwrap().to_owned()).or_default();
        of_command.push((body["event"].as_str().unwrap().to_owned(), data.clone()));
    }
    for of_command in reports.values_mut() {
        // Deliveries of one webhook may overtake each other.
        of_command.sort_by_key(|(event, _)| event != "command.started");
    }
    reports
}

#[tokio::test]
async fn a_command_is_run_shown_and_reported_with_nothing_to_set_up() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path(), &[]).await;
    let receiver = Receiver::accepting().await;
    let secret = subscribe(&client, &receiver).await;
    create_project(&client, "my-project").await;
    let id = run(&client, "Good day.\n/tool Read").await;

    let requests = receiver.wait_for(2, SOON).await;
    for request in &requests {
        assert!(verified_by_python(&secret, request).await.is_ok());
    }
    let reports = reports(&requests);
    let [(started, of_start), (completed, of_end)] = reports[&id].as_slice() else { panic!("{reports:?}") };
    assert_eq!((started.as_str(), completed.as_str()), ("command.started", "command.completed"));
    assert_eq!(*of_start, json!({"command_id": id, "project": "my-project", "type": "demo"}));
    let duration = &of_end["duration_ms"];
    let expected = json!({"command_id": id, "project": "my-project", "type": "demo", "exit_code": 0,
        "duration_ms": duration});
    assert!(duration.is_u64());
    assert_eq!(*of_end, expected);

    let command = client.get(&format!("/commands/{id}")).await;
    assert_eq!((&command["status"], &command["result"]["text"]), (&json!("completed"), &json!("Good day.")));
    let events = client.get(&format!("/commands/{id}/events")).await;
    let numbers: Vec<_> = events["data"].as_array().unwrap().iter().map(|event| &event["seq"]).collect();
    assert_eq!(numbers, (1..=numbers.len()).map(|n| json!(n)).collect::<Vec<_>>().iter().collect::<Vec<_>>());
    assert_eq!(events["has_more"], false);
    let providers = client.get("/providers").await;
    let demo = providers["data"].as_array().unwrap().iter().find(|one| one["name"] == "demo").unwrap();
    assert_eq!(demo["available"], true);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn the_reference_has_the_operations_of_both_apis_and_each_link_leads_somewhere() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path(), &[]).await;
    let page = client.send(http::Method::GET, "/docs", &[], None).await.unwrap();
    assert_eq!(page.status(), 200);
    let page = String::from_utf8_lossy(page.body());
    let after = |mark: &str| -> Vec<String> {
        page.split(mark).skip(1).map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    let (anchors, links) = (after(" id=\""), after("href=\"#"));
    let unique: std::collections::BTreeSet<_> = anchors.iter().collect();
    assert_eq!(unique.len(), anchors.len(), "an anchor stands twice");
    for link in &links {
        assert!(unique.contains(link), "{link} leads nowhere");
    }
    for path in ["/openapi.json", "/openapi-runner.json"] {
        assert!(page.contains(&format!("<code>{path}</code></a>")), "{path}");
        let document = client.get(path).await;
        let items = document["paths"].as_object().unwrap().values();
        for operation in items.flat_map(|item| item.as_object().unwrap().values()) {
            let id = operation["operationId"].as_str().unwrap().to_owned();
            assert!(unique.contains(&id), "{id}");
        }
    }
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_command_is_cancelled_while_it_runs() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path(), &[]).await;
    let receiver = Receiver::accepting().await;
    subscribe(&client, &receiver).await;
    create_project(&client, "my-project").await;
    let id = run(&client, "Hold on.\n/wait 9h").await;
    client.until(&format!("/commands/{id}"), |command| command["status"] == "running").await;
    client.post(&format!("/commands/{id}/cancel"), "").await.expect(202);
    client.until(&format!("/commands/{id}"), |command| command["status"] == "cancelled").await;
    client.post(&format!("/commands/{id}/cancel"), "").await.expect(409);
    let requests = receiver.wait_for(2, SOON).await;
    let (event, data) = &reports(&requests)[&id][1];
    assert_eq!(
        (event.as_str(), &data["reason"], &data["exit_code"]),
        ("command.failed", &json!("cancelled"), &json!(130))
    );
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_killed_server_leaves_no_command_running_for_ever() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path(), &[]).await;
    let receiver = Receiver::accepting().await;
    subscribe(&client, &receiver).await;
    create_project(&client, "my-project").await;
    let running = run(&client, "Hold on.\n/wait 9h").await;
    client.until(&format!("/commands/{running}"), |command| command["status"] == "running").await;
    server.kill().await;

    // The demo agent dies with its server.
    let (server, client) = serve(folder.path(), &[]).await;
    client.until(&format!("/commands/{running}"), |command| command["status"] == "lost").await;
    let next = run(&client, "Good day.").await;
    client.until(&format!("/commands/{next}"), |command| command["status"] == "completed").await;
    let reports = reports(&receiver.wait_for(4, SOON).await);
    assert_eq!(reports[&running].len(), 2);
    let (event, data) = &reports[&running][1];
    assert_eq!((event.as_str(), &data["reason"]), ("command.failed", &json!("lost")));
    assert_eq!(reports[&next].len(), 2);
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn two_runners_share_the_queue_and_keep_its_limits() {
    let fleet = Fleet::start(&["--max-running", "8"]).await;
    let client = fleet.client.clone();
    let receiver = Receiver::accepting().await;
    subscribe(&client, &receiver).await;
    create_project(&client, "my-project").await;

    let mut asked = JoinSet::new();
    for n in 0..200 {
        let client = client.clone();
        asked.spawn(async move { run(&client, &format!("Command {n}.\n/wait 20ms")).await });
    }
    let ids = asked.join_all().await;
    let mut most = 0;
    let all_ended = async {
        loop {
            let running = client.get("/commands?status=running&limit=100").await;
            most = most.max(running["data"].as_array().unwrap().len());
            let queued = client.get("/commands?status=queued&limit=1").await;
            let is_empty = |page: &Value| page["data"].as_array().unwrap().is_empty();
            if is_empty(&running) && is_empty(&queued) {
                return;
            }
        }
    };
    tokio::time::timeout(ALL, all_ended).await.expect("all commands end");
    assert!((1..=8).contains(&most), "{most} ran at once");
    let reports = reports(&receiver.wait_for(400, ALL).await);
    for id in &ids {
        let of_command: Vec<_> = reports[id].iter().map(|(event, _)| event.as_str()).collect();
        assert_eq!(of_command, ["command.started", "command.completed"], "{id}");
    }
    fleet.stop().await;
}
