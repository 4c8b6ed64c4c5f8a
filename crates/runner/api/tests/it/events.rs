//! `GET /commands/{id}/events`.

use std::time::Duration;

use axum::body::BodyDataStream;
use futures_util::StreamExt;
use futures_util::future::join_all;
use http_body_util::BodyExt;
use rdev_access::scopes::COMMANDS_READ;
use rdev_runner_domain::{AgentEventKind, Outcome, Progress, Usage};
use serde_json::{Value, json};
use tower::ServiceExt;

use crate::scene::{Scene, ended, message, request};

/// A stream that is read event by event.
pub(crate) struct Stream {
    body: BodyDataStream,
    text: String,
}

/// An event of a stream: its type, its id and its data.
pub(crate) type Event = (String, Option<u64>, Value);

impl Scene {
    pub(crate) async fn stream(&self, command: &str, headers: &[(&str, &str)]) -> Stream {
        let headers: Vec<_> = headers.iter().copied().chain([("accept", "text/event-stream")]).collect();
        let request = request("GET", &format!("/commands/{command}/events"), &headers, "");
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (head, body) = response.into_parts();
        if head.status != 200 {
            let body = body.collect().await.unwrap().to_bytes();
            panic!("{}: {}", head.status, String::from_utf8_lossy(&body));
        }
        assert_eq!(head.headers["content-type"], "text/event-stream");
        let mut stream = Stream { body: body.into_data_stream(), text: String::new() };
        assert_eq!(stream.block().await.unwrap(), "retry: 1000");
        stream
    }
}

impl Stream {
    /// Returns the text before the next empty line; `None` at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.text.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.text = rest;
                return Some(block);
            }
            let more = tokio::time::timeout(Duration::from_secs(60), self.body.next()).await.unwrap()?;
            self.text.push_str(std::str::from_utf8(&more.unwrap()).unwrap());
        }
    }

    /// Returns the next event, and skips comments; `None` at the end.
    pub(crate) async fn event(&mut self) -> Option<Event> {
        loop {
            let block = self.block().await?;
            let line = |name: &str| block.lines().find_map(|line| line.strip_prefix(name));
            if let Some(event) = line("event: ") {
                let data = serde_json::from_str(line("data: ").unwrap()).unwrap();
                return Some((event.to_owned(), line("id: ").map(|id| id.parse().unwrap()), data));
            }
        }
    }

    /// Returns the numbers of the events up to the last event, and that event.
    pub(crate) async fn read_to_end(mut self) -> (Vec<u64>, Event) {
        let mut numbers = Vec::new();
        while let Some((event, id, data)) = self.event().await {
            if event != "event" {
                assert_eq!(id, None);
                assert!(self.event().await.is_none(), "the stream ends after its last event");
                return (numbers, (event, id, data));
            }
            assert_eq!(id, data["seq"].as_u64());
            numbers.extend(id);
        }
        panic!("the stream has no last event after {numbers:?}");
    }
}

fn texts(numbers: std::ops::RangeInclusive<u64>) -> Vec<String> {
    numbers.map(|number| format!("message {number}")).collect()
}

#[tokio::test]
async fn every_kind_of_event_has_its_members() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let leased = scene.claim().await;
    let text = |text: &str| text.to_owned();
    let kinds = vec![
        AgentEventKind::SessionStarted { session: "ses-1".parse().unwrap(), model: Some(text("sonnet")) },
        AgentEventKind::TextDelta { text: text("a"), parent: None },
        AgentEventKind::Message { text: text("line\none"), parent: Some(text("call-1")) },
        AgentEventKind::Thinking { text: text("hm"), parent: None },
        AgentEventKind::ToolCall {
            id: text("c"),
            name: text("Bash"),
            input: text("{\"a\":\n1}"),
            parent: None,
        },
        AgentEventKind::ToolCall { id: text("c"), name: text("Bash"), input: text("no json"), parent: None },
        AgentEventKind::ToolResult { id: text("c"), content: text("ok"), is_error: false, parent: None },
        AgentEventKind::PermissionDenied { tool: text("Edit"), id: None, message: text("no") },
        AgentEventKind::Retry {
            attempt: 2,
            delay: Some(Duration::from_millis(1_500)),
            status: Some(429),
            message: text("busy"),
        },
        AgentEventKind::Usage(Usage { input_tokens: 1, ..Usage::default() }),
        AgentEventKind::Warning { message: text("w") },
        AgentEventKind::Raw { text: text("\u{1}") },
    ];
    scene.report(&leased, 0, kinds, ended(Outcome::Completed)).await;
    let usage =
        json!({ "input_tokens": 1, "output_tokens": 0, "cache_read_tokens": 0, "cache_write_tokens": 0 });
    let expected = [
        json!({ "kind": "session_started", "session": "ses-1", "model": "sonnet" }),
        json!({ "kind": "text_delta", "text": "a" }),
        json!({ "kind": "message", "text": "line\none", "parent": "call-1" }),
        json!({ "kind": "thinking", "text": "hm" }),
        json!({ "kind": "tool_call", "id": "c", "name": "Bash", "input": { "a": 1 } }),
        json!({ "kind": "tool_call", "id": "c", "name": "Bash", "input": "no json" }),
        json!({ "kind": "tool_result", "id": "c", "content": "ok", "is_error": false }),
        json!({ "kind": "permission_denied", "tool": "Edit", "message": "no" }),
        json!({ "kind": "retry", "attempt": 2, "delay_ms": 1_500, "status": 429, "message": "busy" }),
        json!({ "kind": "usage", "usage": usage }),
        json!({ "kind": "warning", "message": "w" }),
        json!({ "kind": "raw", "text": "\u{1}" }),
    ];
    let page = scene.get(&format!("/commands/{id}/events")).await.expect(200).json();
    for (seq, (mut expected, shown)) in (1..).zip(expected.into_iter().zip(page["data"].as_array().unwrap()))
    {
        expected["seq"] = json!(seq);
        expected["at"] = json!("2025-01-15T10:30:00.123Z");
        assert_eq!(*shown, expected);
    }
    // A stream shows the same, also what has a line break in it.
    let mut stream = scene.stream(&id, &[]).await;
    for shown in page["data"].as_array().unwrap() {
        let block = stream.block().await.unwrap();
        let data: Vec<_> = block.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
        assert_eq!(serde_json::from_str::<Value>(&data.join("\n")).unwrap(), *shown);
    }
}

#[tokio::test]
async fn events_are_paged_oldest_first() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let path = format!("/commands/{id}/events");
    assert_eq!(scene.get(&path).await.expect(200).json()["data"], json!([]));
    let leased = scene.claim().await;
    scene.say(&leased, 0, &texts(1..=25)).await;
    let mut numbers = Vec::new();
    let mut query = "?limit=7".to_owned();
    loop {
        let page = scene.get(&format!("{path}{query}")).await.expect(200).json();
        numbers.extend(page["data"].as_array().unwrap().iter().map(|event| event["seq"].as_u64().unwrap()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        query = format!("?limit=7&cursor={cursor}");
    }
    assert_eq!(numbers, (1..=25).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_stream_resumes_after_every_event_without_gap_or_double() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let leased = scene.claim().await;
    scene.say(&leased, 0, &texts(1..=60)).await;
    let resumed = async |last: u64| {
        let last_text = last.to_string();
        let mut stream = scene.stream(&id, &[("last-event-id", &last_text)]).await;
        let mut numbers = Vec::new();
        // Part of the events is stored already, and the rest comes while the stream is open.
        while numbers.last().copied().unwrap_or(last) < 60 {
            numbers.extend(stream.event().await.unwrap().1);
        }
        (last, numbers, stream)
    };
    let mut open = join_all((0..=60).map(resumed)).await;
    scene.say(&leased, 60, &texts(61..=70)).await;
    scene.complete(&leased, 70).await;
    for (last, mut numbers, stream) in open.drain(..) {
        let (rest, (event, _, command)) = stream.read_to_end().await;
        numbers.extend(rest);
        assert_eq!(numbers, (last + 1..=70).collect::<Vec<_>>());
        assert_eq!((event.as_str(), &command["status"]), ("end", &json!("completed")));
        assert_eq!(command["result"]["text"], "Done.");
    }
    // After the end too.
    for last in 0..=70_u64 {
        let stream = scene.stream(&id, &[("last-event-id", &last.to_string())]).await;
        let (numbers, (event, ..)) = stream.read_to_end().await;
        assert_eq!((numbers, event.as_str()), ((last + 1..=70).collect(), "end"));
    }
}

#[tokio::test]
async fn a_stream_is_live_from_the_queue_to_the_end() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let mut stream = scene.stream(&id, &[]).await;
    let leased = scene.claim().await;
    for number in 1..=20 {
        scene.say(&leased, number - 1, &texts(number..=number)).await;
        assert_eq!(stream.event().await.unwrap().1, Some(number));
    }
    scene.complete(&leased, 20).await;
    let (numbers, (_, _, command)) = stream.read_to_end().await;
    assert!(numbers.is_empty());
    assert_eq!(command["id"], json!(id));
    // A command that is cancelled in the queue ends its stream.
    let id = scene.command("x").await;
    let stream = scene.stream(&id, &[]).await;
    scene.post(&format!("/commands/{id}/cancel"), "").await.expect(202);
    assert_eq!(stream.read_to_end().await.1.2["status"], "cancelled");
}

#[tokio::test]
async fn a_thousand_watchers_cost_no_more_statements_than_one() {
    async fn statements(watchers: usize) -> usize {
        let scene = Scene::with_project().await;
        let id = scene.command("x").await;
        let leased = scene.claim().await;
        scene.say(&leased, 0, &texts(1..=10)).await;
        let before = scene.counting.calls();
        let mut streams = join_all((0..watchers).map(|_| scene.stream(&id, &[]))).await;
        for stream in &mut streams {
            while stream.event().await.unwrap().1 != Some(10) {}
        }
        let joined = scene.counting.calls();
        for number in 11..=30 {
            scene.say(&leased, number - 1, &texts(number..=number)).await;
            for stream in &mut streams {
                assert_eq!(stream.event().await.unwrap().1, Some(number));
            }
        }
        scene.complete(&leased, 30).await;
        for stream in streams {
            assert!(stream.read_to_end().await.0.is_empty());
        }
        let after = scene.counting.calls();
        // The number of looks depends on the time that passes, the statements of a watcher do not.
        assert!(joined - before <= 4, "{watchers} watchers joined with {} statements", joined - before);
        after - before
    }
    // The clock of the pauses stands still but for what the looks themselves wait for.
    tokio::time::pause();
    let (one, thousand) = (statements(1).await, statements(1_000).await);
    assert!(thousand <= one, "{thousand} statements for 1,000 watchers, {one} for one");
}

#[tokio::test]
async fn a_watcher_that_falls_behind_gets_everything_and_delays_no_other() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let leased = scene.claim().await;
    let slow = scene.stream(&id, &[]).await;
    let mut quick = scene.stream(&id, &[]).await;
    for batch in 0..40_u64 {
        scene.say(&leased, batch * 50, &texts(batch * 50 + 1..=batch * 50 + 50)).await;
        while quick.event().await.unwrap().1 != Some(batch * 50 + 50) {}
    }
    scene.complete(&leased, 2_000).await;
    assert_eq!(quick.read_to_end().await.1.0, "end");
    let (numbers, (event, ..)) = slow.read_to_end().await;
    assert_eq!((numbers, event.as_str()), ((1..=2_000).collect(), "end"));
}

#[tokio::test]
async fn the_streams_of_a_deleted_command_end() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let leased = scene.claim().await;
    scene.say(&leased, 0, &texts(1..=3)).await;
    let mut watching = scene.stream(&id, &[]).await;
    assert_eq!(watching.event().await.unwrap().1, Some(1));
    scene.complete(&leased, 3).await;
    // This one knows the end already, and is the reason why the events stay in memory.
    let late = scene.stream(&id, &[("last-event-id", "1")]).await;
    scene.call("DELETE", &format!("/commands/{id}"), &[]).await.expect(204);
    let last = watching.read_to_end().await.1;
    assert!(["end", "deleted"].contains(&last.0.as_str()) && last.2["id"] == json!(id), "{last:?}");
    assert!(["end", "deleted"].contains(&late.read_to_end().await.1.0.as_str()));
    let headers = [("accept", "text/event-stream"), ("last-event-id", "3")];
    scene.call("GET", &format!("/commands/{id}/events"), &headers).await.refused(404, "not_found");
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_keeps_its_connection_alive() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let mut stream = scene.stream(&id, &[]).await;
    for _ in 0..3 {
        assert_eq!(stream.block().await.unwrap(), ": keep-alive");
    }
}

#[tokio::test(start_paused = true)]
async fn streams_end_when_the_process_stops() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let mut stream = scene.stream(&id, &[]).await;
    scene.drain.cancel();
    assert_eq!(stream.event().await, None);
    let headers = [("accept", "text/event-stream")];
    scene.call("GET", &format!("/commands/{id}/events"), &headers).await.refused(503, "unavailable");
}

#[tokio::test]
async fn a_key_has_its_share_of_the_streams() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let key = scene.key(&[&COMMANDS_READ], &["my-project"]).await;
    let headers = [("authorization", key.as_str())];
    let streams = join_all((0..1_024).map(|_| scene.stream(&id, &headers))).await;
    let refused = [headers[0], ("accept", "text/event-stream")];
    scene.call("GET", &format!("/commands/{id}/events"), &refused).await.refused(503, "unavailable");
    let _other = scene.stream(&id, &[]).await;
    drop(streams);
    let _again = scene.stream(&id, &headers).await;
}

#[tokio::test]
async fn the_last_events_come_before_the_end() {
    let scene = Scene::with_project().await;
    let id = scene.command("x").await;
    let leased = scene.claim().await;
    // The last events and the end are stored in one report, after the stream has begun.
    let stream = scene.stream(&id, &[]).await;
    let kinds = (0..130).map(|number| message(&number.to_string())).collect();
    scene.report(&leased, 0, kinds, Progress::Running).await;
    scene.report(&leased, 130, vec![message("last")], ended(Outcome::Completed)).await;
    assert_eq!(stream.read_to_end().await.0, (1..=131).collect::<Vec<_>>());
}
