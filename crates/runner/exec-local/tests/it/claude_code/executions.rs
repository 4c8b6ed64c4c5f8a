//! What the agent gets, and what its output becomes.

use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{
    AgentEventKind, AgentProvider, AgentRequest, AgentRequestError, FailureReason, LimitSettings, Outcome,
    PermissionProfile, RequestDraft, Session, Usage, Usd,
};
use rdev_runner_testkit::{RecordingSink, command_id, draft};

use super::stand_in::bounded;
use crate::Scene;

fn failed(reason: FailureReason) -> Outcome {
    Outcome::Failed(reason)
}

#[tokio::test]
async fn the_agent_gets_its_prompt_by_the_input_and_secrets_by_the_environment() {
    let script = "printf '%s\\n' \"$prompt\" > prompt; printf '%s\\n' \"$@\" > arguments; env > environment
        init; message Done; result Done; until_end";
    let scene = Scene::playing(script);
    let text = "--help \"quoted\"\nand é";
    let variable = |name: &str, value: &str| (name.parse().unwrap(), value.parse().unwrap());
    // A secret takes precedence over a variable of the project.
    let environment = [variable("RUST_LOG", "debug"), variable("ANTHROPIC_API_KEY", "none")].into();
    let (result, _) = scene.execute_as(RequestDraft { environment, ..draft(1, text) }).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Done"));
    assert_eq!(scene.file("prompt"), rdev_runner_claude_code::input::prompt(text));
    let session = format!("--session-id={}", command_id(1).as_uuid());
    let arguments = scene.file("arguments");
    assert!(arguments.lines().any(|line| line == session), "{arguments}");
    assert!(!arguments.contains("quoted") && !arguments.contains("sk-secret"), "{arguments}");
    let environment = scene.file("environment");
    for variable in
        ["ANTHROPIC_API_KEY=sk-secret", "CLAUDE_CODE_MAX_RETRIES=3", "LANG=C.UTF-8", "RUST_LOG=debug"]
    {
        assert!(environment.lines().any(|line| line == variable), "{environment}");
    }
    assert!(!environment.contains("CARGO"), "{environment}");
}

#[tokio::test]
async fn a_result_has_the_session_usage_and_cost_of_the_run() {
    let session: rdev_runner_domain::SessionRef = "9f086e73-0144-4a78-9efe-c01996fe4a17".parse().unwrap();
    for asked in [Session::Resume(session.clone()), Session::Fork(session.clone())] {
        let scene = Scene::new();
        let (result, sink) = scene.execute_as(RequestDraft { session: asked, ..draft(1, "Hello.") }).await;
        assert_eq!(result.session.as_ref(), Some(&session));
        let usage = Usage { input_tokens: 100, output_tokens: 20, ..Usage::default() };
        // The session as a whole has cost twice as much.
        assert_eq!((result.usage, result.cost), (usage, Some(Usd::from_nanos(250_000_000))));
        assert_eq!(sink.last_checkpoint(), Some(sink.events().len().to_string()));
        assert_eq!(result.exit_code, Some(0));
    }
}

#[tokio::test]
async fn a_missing_session_is_a_failure_without_a_session() {
    let script = r#"say '{"type":"result","subtype":"error_during_execution","is_error":true,"session_id":"ses_9","errors":["No conversation found with session ID: ses_9"]}'
        exit 1"#;
    let session = Session::Resume("ses_9".parse().unwrap());
    let (result, sink) =
        Scene::playing(script).execute_as(RequestDraft { session, ..draft(1, "Hello.") }).await;
    assert_eq!(result.outcome, failed(FailureReason::SessionNotFound));
    assert_eq!(result.detail.as_deref(), Some("No conversation found with session ID: ses_9"));
    assert_eq!((result.session, sink.events()), (None, Vec::new()));
}

#[tokio::test]
async fn an_end_without_a_result_has_the_words_of_the_standard_error() {
    let cases = [
        ("echo 'error: unknown option' >&2; exit 1", FailureReason::StartFailed, "error: unknown option"),
        ("init; echo 'out of memory' >&2; exit 0", FailureReason::NoResult, "out of memory"),
        ("init; exit 3", FailureReason::NoResult, "The agent ended without a result."),
        ("init; kill -9 $$", FailureReason::Interrupted, "A signal ended the agent."),
        ("exit 0", FailureReason::NoResult, "The agent ended without a result."),
        ("init; seq 1 100000 >&2; echo the end >&2; exit 1", FailureReason::NoResult, "the end"),
    ];
    for (script, reason, detail) in cases {
        let (result, _) = Scene::playing(script).execute(LimitSettings::NONE).await;
        assert_eq!(result.outcome, failed(reason), "{script}");
        let shown = result.detail.unwrap();
        assert!(shown.ends_with(detail) && shown.len() <= 2_000, "{script}: {shown}");
    }
}

#[tokio::test]
async fn an_agent_that_is_not_installed_says_what_to_install() {
    let scene = Scene::new();
    let (sink, run) = (RecordingSink::default(), scene.agent_run(draft(1, "Hello.")));
    for program in ["no-such-claude", "/no/such/claude"] {
        let agent = scene.agent_of(program);
        let result = bounded(agent.execute(&run, &sink)).await;
        assert_eq!(result.outcome, failed(FailureReason::StartFailed));
        let detail = result.detail.unwrap();
        assert!(detail.contains(program) && detail.contains("npm install"), "{detail}");
        agent.forget(command_id(1)).await;
        let unavailable = bounded(agent.probe()).await.unwrap_err().to_string();
        assert!(unavailable.contains(program) && unavailable.contains("npm install"), "{unavailable}");
    }
    assert_eq!(bounded(scene.agent().probe()).await.unwrap().0, "9.9.9 (Claude Code)");
    assert_eq!(sink.events(), []);
    assert_eq!(scene.run_folders(), [""; 0]);
}

#[tokio::test]
async fn a_workspace_that_is_gone_is_a_failure() {
    let scene = Scene::new();
    let run = scene.agent_run(draft(1, "Hello."));
    std::fs::remove_dir(&scene.workspace).unwrap();
    let result = bounded(scene.agent().execute(&run, &RecordingSink::default())).await;
    assert_eq!(result.outcome, failed(FailureReason::StartFailed));
    assert!(result.detail.unwrap().ends_with("/workspace is not a folder."));
}

#[tokio::test]
async fn a_command_never_starts_twice() {
    let scene = Scene::playing("init; message Done; result Done; until_end");
    let (first, _) = scene.execute(LimitSettings::NONE).await;
    let (again, sink) = scene.execute(LimitSettings::NONE).await;
    // A second start finds the first one's run.
    assert_eq!((again, sink.events().is_empty()), (first, false));
    assert_eq!(scene.file("starts"), "started\n");
}

#[tokio::test]
async fn root_has_full_permissions_in_a_sandbox_alone() {
    let full = RequestDraft { permissions: PermissionProfile::Full, ..draft(1, "Hello.") };
    let refused = AgentRequest::new(full, Scene::new().agent().capabilities()).unwrap_err();
    assert_eq!(refused, [AgentRequestError::FullPermissionsUnsupported(AgentProvider::claude())]);
}

#[tokio::test]
async fn a_permission_prompt_is_denied() {
    let ask = r#"say '{"type":"control_request","request_id":"q1","request":{"subtype":"can_use_tool","tool_name":"Write"}}'"#;
    let script = format!(
        "init; {ask}; IFS= read -r answer; echo \"$answer\" > answer; message Done; result Done; until_end"
    );
    let scene = Scene::playing(&script);
    let (result, sink) = scene.execute(LimitSettings::NONE).await;
    assert_eq!(result.outcome, Outcome::Completed);
    let answer = scene.file("answer");
    assert!(answer.contains("\"deny\"") && answer.contains("\"q1\""), "{answer}");
    let denied = |event: &AgentEventKind| matches!(event, AgentEventKind::PermissionDenied { .. });
    assert_eq!(sink.events().iter().filter(|event| denied(event)).count(), 1);
}

#[tokio::test]
async fn nothing_is_left_once_a_run_is_forgotten() {
    let script =
        "mkdir -p \"$TMPDIR/cc-socks\"; mkfifo \"$TMPDIR/cc-socks/1.sock\"; chmod 0 \"$TMPDIR/cc-socks\"
        echo \"$TMPDIR\" > temporary
        (setsid sh -c 'echo $$ > \"$0/daemon\"; exec sleep 600' \"$PWD\" </dev/null >/dev/null 2>&1 &)
        while [ ! -s daemon ]; do :; done
        init; message Done; result Done; until_end";
    let scene = Scene::playing(script);
    let (result, _) = scene.execute(LimitSettings::NONE).await;
    assert_eq!(result.outcome, Outcome::Completed);
    assert!(!std::path::Path::new(scene.file("temporary").trim()).exists());
    let daemon = scene.file("daemon").trim().to_owned();
    assert!(!std::path::Path::new("/proc").join(daemon).exists());
    assert_eq!(scene.run_folders().len(), 1);
    scene.agent().forget(command_id(1)).await;
    scene.agent().forget(command_id(1)).await;
    assert_eq!(scene.run_folders(), [""; 0]);
}

#[tokio::test]
async fn the_duration_is_that_of_the_process() {
    let (result, _) = Scene::new().execute(LimitSettings::NONE).await;
    assert!(result.duration > Duration::ZERO);
}
