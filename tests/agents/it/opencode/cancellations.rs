//! Cancelled runs.

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{AgentResult, Outcome};
use rdev_runner_testkit::{RecordingSink, command_id};
use rdev_runner_tests::eventually;

use super::subject::{Subject, assert_completed, bash, full};

/// Runs a script, and cancels it when `moment` is over.
async fn cancelled(subject: &Subject, n: u8, script: &str, moment: impl Future<Output = ()>) -> AgentResult {
    let (run, sink) = (subject.run(full(n, script)), RecordingSink::default());
    let (result, ()) = tokio::join!(subject.agent.execute(&run, &sink), async {
        moment.await;
        subject.agent.cancel(command_id(n)).await;
        subject.agent.cancel(command_id(n)).await;
    });
    result
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_is_cancelled_at_any_moment() {
    let subject = Subject::new().await;
    let starting = async {
        let is_starting = async || (!subject.processes().is_empty()).then_some(());
        eventually("a server that starts", is_starting).await;
    };
    let result = cancelled(&subject, 1, "MOCK text Never.", starting).await;
    assert_eq!(result.outcome, Outcome::Cancelled);

    let result = cancelled(&subject, 2, "MOCK slow 100", subject.model.asked_for("slow")).await;
    assert_eq!(result.outcome, Outcome::Cancelled);
    let session = result.session.unwrap();

    let wait = format!("{}MOCK text Waited.", bash("tail -f /dev/null"));
    let result = cancelled(&subject, 3, &wait, subject.tool("tail -f")).await;
    assert_eq!(result.outcome, Outcome::Cancelled);
    assert_eq!(subject.tools(), [""; 0]);

    let stubborn = format!("{}MOCK text Waited.", bash("trap '' TERM HUP INT; while :; do sleep 0.2; done"));
    let result = cancelled(&subject, 4, &stubborn, subject.tool("while :;")).await;
    assert_eq!(result.outcome, Outcome::Cancelled);
    assert_eq!(subject.tools(), [""; 0]);

    // What has ended, or was cancelled before, is not changed.
    subject.agent.cancel(command_id(4)).await;
    let session = rdev_runner_domain::Session::Resume(session);
    let after = rdev_runner_domain::RequestDraft { session, ..full(5, "MOCK text After.") };
    assert_completed(&subject.execute(after).await.0, "After.");
    subject.agent.cancel(command_id(5)).await;
    assert_completed(&subject.play(6, "MOCK text Last.").await.0, "Last.");
    assert!(!subject.model.steps().contains(&"text Never.".to_owned()));
    subject.close().await;
}
