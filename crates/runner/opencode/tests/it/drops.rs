//! Connections that drop.

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, FailureReason, Outcome, RequestDraft, Session};
use rdev_runner_testkit::{RecordingSink, draft, run as agent_run};

use crate::stand_in::StandIn;
use crate::{agent, prompt};

const SCRIPT: &str = "say One.\nhang\nsay Two.";

#[tokio::test]
async fn no_event_is_lost_or_doubled_when_the_stream_drops() {
    let server = StandIn::start().await;
    let (result, sink) = prompt(&server, "say One.\ntool bash\ndrop\nsay Two.\ntool edit\nsay Three.").await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Three."));
    let seen: Vec<_> = sink
        .events()
        .into_iter()
        .filter_map(|event| match event {
            AgentEventKind::Message { text, .. } => Some(text),
            AgentEventKind::ToolCall { name, .. } => Some(name),
            _ => None,
        })
        .collect();
    assert_eq!(seen, ["One.", "bash", "Two.", "edit", "Three."]);
    assert_eq!(server.bodies("POST /sync", "/history").len(), 1);
}

#[tokio::test]
async fn an_end_that_the_stream_did_not_report_is_found() {
    let server = StandIn::start().await;
    let (result, sink) = prompt(&server, "say Lost.\ndrop").await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Lost."));
    assert_eq!(
        sink.events().iter().filter(|event| matches!(event, AgentEventKind::Message { .. })).count(),
        1
    );
}

#[tokio::test]
async fn a_server_that_does_not_come_back_fails_the_run() {
    let server = StandIn::start().await;
    server.state().stays_away = true;
    let (result, _) = prompt(&server, "drop\nhang").await;
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::NoResult));
    let detail = result.detail.unwrap();
    assert!(detail.contains("GET /global/event: 503"), "{detail}");
}

#[tokio::test]
async fn a_stream_that_begins_too_late_loses_nothing() {
    let server = StandIn::start().await;
    server.add_session("ses_old", &["Earlier."]);
    let session = Session::Resume("ses_old".parse().unwrap());
    for draft in [draft(1, SCRIPT), RequestDraft { session, ..draft(2, SCRIPT) }] {
        let (agent, sink, run) = (agent(&server), RecordingSink::default(), agent_run(draft));
        server.state().is_mute = true;
        let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
            server.asked("POST", "/prompt_async").await;
            server.state().is_mute = false;
            server.go_on();
        });
        assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two."));
        let texts: Vec<_> = sink
            .events()
            .into_iter()
            .filter_map(|event| match event {
                AgentEventKind::Message { text, .. } => Some(text),
                _ => None,
            })
            .collect();
        assert_eq!(texts, ["One.", "Two."]);
        server.state().requests.clear();
    }
}

#[tokio::test]
async fn a_stream_that_brings_nothing_loses_nothing() {
    let server = StandIn::start().await;
    server.state().is_mute = true;
    let (result, sink) = prompt(&server, "say One.\ntool bash\nsay Two.").await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two."));
    let events = sink.events();
    let calls = events.iter().filter(|event| matches!(event, AgentEventKind::ToolCall { .. })).count();
    assert_eq!((calls, result.usage.input_tokens), (1, 200));
}
