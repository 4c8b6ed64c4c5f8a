//! Turns that succeed, and sessions.

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{
    AgentEventKind, FailureReason, LimitSettings, Outcome, PermissionProfile, RequestDraft, Session, Usage,
    Usd,
};
use rdev_runner_testkit::{command_id, draft};

use super::subject::{Subject, script_of};

const NONE: LimitSettings = LimitSettings::NONE;

#[tokio::test]
async fn the_agent_is_available() {
    let version = Subject::new().await.agent().probe().await.unwrap();
    assert_eq!(version.0, "2.1.332 (Claude Code)");
}

#[tokio::test]
async fn a_plain_turn_has_text_session_usage_and_cost() {
    let subject = Subject::new().await;
    let (result, events) = subject.play("--help\nMOCK text Hello there.", NONE).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Hello there."), "{result:?}");
    assert_eq!(result.session.unwrap().as_str(), command_id(1).as_uuid().to_string());
    assert_eq!(result.usage, Usage { input_tokens: 100, output_tokens: 20, ..Usage::default() });
    assert!(result.cost.unwrap() > Usd::ZERO);
    assert_eq!(result.exit_code, Some(0));
    assert!(matches!(events[0], AgentEventKind::SessionStarted { .. }), "{events:?}");
    assert!(events.iter().any(|event| matches!(event, AgentEventKind::TextDelta { .. })), "{events:?}");
    assert!(!events.iter().any(|event| matches!(event, AgentEventKind::Raw { .. })), "{events:?}");
}

#[tokio::test]
async fn a_tool_changes_the_workspace() {
    let subject = Subject::new().await;
    let script = "MOCK tool Bash {\"command\":\"echo made > made; pwd\"}\nMOCK text Done.";
    let (result, events) = subject.play(script, NONE).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Done."), "{result:?}");
    assert_eq!(std::fs::read_to_string(subject.scene.folder("workspace").join("made")).unwrap(), "made\n");
    let returned = events.iter().find_map(|event| match event {
        AgentEventKind::ToolResult { content, is_error: false, .. } => Some(content.clone()),
        _ => None,
    });
    assert!(returned.unwrap().ends_with("/workspace"));
    assert_eq!(result.usage.input_tokens, 200);
}

#[tokio::test]
async fn a_session_is_resumed_and_forked() {
    let subject = Subject::new().await;
    let (first, _) = subject.play("MOCK text First.", NONE).await;
    let session = first.session.clone().unwrap();
    let resumed =
        RequestDraft { session: Session::Resume(session.clone()), ..script_of(2, "MOCK text Second.") };
    let (second, _) = subject.execute(resumed).await;
    assert_eq!((second.outcome, second.text.as_str()), (Outcome::Completed, "Second."), "{second:?}");
    assert_eq!(second.session, Some(session.clone()));
    // The cost of this run alone.
    assert_eq!((second.usage, second.cost), (first.usage, first.cost));
    let forked = RequestDraft { session: Session::Fork(session.clone()), ..script_of(3, "MOCK text Third.") };
    let (third, _) = subject.execute(forked).await;
    assert_eq!((third.outcome, third.text.as_str()), (Outcome::Completed, "Third."), "{third:?}");
    assert!(third.session.is_some() && third.session != Some(session));
    assert_eq!(third.cost, first.cost);
    let histories: Vec<_> = subject.model.log().iter().filter_map(|line| line["messages"].as_u64()).collect();
    assert!(histories.windows(2).all(|pair| pair[0] < pair[1]), "{histories:?}");
}

#[tokio::test]
async fn a_session_that_does_not_exist_is_named_so() {
    let subject = Subject::new().await;
    let missing: rdev_runner_domain::SessionRef = "9f086e73-0144-4a78-9efe-c01996fe4a17".parse().unwrap();
    for (n, session) in [(1, Session::Resume(missing.clone())), (2, Session::Fork(missing.clone()))] {
        let (result, events) =
            subject.execute(RequestDraft { session, ..script_of(n, "MOCK text Hello.") }).await;
        assert_eq!(result.outcome, Outcome::Failed(FailureReason::SessionNotFound), "{result:?}");
        assert!(result.detail.unwrap().contains(missing.as_str()));
        assert_eq!(result.session, None);
        assert!(!events.iter().any(|event| matches!(event, AgentEventKind::SessionStarted { .. })));
    }
    assert_eq!(subject.model.steps(), [""; 0]);
}

#[tokio::test]
async fn a_tool_that_is_not_allowed_is_a_denial() {
    let subject = Subject::new().await;
    let script = "MOCK tool Bash {\"command\":\"curl http://127.0.0.1\"}\nMOCK text Done.";
    let (result, events) = subject.execute(draft(1, script)).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Done."), "{result:?}");
    assert_eq!(result.denials.len(), 1, "{result:?}");
    assert_eq!(result.denials[0].tool, "Bash");
    assert!(
        events.iter().any(|event| matches!(event, AgentEventKind::PermissionDenied { .. })),
        "{events:?}"
    );
}

#[tokio::test]
async fn a_reading_agent_writes_nothing() {
    let subject = Subject::new().await;
    let file = subject.scene.folder("workspace").join("made");
    let input = serde_json::json!({ "file_path": file.to_str().unwrap(), "content": "made" });
    let script =
        format!("MOCK tool Write {input}\nMOCK tool Bash {{\"command\":\"touch made\"}}\nMOCK text Done.");
    let read_only = RequestDraft { permissions: PermissionProfile::ReadOnly, ..draft(1, &script) };
    let (result, _) = subject.execute(read_only).await;
    assert_eq!(result.outcome, Outcome::Completed, "{result:?}");
    assert!(!file.exists());
}
