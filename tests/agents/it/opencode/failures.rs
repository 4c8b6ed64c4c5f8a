//! A model's API that fails.

use std::time::Duration;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{FailureReason, Outcome, RequestDraft, Timeout};
use rdev_runner_testkit::RecordingSink;
use rdev_runner_tests::eventually;

use super::subject::{Subject, assert_completed, full};

#[tokio::test(flavor = "multi_thread")]
async fn a_failing_api_ends_the_run_with_its_reason() {
    let subject = Subject::new().await;
    assert_completed(&subject.play(1, "MOCK text Ready.").await.0, "Ready.");
    // All at once, in one server.
    let run = async |n, script: &str| {
        let (result, events) = subject.play(n, script).await;
        (result.outcome, result.detail.unwrap_or_default(), events)
    };
    let stalled = async |n, script: &str| {
        let mut draft = full(n, script);
        draft.limits.idle = Some(Duration::from_secs(4));
        let (result, _) = subject.execute(draft).await;
        result.outcome
    };
    let (bad, unauthorized, limited, broken, page, cut, stall, hang) = tokio::join!(
        run(2, "MOCK error 400"),
        run(3, "MOCK error 401"),
        run(4, "MOCK error 429"),
        run(5, "MOCK error 500"),
        run(6, "MOCK html"),
        run(7, "MOCK cut"),
        stalled(8, "MOCK stall"),
        stalled(9, "MOCK hang"),
    );
    for ((outcome, detail, events), expected) in [
        (bad, FailureReason::ApiError),
        (unauthorized, FailureReason::Authentication),
        (limited, FailureReason::RateLimited),
        (broken, FailureReason::ApiError),
        (page, FailureReason::ApiError),
    ] {
        assert_eq!(outcome, Outcome::Failed(expected), "{detail} {events:?}");
        assert!(!detail.is_empty());
    }
    // OpenCode asks again after an answer that is cut.
    assert_eq!((cut.0, cut.2.last().map(String::as_str)), (Outcome::Completed, Some("All done.")), "{cut:?}");
    assert_eq!((stall, hang), (Outcome::TimedOut(Timeout::Idle), Outcome::TimedOut(Timeout::Idle)));
    // One that recovers is no failure.
    let (result, events) = subject.play(10, "MOCK error 500 2").await;
    assert_completed(&result, "Recovered.");
    assert!(events.contains(&"retry".to_owned()), "{events:?}");
    subject.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_killed_fails_its_run_alone() {
    let subject = Subject::new().await;
    let run = subject.run(full(1, "MOCK slow 100"));
    let sink = RecordingSink::default();
    let (result, ()) = tokio::join!(subject.agent.execute(&run, &sink), async {
        subject.model.asked_for("slow").await;
        let server = subject.processes().into_iter().find(|line| line.contains(" serve ")).unwrap();
        let id = server.split(' ').next().unwrap().to_owned();
        let killed = tokio::process::Command::new("kill").args(["-s", "KILL", &id]).status().await.unwrap();
        assert!(killed.success());
    });
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::NoResult));
    let detail = result.detail.unwrap();
    assert!(detail.contains("it was ended by signal 9"), "{detail}");
    eventually("an empty scene", async || subject.processes().is_empty().then_some(())).await;
    // The session is still there, in the next server.
    let session = rdev_runner_domain::Session::Resume(result.session.unwrap());
    let (result, _) = subject.execute(RequestDraft { session, ..full(2, "MOCK text Back.") }).await;
    assert_completed(&result, "Back.");
    subject.close().await;
}
