//! Recordings of the streams of OpenCode 1.18.33 with a scripted model, without the members that the adapter
//! does not read. The first line of each has the session, and its last message at the end.

use std::fmt::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::{fs, str};

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, Outcome};
use rdev_runner_opencode::DEFAULT_KEEP_IDLE;
use rdev_runner_testkit::{RecordingSink, draft, run};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use crate::agent_on;
use crate::backend::StandInBackend;
use crate::http::{Answer, serve};
use crate::stand_in::GREETING;

/// Replays a recording in pieces of this size, and returns what the agent makes of it.
async fn replay(recording: &str, size: usize) -> String {
    let (head, stream) = recording.split_once('\n').unwrap();
    let head: Value = serde_json::from_str(head).unwrap();
    let stream: String = stream.lines().map(|line| format!("data: {line}\n\n")).collect();
    let pieces: Vec<_> =
        stream.as_bytes().chunks(size).map(|piece| str::from_utf8(piece).unwrap().to_owned()).collect();
    let opened: Mutex<Option<UnboundedSender<String>>> = Mutex::default();
    let address = serve(Arc::new(move |request| match request.target.as_str() {
        "GET /global/event" => {
            let (sender, receiver) = unbounded_channel();
            sender.send(GREETING.to_owned()).unwrap();
            *opened.lock().unwrap() = Some(sender);
            Answer::Stream(receiver)
        }
        "GET /global/health" => Answer::Json(json!({ "version": "1.18.33" })),
        "POST /session" => Answer::Json(json!({ "id": head["session"] })),
        "GET /session/status" => Answer::Json(json!({})),
        target if target.ends_with("/message?limit=1") => Answer::Json(head["messages"].clone()),
        target if target.ends_with("/prompt_async") => {
            let opened = opened.lock().unwrap();
            pieces.iter().for_each(|piece| opened.as_ref().unwrap().send(piece.clone()).unwrap());
            Answer::Other { status: 204, content_type: "text/plain", body: String::new() }
        }
        _ => Answer::Json(json!(true)),
    }))
    .await;
    let folder = TempDir::new().unwrap();
    let agent =
        agent_on(Arc::new(StandInBackend::new(address)), folder.path(), Arc::default(), DEFAULT_KEEP_IDLE);
    let sink = RecordingSink::default();
    let result = agent.execute(&run(draft(1, "Hello.")), &sink).await;
    let mut report = String::new();
    let detail = result.detail.unwrap_or_default();
    let reason = result.outcome.reason().unwrap_or("completed");
    assert!(result.outcome == Outcome::Completed || !detail.is_empty());
    let denied: Vec<_> = result.denials.iter().map(|denial| denial.tool.as_str()).collect();
    writeln!(report, "{reason} {detail:?} text {:?} cost {:?} denied {denied:?}", result.text, result.cost)
        .unwrap();
    let mut delta = String::new();
    for event in sink.events() {
        // Deltas are cut by time.
        if let AgentEventKind::TextDelta { text, .. } = &event {
            delta.push_str(text);
        } else {
            writeln!(report, "  {event:?}").unwrap();
        }
    }
    writeln!(report, "  deltas {delta:?}").unwrap();
    report
}

#[tokio::test]
async fn each_recording_has_its_events_and_its_result() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut paths: Vec<_> = fs::read_dir(fixtures).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    let mut report = String::new();
    for path in paths {
        let recording = fs::read_to_string(&path).unwrap();
        let whole = replay(&recording, 1 << 20).await;
        if recording.is_ascii() {
            assert_eq!(replay(&recording, 101).await, whole, "{} in pieces", path.display());
        }
        writeln!(report, "{}: {whole}", path.file_stem().unwrap().to_str().unwrap()).unwrap();
    }
    insta::assert_snapshot!(report);
}
