//! Nothing of a run is left; [`Subject::execute`] checks it.

use std::time::Duration;

use rdev_runner_domain::{LimitSettings, Outcome, Timeout};

use super::subject::Subject;

#[tokio::test]
async fn a_daemon_of_a_tool_ends_with_a_success() {
    let subject = Subject::new().await;
    let daemon = "(setsid sh -c 'trap : TERM HUP; echo > there; tail -f /dev/null; tail -f /dev/null' \
                  </dev/null >/dev/null 2>&1 &); while [ ! -e there ]; do :; done; echo started";
    let script = format!("MOCK tool Bash {{\"command\":\"{daemon}\"}}\nMOCK text Done.");
    let (result, _) = subject.play(&script, LimitSettings::NONE).await;
    assert_eq!(result.outcome, Outcome::Completed, "{result:?}");
    assert!(subject.scene.folder("workspace").join("there").exists());
}

#[tokio::test]
async fn a_tool_that_ignores_signals_ends_with_a_stop() {
    let subject = Subject::new().await;
    let tool =
        "trap '' TERM INT HUP; echo > there; setsid tail -f /dev/null & tail -f /dev/null; tail -f /dev/null";
    let script = format!("MOCK tool Bash {{\"command\":\"{tool}\"}}\nMOCK text Done.");
    let limits = LimitSettings { tool_idle: Some(Duration::from_secs(4)), ..LimitSettings::NONE };
    let (result, _) = subject.play(&script, limits).await;
    assert_eq!(result.outcome, Outcome::TimedOut(Timeout::ToolIdle), "{result:?}");
    assert!(subject.scene.folder("workspace").join("there").exists());
}
