//! The limits of time.

use std::time::Duration;

use rdev_runner_domain::{LimitSettings, Outcome, RequestDraft, Timeout};
use rdev_runner_testkit::draft;

use crate::backend::Start;
use crate::run;
use crate::stand_in::StandIn;

const SHORT: Option<Duration> = Some(Duration::from_millis(300));

#[tokio::test]
async fn a_run_that_exceeds_a_limit_is_aborted() {
    let limits = LimitSettings::default();
    for (prompt, limits, limit) in [
        ("hang", LimitSettings { idle: SHORT, ..limits }, Timeout::Idle),
        ("stuck bash", LimitSettings { tool_idle: SHORT, ..limits }, Timeout::ToolIdle),
        ("hang", LimitSettings { wall: SHORT, ..limits }, Timeout::Wall),
        ("stuck bash", LimitSettings { wall: SHORT, idle: SHORT, ..limits }, Timeout::Wall),
        // The subagent and the tool before say nothing any more.
        ("tool bash\nsay One.\nhang", LimitSettings { idle: SHORT, ..limits }, Timeout::Idle),
    ] {
        let server = StandIn::start().await;
        let (result, _) = run(&server, RequestDraft { limits, ..draft(1, prompt) }).await;
        assert_eq!(result.outcome, Outcome::TimedOut(limit), "{prompt}");
        assert!(result.detail.is_some_and(|detail| detail.contains("300ms")));
        assert_eq!(server.bodies("POST", "/abort").len(), 1);
    }
}

#[tokio::test]
async fn a_running_tool_is_not_idle() {
    let limits =
        LimitSettings { idle: SHORT, tool_idle: Some(Duration::from_secs(2)), ..LimitSettings::default() };
    let server = StandIn::start().await;
    let (result, _) = run(&server, RequestDraft { limits, ..draft(1, "stuck bash") }).await;
    assert_eq!(result.outcome, Outcome::TimedOut(Timeout::ToolIdle));
    assert!(result.duration >= Duration::from_secs(2));
}

#[tokio::test]
async fn a_start_that_takes_too_long_ends_the_run() {
    let limits = LimitSettings { start: SHORT, ..LimitSettings::default() };
    let server = StandIn::start().await;
    server.backend().state().start = Start::SaysNothing;
    let (result, _) = run(&server, RequestDraft { limits, ..draft(1, "say Hello.") }).await;
    assert_eq!(result.outcome, Outcome::TimedOut(Timeout::Start));

    // A server that does not answer.
    for request in ["GET /global/event", "POST /session"] {
        let server = StandIn::start().await;
        server.answer(request, || crate::http::Answer::Silence);
        let (result, _) = run(&server, RequestDraft { limits, ..draft(1, "say Hello.") }).await;
        assert_eq!(result.outcome, Outcome::TimedOut(Timeout::Start), "{request}");
        assert!(server.bodies("POST", "/prompt_async").is_empty());
    }
}
