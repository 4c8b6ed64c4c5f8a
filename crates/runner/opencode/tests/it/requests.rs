//! What is sent, and what is made of the answers.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rdev_runner_domain::{FailureReason, Outcome, PermissionProfile, RequestDraft, Session};
use rdev_runner_testkit::{command_id, draft};
use serde_json::json;

use crate::http::{Answer, Answering};
use crate::stand_in::StandIn;
use crate::{prompt, run};

fn session(text: &str) -> rdev_runner_domain::SessionRef {
    text.parse().unwrap()
}

#[tokio::test]
async fn every_request_has_the_password_and_the_folder() {
    let server = StandIn::start().await;
    prompt(&server, "say Hello.").await;
    let state = server.state();
    let password = server.backend().variable(0, "OPENCODE_SERVER_PASSWORD");
    let expected = format!("Basic {}", STANDARD.encode(format!("opencode:{password}")));
    assert_eq!(password.len(), 64);
    assert!(state.authorizations.iter().all(|sent| *sent == expected));
    assert!(state.directories.iter().all(|sent| sent == "%2Fhome%2Fagent%2Fmy%20project"));
}

#[tokio::test]
async fn a_new_session_has_a_title_and_rules() {
    let server = StandIn::start().await;
    let model = Some("mock/mock-model".parse().unwrap());
    let (result, _) = run(&server, RequestDraft { model, ..draft(1, "say Hello.") }).await;
    let created = &server.bodies("POST /session", "/session")[0];
    assert_eq!(created["title"], command_id(1).to_string());
    assert_eq!(created["permission"][0], json!({ "permission": "*", "pattern": "*", "action": "allow" }));
    let prompted = &server.bodies("POST", "/prompt_async")[0];
    assert_eq!(prompted["model"], json!({ "providerID": "mock", "modelID": "mock-model" }));
    assert!(result.session.unwrap().as_str().starts_with("ses_"));
}

#[tokio::test]
async fn a_resumed_session_gets_the_rules_of_the_run() {
    let server = StandIn::start().await;
    server.add_session("ses_old", &["Earlier."]);
    let request = RequestDraft {
        session: Session::Resume(session("ses_old")),
        permissions: PermissionProfile::ReadOnly,
        ..draft(1, "say Again.")
    };
    let (result, _) = run(&server, request).await;
    assert_eq!((result.text.as_str(), result.session.unwrap().as_str()), ("Again.", "ses_old"));
    assert_eq!(server.bodies("PATCH /session/ses_old", "")[0]["permission"].as_array().unwrap().len(), 5);
    // The earlier message is not paid twice.
    assert_eq!(result.cost.unwrap().as_f64(), 0.25);
}

#[tokio::test]
async fn a_fork_is_another_session() {
    let server = StandIn::start().await;
    server.add_session("ses_old", &["Earlier."]);
    let fork = RequestDraft { session: Session::Fork(session("ses_old")), ..draft(1, "say Again.") };
    let (result, _) = run(&server, fork).await;
    assert_eq!(result.outcome, Outcome::Completed);
    assert_ne!(result.session.unwrap().as_str(), "ses_old");
}

#[tokio::test]
async fn a_missing_session_is_named_so() {
    let server = StandIn::start().await;
    for missing in ["ses_missing", "not-an-id"] {
        for wanted in [Session::Resume(session(missing)), Session::Fork(session(missing))] {
            let (result, _) = run(&server, RequestDraft { session: wanted, ..draft(1, "say Hello.") }).await;
            assert_eq!(result.outcome, Outcome::Failed(FailureReason::SessionNotFound));
            assert_eq!(result.detail.unwrap(), format!("The session `{missing}` does not exist."));
            assert_eq!(result.session, None);
        }
    }
    assert!(server.bodies("POST", "/prompt_async").is_empty());
}

#[tokio::test]
async fn an_error_names_the_request_and_no_secret() {
    let server = StandIn::start().await;
    server.answer("POST /session", || Answer::Other {
        status: 500,
        content_type: "application/json",
        body: "{\"key\":\"sk-secret\",\n\"other\":1}".to_owned(),
    });
    let (result, _) = prompt(&server, "say Hello.").await;
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::StartFailed));
    assert_eq!(
        result.detail.unwrap(),
        "The OpenCode server refused to start: POST /session: 500 Internal Server Error: \
         {\"key\":\"[redacted]\", \"other\":1}"
    );
}

#[tokio::test]
async fn a_model_without_a_provider_is_refused() {
    let model = Some("mock-model".parse().unwrap());
    let (result, _) = run(&StandIn::start().await, RequestDraft { model, ..draft(1, "say Hello.") }).await;
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::StartFailed));
}

#[tokio::test]
async fn only_a_server_with_a_version_is_used() {
    let page =
        || Answer::Other { status: 200, content_type: "text/html", body: "<!doctype html>".to_owned() };
    let bare = || Answer::Json(json!({ "healthy": true }));
    let unauthorized = || Answer::Other { status: 401, content_type: "text/plain", body: String::new() };
    let answers: [(Answering, &str); 4] = [
        (page, "GET /global/health: an unexpected answer: <!doctype html>"),
        (bare, "its health has no version"),
        (unauthorized, "401"),
        (|| Answer::Silence, "no answer within 10s"),
    ];
    for (answer, complaint) in answers {
        let server = StandIn::start().await;
        server.answer("GET /global/health", answer);
        let (result, _) = prompt(&server, "say Hello.").await;
        assert_eq!(result.outcome, Outcome::Failed(FailureReason::StartFailed));
        let detail = result.detail.unwrap();
        assert!(
            detail.starts_with("The OpenCode server could not be started: ") && detail.contains(complaint),
            "{detail}"
        );
        // It is stopped and forgotten.
        assert_eq!((server.backend().running(), server.backend().state().removed.len()), (Vec::new(), 1));
    }
}
