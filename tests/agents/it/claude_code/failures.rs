//! Failures of the model's API.

use rdev_runner_domain::{AgentEventKind, FailureReason, LimitSettings, Outcome};

use super::subject::Subject;

async fn outcome(script: &str) -> (Outcome, Vec<AgentEventKind>, usize) {
    let subject = Subject::new().await;
    let (result, events) = subject.play(script, LimitSettings::NONE).await;
    assert!(result.detail.is_some() || result.outcome == Outcome::Completed, "{result:?}");
    (result.outcome, events, subject.model.steps().len())
}

fn retries(events: &[AgentEventKind]) -> usize {
    events.iter().filter(|event| matches!(event, AgentEventKind::Retry { .. })).count()
}

#[tokio::test]
async fn a_bad_request_fails() {
    assert_eq!(outcome("MOCK error 400").await.0, Outcome::Failed(FailureReason::ApiError));
}

#[tokio::test]
async fn refused_credentials_fail_at_once() {
    for status in [401, 403] {
        let (outcome, _, requests) = outcome(&format!("MOCK error {status}")).await;
        assert_eq!(outcome, Outcome::Failed(FailureReason::Authentication), "{status}");
        // The agent itself would try again and again.
        assert!(requests <= 2, "{status}: {requests} requests");
    }
}

#[tokio::test]
async fn a_rate_limit_that_passes_is_a_retry() {
    let (outcome, events, _) = outcome("MOCK error 429 1").await;
    assert_eq!(outcome, Outcome::Completed);
    assert_eq!(retries(&events), 1, "{events:?}");
}

#[tokio::test]
async fn a_rate_limit_that_stays_fails() {
    assert_eq!(outcome("MOCK error 429").await.0, Outcome::Failed(FailureReason::RateLimited));
}

#[tokio::test]
async fn a_server_error_fails_after_bounded_retries() {
    let (outcome, events, requests) = outcome("MOCK error 500").await;
    assert_eq!(outcome, Outcome::Failed(FailureReason::ApiError));
    assert!(retries(&events) >= 1 && requests <= 8, "{requests} requests, {events:?}");
}

#[tokio::test]
async fn a_page_instead_of_an_answer_fails() {
    assert_eq!(outcome("MOCK html").await.0, Outcome::Failed(FailureReason::ApiError));
}

#[tokio::test]
async fn an_error_within_an_answer_fails() {
    let (outcome, _, requests) = outcome("MOCK sse_error").await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    assert!(requests <= 8, "{requests} requests");
}

#[tokio::test]
async fn an_answer_that_is_cut_fails() {
    let (outcome, _, requests) = outcome("MOCK cut").await;
    assert!(matches!(outcome, Outcome::Failed(_)), "{outcome:?}");
    assert!(requests <= 8, "{requests} requests");
}
