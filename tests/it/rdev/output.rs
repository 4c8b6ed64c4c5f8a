//! An agent that says more than the store takes.

use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{ALL, pages, serve};

const AGENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/rdev/flooding_agent.sh");
const MESSAGE_BYTES: usize = 16_384;
const MAX_STORED_BYTES: usize = 64 << 20;
const MAX_MEMORY_MIB: u64 = 180;

#[tokio::test]
async fn a_hundred_megabytes_are_bounded_in_memory_and_in_the_store_and_a_slow_watcher_slows_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (server, client) = serve(folder.path(), &["--claude-path", AGENT]).await;
    let project = json!({"name": "my-project"}).to_string();
    client.post("/projects", &project).await.expect(201);
    let body = json!({"type": "claude", "prompt": "Hello."}).to_string();
    let command = client.post("/projects/my-project/commands", &body).await.expect(202);
    let path = format!("/commands/{}", command["id"].as_str().unwrap());
    // It reads nothing.
    let mut watcher = TcpStream::connect(client.base().trim_start_matches("http://")).await.unwrap();
    let request = format!(
        "GET {path}/events HTTP/1.1\r\nhost: rdev\r\naccept: text/event-stream\r\nauthorization: Bearer {}\r\n\r\n",
        client.key()
    );
    watcher.write_all(request.as_bytes()).await.unwrap();

    let ended = client.until_within(ALL, &path, |command| !command["ended_at"].is_null()).await;
    assert_eq!((&ended["status"], &ended["result"]["text"]), (&json!("completed"), &json!("Done.")));
    let peak = server.peak_memory_mib();
    assert!(peak < MAX_MEMORY_MIB, "{peak} MiB");
    let events = pages(&client, &format!("{path}/events")).await;
    assert!(events.iter().map(|event| event["seq"].as_u64().unwrap()).eq(1..=events.len() as u64));
    let messages = events.iter().filter(|event| event["kind"] == "message").count();
    let kept = messages * MESSAGE_BYTES;
    assert!(kept <= MAX_STORED_BYTES && kept > MAX_STORED_BYTES - (1 << 20), "{kept} bytes are kept");
    assert_eq!(events.iter().filter(|event| event["kind"] == "warning").count(), 1);
    println!("100 MiB of output: at most {peak} MiB of memory");
    drop(watcher);
    assert!(server.stop().await.success());
}
