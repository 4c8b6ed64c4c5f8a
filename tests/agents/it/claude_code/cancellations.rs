//! Cancellations in each phase of a run.

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentEventKind, AgentResult, LimitSettings, Outcome};
use rdev_runner_testkit::{RecordingSink, command_id};

use super::subject::{Subject, bounded, script_of};

/// Cancels a run, twice, once it has got as far as `reached` waits for. Returns the result.
async fn cancelled(
    subject: &Subject,
    script: &str,
    reached: impl AsyncFnOnce(&Subject, &RecordingSink),
) -> AgentResult {
    let (agent, run, sink) = (subject.agent(), subject.run(script_of(1, script)), RecordingSink::default());
    let (result, ()) = tokio::join!(bounded(agent.execute(&run, &sink)), async {
        bounded(reached(subject, &sink)).await;
        agent.cancel(command_id(1)).await;
        agent.cancel(command_id(1)).await;
    });
    agent.cancel(command_id(1)).await;
    subject.leaves_nothing(&run).await;
    result
}

/// Waits for an event of a kind.
async fn event(sink: &RecordingSink, is_it: fn(&AgentEventKind) -> bool) {
    let mut count = 1;
    loop {
        sink.count(count).await;
        let events = sink.events();
        if events.iter().any(is_it) {
            return;
        }
        count = events.len() + 1;
    }
}

#[tokio::test]
async fn before_the_start() {
    let subject = Subject::new().await;
    let result = cancelled(&subject, "MOCK slow 300", async |_, _| ()).await;
    assert_eq!(result.outcome, Outcome::Cancelled, "{result:?}");
    assert_eq!(subject.model.steps(), [""; 0]);
}

#[tokio::test]
async fn while_the_model_is_silent() {
    let subject = Subject::new().await;
    let result =
        cancelled(&subject, "MOCK hang", async |subject, _| subject.model.asked_for("hang").await).await;
    assert_eq!(result.outcome, Outcome::Cancelled, "{result:?}");
}

#[tokio::test]
async fn while_the_model_speaks() {
    let subject = Subject::new().await;
    let is_delta = |event: &AgentEventKind| matches!(event, AgentEventKind::TextDelta { .. });
    let result = cancelled(&subject, "MOCK slow 300", async |_, sink| event(sink, is_delta).await).await;
    assert_eq!(result.outcome, Outcome::Cancelled, "{result:?}");
    // The session can be resumed.
    assert!(result.session.is_some());
    let session = rdev_runner_domain::Session::Resume(result.session.unwrap());
    let resumed = rdev_runner_domain::RequestDraft { session, ..script_of(2, "MOCK text Back.") };
    assert_eq!(subject.execute(resumed).await.0.outcome, Outcome::Completed);
}

#[tokio::test]
async fn while_a_tool_runs() {
    let subject = Subject::new().await;
    let script = "MOCK tool Bash {\"command\":\"echo there > there; tail -f /dev/null\"}";
    let result = cancelled(&subject, script, async |subject, _| {
        let file = subject.scene.folder("workspace").join("there");
        rdev_runner_tests::eventually("the tool", async || file.exists().then_some(())).await;
    })
    .await;
    assert_eq!(result.outcome, Outcome::Cancelled, "{result:?}");
}

#[tokio::test]
async fn while_the_agent_waits_for_a_retry() {
    let subject = Subject::new().await;
    let is_retry = |event: &AgentEventKind| matches!(event, AgentEventKind::Retry { .. });
    let result = cancelled(&subject, "MOCK error 500", async |_, sink| event(sink, is_retry).await).await;
    assert_eq!(result.outcome, Outcome::Cancelled, "{result:?}");
}

#[tokio::test]
async fn after_the_end() {
    let subject = Subject::new().await;
    let (result, _) = subject.play("MOCK text Done.", LimitSettings::NONE).await;
    subject.agent().cancel(command_id(1)).await;
    assert_eq!(result.outcome, Outcome::Completed);
}
