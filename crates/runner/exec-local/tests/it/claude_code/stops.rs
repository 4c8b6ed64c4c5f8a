//! Runs that are stopped.

use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{FailureReason, LimitSettings, Outcome, RequestDraft, Timeout};
use rdev_runner_testkit::{GatedSink, RecordingSink, command_id, draft};

use super::stand_in::bounded;
use crate::Scene;

const SHORT: Option<Duration> = Some(Duration::from_millis(200));

/// Cancels the run once the script waits at the FIFO `ready` and its events have arrived.
async fn cancelled_when_ready(script: &str, events: usize) -> (Scene, Outcome) {
    let scene = Scene::playing(script);
    let (agent, run, sink) = (scene.agent(), scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    let (result, ()) = tokio::join!(bounded(agent.execute(&run, &sink)), async {
        scene.meet("ready").await;
        sink.count(events).await;
        agent.cancel(command_id(1)).await;
        agent.cancel(command_id(1)).await;
    });
    // Once it has ended there is nothing to cancel.
    agent.cancel(command_id(1)).await;
    (scene, result.outcome)
}

#[tokio::test]
async fn a_cancelled_turn_is_interrupted() {
    let streaming = "init; meet ready; until_interrupt; until_end";
    let in_a_tool = "init; tool; meet ready; until_interrupt; until_end";
    for (script, events) in [(streaming, 1), (in_a_tool, 2)] {
        let (scene, outcome) = cancelled_when_ready(script, events).await;
        assert_eq!(outcome, Outcome::Cancelled);
        assert_eq!(scene.file("seen"), "interrupted\n", "{script}");
    }
}

#[tokio::test]
async fn an_agent_that_has_not_begun_is_terminated() {
    let script = "trap 'echo terminated >> seen; exit 143' TERM; meet ready; while :; do read -r line; done";
    let (scene, outcome) = cancelled_when_ready(script, 0).await;
    assert_eq!(outcome, Outcome::Cancelled);
    assert_eq!(scene.file("seen"), "terminated\n");
}

#[tokio::test]
async fn an_agent_that_ignores_everything_is_killed() {
    let script = "trap '' TERM; init; meet ready; while :; do read -r line; echo \"$line\" >> seen; done";
    let (scene, outcome) = cancelled_when_ready(script, 1).await;
    assert_eq!(outcome, Outcome::Cancelled);
    assert_eq!(scene.file("seen").matches("interrupt").count(), 2, "one line, with its id");
}

#[tokio::test]
async fn a_result_that_comes_before_the_cancellation_stays() {
    let script =
        "trap 'exit 143' TERM; init; message Done; result Done; until_end; meet ready; exec sleep 600";
    let (_, outcome) = cancelled_when_ready(script, 3).await;
    assert_eq!(outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_cancellation_at_any_moment_ends_the_run() {
    // At the first poll, before the program has started.
    let scene = Scene::playing("init; until_interrupt; until_end");
    let (agent, run, sink) = (scene.agent(), scene.agent_run(draft(1, "Hello.")), RecordingSink::default());
    let (result, ()) = tokio::join!(bounded(agent.execute(&run, &sink)), agent.cancel(command_id(1)));
    assert_eq!(result.outcome, Outcome::Cancelled);
}

#[tokio::test]
async fn each_silence_has_its_limit() {
    let long = Some(Duration::from_secs(60));
    let all = LimitSettings { start: long, idle: long, tool_idle: long, wall: long, ..LimitSettings::NONE };
    for (script, limits, timeout) in [
        ("cat > /dev/null", LimitSettings { start: SHORT, ..all }, Timeout::Start),
        ("init; until_interrupt; until_end", LimitSettings { idle: SHORT, ..all }, Timeout::Idle),
        (
            "init; tool; returned; until_interrupt; until_end",
            LimitSettings { idle: SHORT, ..all },
            Timeout::Idle,
        ),
        (
            "init; tool; until_interrupt; until_end",
            LimitSettings { tool_idle: SHORT, ..all },
            Timeout::ToolIdle,
        ),
        ("init; until_interrupt; until_end", LimitSettings { wall: SHORT, ..all }, Timeout::Wall),
        ("meet nowhere", LimitSettings { wall: SHORT, ..all }, Timeout::Wall),
        ("init; tool; exec cat > /dev/null", LimitSettings { wall: SHORT, ..all }, Timeout::Wall),
    ] {
        let (result, _) = Scene::playing(script).execute(limits).await;
        assert_eq!(result.outcome, Outcome::TimedOut(timeout), "{script}");
    }
}

#[tokio::test]
async fn a_tool_may_be_silent_for_longer_than_the_model() {
    let limits = LimitSettings { idle: Some(Duration::from_secs(2)), ..LimitSettings::NONE };
    let script = "init; tool; sleep 3; returned; message Done; result Done; until_end";
    assert_eq!(Scene::playing(script).execute(limits).await.0.outcome, Outcome::Completed);
}

#[tokio::test]
async fn a_slow_sink_is_no_silence_of_the_agent() {
    let scene = Scene::playing("init; meet half; message Done; result Done; until_end");
    let limits = LimitSettings { idle: Some(Duration::from_secs(2)), ..LimitSettings::NONE };
    let run = scene.agent_run(RequestDraft { limits, ..draft(1, "Hello.") });
    let (agent, sink) = (scene.agent(), GatedSink::new());
    // The model speaks, and its first message finds no room.
    sink.open(1);
    let execution = agent.execute(&run, &sink);
    tokio::pin!(execution);
    let early = tokio::time::timeout(Duration::from_secs(3), async {
        tokio::join!(&mut execution, scene.meet("half"))
    });
    assert!(early.await.is_err());
    sink.open(1_000);
    assert_eq!(bounded(execution).await.outcome, Outcome::Completed);
}

#[tokio::test]
async fn refused_credentials_fail_at_the_first_retry() {
    for (status, reason) in [(401, FailureReason::Authentication), (403, FailureReason::Authentication)] {
        let scene = Scene::playing(&format!("init; retry {status}; until_interrupt; until_end"));
        let (result, _) = scene.execute(LimitSettings::NONE).await;
        assert_eq!(result.outcome, Outcome::Failed(reason));
        assert_eq!(scene.file("seen"), "interrupted\n");
    }
    let recovered = "init; retry 429; message Done; result Done; until_end";
    assert_eq!(Scene::playing(recovered).execute(LimitSettings::NONE).await.0.outcome, Outcome::Completed);
}

#[tokio::test]
async fn an_agent_that_stays_after_its_result_is_stopped() {
    let script =
        "init; message Done; result Done; until_end; while :; do say '{\"type\":\"noise\"}'; sleep 1; done";
    let (result, _) = Scene::playing(script).execute(LimitSettings::NONE).await;
    assert_eq!((result.outcome, result.text.as_str()), (Outcome::Completed, "Done"));
}
