//! Limits of time, turns and money.

use std::time::Duration;

use rdev_runner_domain::{FailureReason, LimitSettings, Outcome, Timeout};

use super::subject::Subject;

const LONG: Option<Duration> = Some(Duration::from_secs(600));
const ALL: LimitSettings = LimitSettings {
    wall: LONG,
    idle: LONG,
    tool_idle: LONG,
    start: LONG,
    max_turns: None,
    max_budget_usd: None,
};

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

async fn outcome(script: &str, limits: LimitSettings) -> Outcome {
    Subject::new().await.play(script, limits).await.0.outcome
}

#[tokio::test]
async fn an_agent_that_does_not_start_in_time_is_stopped() {
    let limits = LimitSettings { start: Some(Duration::from_millis(1)), ..ALL };
    assert_eq!(outcome("MOCK text Hello.", limits).await, Outcome::TimedOut(Timeout::Start));
}

#[tokio::test]
async fn an_answer_that_stalls_is_stopped() {
    let limits = LimitSettings { idle: seconds(3), ..ALL };
    assert_eq!(outcome("MOCK stall", limits).await, Outcome::TimedOut(Timeout::Idle));
    assert_eq!(outcome("MOCK hang", limits).await, Outcome::TimedOut(Timeout::Idle));
}

#[tokio::test]
async fn a_slow_answer_is_no_silence() {
    let limits = LimitSettings { idle: seconds(4), ..ALL };
    assert_eq!(outcome("MOCK slow 8", limits).await, Outcome::Completed);
}

#[tokio::test]
async fn a_tool_that_takes_too_long_is_stopped() {
    let limits = LimitSettings { tool_idle: seconds(5), ..ALL };
    let script = "MOCK tool Bash {\"command\":\"tail -f /dev/null\"}";
    assert_eq!(outcome(script, limits).await, Outcome::TimedOut(Timeout::ToolIdle));
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_stopped() {
    for script in ["MOCK slow 300", "MOCK tool Bash {\"command\":\"tail -f /dev/null\"}"] {
        let limits = LimitSettings { wall: seconds(4), ..ALL };
        assert_eq!(outcome(script, limits).await, Outcome::TimedOut(Timeout::Wall));
    }
}

#[tokio::test]
async fn a_run_beyond_its_turns_ends() {
    let script = "MOCK tool Bash {\"command\":\"echo one\"}\nMOCK tool Bash {\"command\":\"echo two\"}\nMOCK text Done.";
    let limits = LimitSettings { max_turns: Some(1), ..ALL };
    let (result, _) = Subject::new().await.play(script, limits).await;
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::MaxTurns), "{result:?}");
    assert!(result.usage.input_tokens > 0 && result.session.is_some(), "{result:?}");
}

#[tokio::test]
async fn a_run_beyond_its_budget_ends() {
    let script = "MOCK tool Bash {\"command\":\"echo one\"}\nMOCK tool Bash {\"command\":\"echo two\"}\nMOCK text Done.";
    let limits = LimitSettings { max_budget_usd: Some(0.000_1), ..ALL };
    let (result, _) = Subject::new().await.play(script, limits).await;
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::MaxBudget), "{result:?}");
    assert!(result.cost.is_some(), "{result:?}");
}
