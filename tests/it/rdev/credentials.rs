//! Credentials reach the runs that may have them, and nothing else.

use std::fs::{self, File};
use std::path::Path;
use std::process::Stdio;

use http::Method;
use rdev_webhooks_testkit::receiver::Receiver;
use rdev_webhooks_tests::{Answer, Client, Process, binary};
use serde_json::{Value, json};

use super::fleet::Fleet;
use super::{SOON, create_webhook, serve};
use crate::plaintext::{Needles, holds};

/// An agent that tells its secrets.
const AGENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/rdev/telling_agent.py");

const TOKEN: &str = "tok-5JqG\"8w\\Vz1/Kx+Rt3=é";
const FILE: &str = "users:\n- name: me\n  token: nA7cQe2LrX9vBt5KdM4h\n  key: Zp8sW1yUo6GfIj3EkNqT\n";
const PASSWORD: &str = "ghp-u3Hn8RbYx0VdWc7TzLmS";

async fn send(client: &Client, method: Method, path: &str, body: &Value) -> Answer {
    client.request(method, path, Some(&body.to_string())).await.unwrap()
}

async fn put(client: &Client, name: &str, body: Value) -> Value {
    send(client, Method::PUT, &format!("/credentials/{name}"), &body).await.expect(201)
}

async fn store_all(client: &Client) {
    put(client, "TOKEN", json!({"kind": "env", "value": TOKEN, "projects": ["my-project"]})).await;
    put(client, "KUBECONFIG", json!({"kind": "file", "value": FILE})).await;
    let git = format!("protocol=https\nhost=git.example.com\nusername=x-access-token\npassword={PASSWORD}\n");
    put(client, "GITHUB", json!({"kind": "git", "value": git})).await;
    put(client, "OTHER_1", json!({"kind": "env", "value": "of another project", "projects": ["other"]}))
        .await;
    put(client, "OTHER_2", json!({"kind": "env", "value": "that no command names"})).await;
    put(client, "OTHER_3", json!({"kind": "env", "value": "that the project does not list"})).await;
    let secrets = ["TOKEN", "KUBECONFIG", "GITHUB", "OTHER_2"];
    let project = json!({"name": "my-project", "provider": "claude", "secrets": secrets});
    client.post("/projects", &project.to_string()).await.expect(201);
}

/// Runs the agent, and returns its command once it has ended.
async fn tell(client: &Client) -> Value {
    let body = json!({"prompt": "Tell.", "secrets": ["TOKEN", "KUBECONFIG", "GITHUB"]}).to_string();
    let command = client.post("/projects/my-project/commands", &body).await.expect(202);
    let path = format!("/commands/{}", command["id"].as_str().unwrap());
    client.until_within(super::ALL, &path, |command| !command["ended_at"].is_null()).await
}

fn facts(command: &Value) -> Value {
    assert_eq!(command["status"], "completed", "{command}");
    let text = command["result"]["text"].as_str().unwrap();
    serde_json::from_str(text.lines().next().unwrap()).unwrap()
}

fn needles() -> Needles {
    let mut needles = Needles::default();
    needles.hide("the variable", TOKEN);
    for line in FILE.lines().skip(2) {
        needles.hide("a line of the file", line.split_once(": ").unwrap().1);
    }
    needles.hide("the password", PASSWORD);
    needles
}

/// Returns everything in the files below a folder.
fn content(folder: &Path) -> Vec<u8> {
    let mut all = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            all.extend(content(&path));
        } else if path.is_file() {
            all.extend(fs::read(path).unwrap());
        }
    }
    all
}

/// Lets the agent tell its secrets. Returns everything that the API has answered and the webhooks have sent.
async fn session(client: &Client) -> Vec<u8> {
    let receiver = Receiver::accepting().await;
    let webhook = create_webhook(client, &receiver).await["id"].as_str().unwrap().to_owned();
    store_all(client).await;
    let command = tell(client).await;
    let expected = json!({"file": "600", "folder": "700", "username": "x-access-token", "is_visible": false,
        "others": []});
    assert_eq!(facts(&command), expected);
    assert!(command["result"]["text"].as_str().unwrap().contains("[redacted]"));

    let id = command["id"].as_str().unwrap();
    let requests = receiver.wait_for(2, SOON).await;
    client.until("/deliveries?status=succeeded", |page| page["data"].as_array().unwrap().len() == 2).await;
    let mut answers = vec![command.clone()];
    for path in [
        "/commands".to_owned(),
        format!("/commands/{id}/events?limit=100"),
        "/credentials".to_owned(),
        "/credentials?project=my-project".to_owned(),
        "/credentials/TOKEN".to_owned(),
        "/credentials/TOKEN/uses".to_owned(),
        "/projects".to_owned(),
        "/projects/my-project".to_owned(),
        "/projects/my-project/stats".to_owned(),
        "/providers".to_owned(),
        format!("/webhooks/{webhook}"),
        "/events".to_owned(),
        "/deliveries".to_owned(),
    ] {
        answers.push(client.get(&path).await);
    }
    for list in ["/events", "/deliveries"] {
        for one in client.get(list).await["data"].as_array().unwrap() {
            answers.push(client.get(&format!("{list}/{}", one["id"].as_str().unwrap())).await);
        }
    }
    let uses =
        answers.iter().find_map(|answer| answer["data"].get(0).filter(|one| one["used_at"].is_string()));
    assert_eq!(uses.map(|used| (&used["command_id"], &used["version"])), Some((&json!(id), &json!(1))));
    let mut shown = serde_json::to_vec(&answers).unwrap();
    // As the text is, too: not escaped again.
    shown.extend(answers.iter().flat_map(|answer| format!("{answer:#}").into_bytes()));
    let refused = json!({"kind": "git", "value": format!("password={PASSWORD}"), "projects": 7});
    let refused = send(client, Method::PUT, "/credentials/GITHUB", &refused).await;
    shown.extend(refused.expect(422).to_string().into_bytes());
    let stream = [("accept", "text/event-stream")];
    let stream = client.send(Method::GET, &format!("/commands/{id}/events"), &stream, None).await.unwrap();
    assert!(holds(stream.body(), b"The first half is [redacted]"), "the stream is read");
    shown.extend(stream.body());
    for request in requests {
        shown.extend(
            request.headers.iter().flat_map(|(name, value)| {
                [name.as_str().as_bytes(), b": ", value.as_bytes(), b"\n"].concat()
            }),
        );
        shown.extend(request.body);
    }
    shown
}

/// Panics if a secret stands in what was shown, in what was written, or in the log.
fn check(shown: &[u8], written: &[u8], log: &[u8]) {
    let needles = needles();
    assert_eq!(needles.found_in(shown), Vec::<&str>::new());
    assert!(holds(written, b"The first half is [redacted]"), "the database is read");
    assert_eq!(needles.found_in(written), Vec::<&str>::new());
    assert!(holds(log, b"DEBUG") || holds(log, b"\"level\":\"DEBUG\""), "the log has debug lines");
    assert!(holds(log, b"credential used"), "each use is logged");
    assert_eq!(needles.found_in(log), Vec::<&str>::new());
}

#[tokio::test]
async fn the_secrets_that_an_agent_tells_are_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let (data, log) = (folder.path().join("data"), folder.path().join("log"));
    fs::create_dir(&data).unwrap();
    let data_dir = data.to_str().unwrap();
    let args =
        ["serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir, "--log", "debug", "--claude-path", AGENT];
    let stderr = Stdio::from(File::create(&log).unwrap());
    let server = Process::start_with_log("rdev", &args, &[], "Press Ctrl-C to stop", stderr).await;
    let key = fs::read_to_string(data.join("api-key")).unwrap();
    let shown = session(&Client::new(&server.base(), key.trim())).await;
    assert!(server.stop().await.success());
    check(&shown, &content(&data), &fs::read(&log).unwrap());
}

#[tokio::test]
async fn the_secrets_that_an_agent_tells_are_in_no_dump_of_postgres() {
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let options = ["--claude-path", AGENT];
    let fleet = Fleet::start_with_log(&options, Some(File::create(&log).unwrap())).await;
    let shown = session(&fleet.client).await;
    let mut written = fleet.place.postgres.dump("postgres").await;
    assert!(holds(&written, b"INSERT INTO rdev_runner.credential_versions VALUES ('GITHUB', 1, 'git'"));
    written.extend(content(fleet.place.folder()));
    fleet.stop().await;
    check(&shown, &written, &fs::read(&log).unwrap());
}

#[tokio::test]
async fn credentials_stay_readable_when_the_encryption_key_changes() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path(), &["--claude-path", AGENT]).await;
    store_all(&client).await;
    assert!(server.stop().await.success());
    let file = folder.path().join("encryption-key");
    let old = fs::read_to_string(&file).unwrap().trim().to_owned();
    let new = "bm90IGEgcmVhbCBrZXksIGJ1dCAzMiBieXRlcyBsb24=";
    fs::write(&file, format!("{new},{old}")).unwrap();
    let rekey = async || {
        let mut rekey = tokio::process::Command::new(binary("rdev"));
        let output = rekey.args(["rekey", "--data-dir"]).arg(folder.path()).output().await.unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert!(rekey().await.contains("credential_versions.value: 6 re-encrypted"));
    assert!(rekey().await.contains("credential_versions.value: 0 re-encrypted"));
    fs::write(&file, new).unwrap();
    let (server, client) = serve(folder.path(), &["--claude-path", AGENT]).await;
    assert_eq!(facts(&tell(&client).await)["username"], "x-access-token");
    assert!(server.stop().await.success());
}

#[tokio::test]
async fn a_command_that_names_what_it_may_not_have_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path(), &["--claude-path", AGENT]).await;
    store_all(&client).await;
    for (name, said) in [
        ("OTHER_1", "there is no secret `OTHER_1`"),
        ("OTHER_3", "does not list the credential `OTHER_3`"),
        ("UNKNOWN", "there is no secret `UNKNOWN`"),
    ] {
        let body = json!({"prompt": "Tell.", "secrets": [name]}).to_string();
        let refused = client.post("/projects/my-project/commands", &body).await.expect(422);
        let fault = &refused["errors"][0];
        assert_eq!(fault["pointer"], "/secrets");
        assert!(fault["detail"].as_str().unwrap().contains(said), "{refused}");
    }
    // One that is deleted while the command waits.
    let demo = json!({"provider": "demo"});
    send(&client, Method::PATCH, "/projects/my-project", &demo).await.expect(200);
    let body = json!({"prompt": "Hold on.\n/wait 9h", "secrets": []}).to_string();
    let running = client.post("/projects/my-project/commands", &body).await.expect(202);
    let waiting = json!({"prompt": "Tell.", "secrets": ["TOKEN"]}).to_string();
    let waiting = client.post("/projects/my-project/commands", &waiting).await.expect(202);
    client.request(Method::DELETE, "/credentials/TOKEN", None).await.unwrap().expect(204);
    client.post(&format!("/commands/{}/cancel", running["id"].as_str().unwrap()), "").await.expect(202);
    let path = format!("/commands/{}", waiting["id"].as_str().unwrap());
    let ended = client.until(&path, |command| !command["ended_at"].is_null()).await;
    assert_eq!((&ended["status"], &ended["result"]["reason"]), (&json!("failed"), &json!("start_failed")));
    assert!(ended["result"]["detail"].as_str().unwrap().contains("no secret `TOKEN`"), "{ended}");
    assert!(server.stop().await.success());
}
