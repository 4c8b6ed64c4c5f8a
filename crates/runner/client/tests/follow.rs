//! The client against a scripted server.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use rdev_client::scripted::{problem, response, serve};
use rdev_runner_client::{Client, CommandSignal, NewCommand};

const STREAM: &str = "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\nretry: 1000\n\n";

fn command(status: &str) -> String {
    format!(
        r#"{{"id":"cmd_1","project":"p","type":"demo","status":"{status}","waiting_for":null,"position":null,"session":null,"result":null,"last_seq":0,"created_at":"T","started_at":null,"ended_at":null}}"#
    )
}

fn event(seq: u64) -> String {
    format!(
        "id: {seq}\nevent: event\ndata: {{\"seq\":{seq},\"at\":\"T\",\"kind\":\"message\",\"text\":\"x\"}}\n\n"
    )
}

fn client(url: &str) -> Client {
    Client::builder(url).api_key("rdev_key".to_owned()).build().unwrap()
}

#[tokio::test]
async fn a_stream_continues_after_its_last_event_to_the_end() {
    let end = format!("event: end\ndata: {}\n\n", command("completed"));
    let replies = vec![
        problem(503, "unavailable", "/commands", "/x"),
        format!("{STREAM}{}{}", event(1), event(2)),
        String::new(),
        format!("{STREAM}: keep-alive\n\n{}", event(3)),
        format!("{STREAM}{end}"),
    ];
    let (url, serving) = serve(replies).await;
    let mut events = client(&url).follow_command("cmd_1", None).unwrap().persistent();
    let mut story = Vec::new();
    loop {
        match events.next().await.unwrap() {
            CommandSignal::Connected => story.push("connected".to_owned()),
            CommandSignal::Lost(_) => story.push("lost".to_owned()),
            CommandSignal::Event(event) => story.push(event.seq.to_string()),
            CommandSignal::Ended(command) => break story.push(command.status.clone()),
            CommandSignal::Deleted => story.push("deleted".to_owned()),
        }
    }
    let expected =
        ["lost", "connected", "1", "2", "lost", "lost", "connected", "3", "lost", "connected", "completed"];
    assert_eq!(story, expected);
    let seen = serving.await.unwrap();
    assert_eq!(seen[0].line, "GET /prefix/commands/cmd_1/events HTTP/1.1");
    let resumed: Vec<_> =
        seen.iter().map(|seen| seen.headers.get("last-event-id").map(String::as_str)).collect();
    assert_eq!(resumed, [None, None, Some("2"), Some("2"), Some("3")]);
}

#[tokio::test]
async fn a_deleted_or_an_unknown_command_ends_the_stream() {
    let replies = vec![
        format!("{STREAM}event: deleted\ndata: {{}}\n\n"),
        problem(404, "not_found", "/commands/cmd_1/events", "/x"),
    ];
    let (url, _serving) = serve(replies).await;
    let mut events = client(&url).follow_command("cmd_1", Some(7)).unwrap();
    assert!(matches!(events.next().await, Ok(CommandSignal::Connected)));
    assert!(matches!(events.next().await, Ok(CommandSignal::Deleted)));
    let mut unknown = client(&url).follow_command("cmd_1", None).unwrap();
    assert!(unknown.next().await.unwrap_err().is_not_found());
}

#[tokio::test]
async fn a_repeated_command_has_one_idempotency_key() {
    let replies = vec![String::new(), response("202 Accepted", "", &command("queued"))];
    let (url, serving) = serve(replies).await;
    let accepted = client(&url).create_command("my project", &NewCommand::new("hello")).await.unwrap();
    assert_eq!(accepted.status, "queued");
    let seen = serving.await.unwrap();
    assert_eq!(seen[0].line, "POST /prefix/projects/my%20project/commands HTTP/1.1");
    assert_eq!(seen[0].headers["idempotency-key"], seen[1].headers["idempotency-key"]);
}
