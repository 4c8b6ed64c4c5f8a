//! The ends of turns.

use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{
    AgentEventKind, FailureReason, LimitSettings, Outcome, RequestDraft, Session, Usage, Usd,
};
use rdev_runner_testkit::{RecordingSink, command_id, draft, run as agent_run};

use crate::stand_in::StandIn;
use crate::{agent, prompt, run};

#[tokio::test]
async fn a_turn_has_the_last_text_and_all_costs() {
    let server = StandIn::start().await;
    let (result, sink) = prompt(&server, "say One.\ntool bash\nsay Two.").await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two."));
    let usage = Usage { input_tokens: 200, output_tokens: 42, cache_read_tokens: 6, cache_write_tokens: 8 };
    assert_eq!((result.usage, result.cost), (usage, Some(Usd::from_nanos(500_000_000))));
    let calls = sink.events().iter().filter(|event| matches!(event, AgentEventKind::ToolCall { .. })).count();
    let returns =
        sink.events().iter().filter(|event| matches!(event, AgentEventKind::ToolResult { .. })).count();
    assert_eq!((calls, returns), (1, 1));
}

#[tokio::test]
async fn a_failure_of_the_models_api_has_its_reason() {
    for (step, reason) in [
        ("fail 401", FailureReason::Authentication),
        ("fail 429", FailureReason::RateLimited),
        ("fail 500", FailureReason::ApiError),
        ("tool bash", FailureReason::NoResult),
        ("say  ", FailureReason::EmptyResult),
    ] {
        let (result, _) = prompt(&StandIn::start().await, step).await;
        assert_eq!(result.outcome, Outcome::Failed(reason), "{step}: {:?}", result.detail);
    }
}

#[tokio::test]
async fn an_agent_that_never_ends_by_itself_is_stopped() {
    let turns = LimitSettings { max_turns: Some(2), ..LimitSettings::default() };
    for (prompt, limits, reason) in [
        ("retry\nretry\nretry\nretry\nretry\nhang", LimitSettings::default(), FailureReason::ApiError),
        ("garble\ngarble\ngarble\nhang", LimitSettings::default(), FailureReason::ApiError),
        ("say 1\nsay 2\nsay 3\nhang", turns, FailureReason::MaxTurns),
    ] {
        let server = StandIn::start().await;
        let (result, _) = run(&server, RequestDraft { limits, ..draft(1, prompt) }).await;
        assert_eq!(result.outcome, Outcome::Failed(reason), "{prompt}");
        assert_eq!(server.bodies("POST", "/abort").len(), 1);
    }
}

#[tokio::test]
async fn a_turn_within_its_bounds_is_not_stopped() {
    let limits = LimitSettings { max_turns: Some(2), ..LimitSettings::default() };
    let retries = "retry\n".repeat(4);
    let prompt = format!("{retries}say One.\n{retries}say Two.");
    let (result, _) = run(&StandIn::start().await, RequestDraft { limits, ..draft(1, &prompt) }).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Two."));
}

#[tokio::test]
async fn a_question_is_denied_at_once() {
    let server = StandIn::start().await;
    let (result, sink) = prompt(&server, "ask bash\nquestion\nsay Without it.").await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Without it."));
    let denied: Vec<_> = result.denials.iter().map(|denial| denial.tool.as_str()).collect();
    assert_eq!(denied, ["bash", "question"]);
    // With a message the model goes on; `always` would hold for later sessions too.
    let reply = &server.bodies("POST /permission/per_1", "/reply")[0];
    assert_eq!((reply["reply"].as_str(), reply["message"].is_string()), (Some("reject"), true));
    assert_eq!(server.bodies("POST /question/que_1", "/reject").len(), 1);
    let denials =
        sink.events().iter().filter(|event| matches!(event, AgentEventKind::PermissionDenied { .. })).count();
    assert_eq!(denials, 2);
}

#[tokio::test]
async fn an_idle_of_an_earlier_turn_ends_nothing() {
    let server = StandIn::start().await;
    server.add_session("ses_old", &["Earlier."]);
    let (agent, sink) = (agent(&server), RecordingSink::default());
    let session = Session::Resume("ses_old".parse().unwrap());
    let run = agent_run(RequestDraft { session, ..draft(1, "hang") });
    let run = agent.execute(&run, &sink);
    tokio::pin!(run);
    let early = tokio::time::timeout(Duration::from_millis(300), &mut run).await;
    assert!(early.is_err(), "{early:?}");
    agent.cancel(command_id(1)).await;
    let result = run.await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Cancelled, ""));
    assert_eq!(result.cost, None);
}

#[tokio::test]
async fn an_abort_that_comes_too_late_changes_nothing() {
    let server = StandIn::start().await;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    let run = agent_run(draft(1, "say Done."));
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        while server.bodies("POST", "/prompt_async").is_empty() {
            tokio::task::yield_now().await;
        }
        agent.cancel(command_id(1)).await;
    });
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Done."));
}

#[tokio::test]
async fn a_message_that_stays_open_ends_with_patience() {
    let server = StandIn::start().await;
    server.state().stays_open = true;
    let (agent, sink) = (agent(&server), RecordingSink::default());
    let run = agent_run(draft(1, "hang"));
    let (result, ()) = tokio::join!(agent.execute(&run, &sink), async {
        sink.first().await;
        agent.cancel(command_id(1)).await;
    });
    assert_eq!(result.outcome, Outcome::Cancelled);
    assert!((9..15).contains(&result.duration.as_secs()), "{:?}", result.duration);
}
