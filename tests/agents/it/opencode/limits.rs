//! The limits of runs.

use std::time::Duration;

use rdev_runner_domain::{FailureReason, LimitSettings, Outcome, Timeout};
use rdev_runner_tests::PATIENCE;

use super::subject::{Subject, assert_completed, bash, full};

const SHORT: Option<Duration> = Some(Duration::from_secs(3));

#[tokio::test(flavor = "multi_thread")]
async fn each_limit_ends_a_run() {
    let subject = Subject::new().await;
    let within = async |n, script: &str, limits: LimitSettings| {
        let mut draft = full(n, script);
        draft.limits = LimitSettings { start: limits.start.or(Some(PATIENCE)), ..limits };
        subject.execute(draft).await.0
    };
    let none = LimitSettings::default();
    // The first one's server does not start as fast; it goes on for the others.
    let start = LimitSettings { start: Some(Duration::from_millis(100)), ..none };
    let result = within(1, "MOCK text Late.", start).await;
    assert_eq!(result.outcome, Outcome::TimedOut(Timeout::Start));

    let wait = format!("{}MOCK text Waited.", bash("sleep 100"));
    let loops = format!("{}MOCK text Done.", bash("echo hi").repeat(5));
    let (idle, tool, wall, turns, none) = tokio::join!(
        within(2, "MOCK hang", LimitSettings { idle: SHORT, ..none }),
        within(3, &wait, LimitSettings { tool_idle: SHORT, ..none }),
        within(4, "MOCK slow 100", LimitSettings { wall: Some(Duration::from_secs(20)), ..none }),
        within(5, &loops, LimitSettings { max_turns: Some(2), ..none }),
        within(6, &loops, LimitSettings { max_turns: Some(6), ..none }),
    );
    for (result, timeout) in [(idle, Timeout::Idle), (tool, Timeout::ToolIdle), (wall, Timeout::Wall)] {
        assert_eq!(result.outcome, Outcome::TimedOut(timeout), "{:?}", result.detail);
    }
    assert_eq!(turns.outcome, Outcome::Failed(FailureReason::MaxTurns));
    assert_completed(&none, "Done.");
    assert_eq!(subject.tools(), [""; 0]);
    subject.close().await;
}
