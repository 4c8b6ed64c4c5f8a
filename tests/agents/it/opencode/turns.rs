//! Turns that end by themselves.

use std::fs;

use rdev_runner_domain::ports::CodeAgent;
use rdev_runner_domain::{FailureReason, Outcome, PermissionProfile, RequestDraft, Session, Usd};

use super::subject::{Subject, assert_completed, bash, full};

#[tokio::test(flavor = "multi_thread")]
async fn a_conversation_with_tools_is_resumed_and_forked() {
    let subject = Subject::new().await;
    assert_eq!(subject.agent.probe().await.unwrap().0, "1.18.33");

    let (plain, events) = subject.play(1, "MOCK text Hello there.").await;
    assert_completed(&plain, "Hello there.");
    assert_eq!(events, ["session", "Hello there."]);
    assert_eq!((plain.usage.input_tokens, plain.usage.output_tokens), (100, 20));
    assert_eq!(plain.cost, Some(Usd::try_from(0.000_14).unwrap()));
    // No call but the one for the answer: the session has a title.
    assert_eq!(subject.model.steps(), ["text Hello there."]);

    let write = format!(
        "MOCK tool write {}\n",
        serde_json::json!({ "filePath": subject.scene.folder("workspace").join("a.txt"), "content": "A" })
    );
    let script = format!("{}{write}MOCK text It said hi.", bash("echo hi"));
    let (tools, events) = subject.play(2, &script).await;
    assert_completed(&tools, "It said hi.");
    assert_eq!(events[..3], ["session", "calls bash", "result hi"]);
    assert_eq!((events[3].as_str(), events.len()), ("calls write", 6), "{events:?}");
    assert_eq!(fs::read_to_string(subject.scene.folder("workspace").join("a.txt")).unwrap(), "A");
    assert_eq!(tools.usage.input_tokens, 300);

    let session = plain.session.clone().unwrap();
    for (n, session, is_same) in
        [(3, Session::Resume(session.clone()), true), (4, Session::Fork(session.clone()), false)]
    {
        let again = RequestDraft { session, ..full(n, "MOCK text Again.") };
        let (result, events) = subject.execute(again).await;
        assert_completed(&result, "Again.");
        assert_eq!(events, ["session", "Again."]);
        assert_eq!(result.session == plain.session, is_same);
        assert_eq!(result.usage.input_tokens, 100);
    }

    let missing = Session::Resume("ses_dd000000000000000000000000".parse().unwrap());
    let (result, _) = subject.execute(RequestDraft { session: missing, ..full(5, "MOCK text No.") }).await;
    assert_eq!(result.outcome, Outcome::Failed(FailureReason::SessionNotFound));
    subject.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_profile_excludes_is_denied_at_once() {
    let subject = Subject::new().await;
    let script = format!("{}MOCK text Without it.", bash("echo hi > made.txt"));
    for (n, permissions) in [(1, PermissionProfile::ReadOnly), (2, PermissionProfile::Edit)] {
        let (result, events) = subject.execute(RequestDraft { permissions, ..full(n, &script) }).await;
        assert_completed(&result, "Without it.");
        // The model is not even offered the tool.
        assert!(events.iter().any(|event| event.contains("unavailable tool 'bash'")), "{events:?}");
    }
    assert!(!subject.scene.folder("workspace").join("made.txt").exists());

    // A rule of its own, and a question that no one can answer.
    let allowed = RequestDraft {
        permissions: PermissionProfile::Edit,
        allowed_tools: vec!["Bash(echo *)".parse().unwrap()],
        ..full(3, &format!("{}MOCK text Done.", bash("echo hi")))
    };
    let (result, events) = subject.execute(allowed).await;
    assert_completed(&result, "Done.");
    assert_eq!(events[2], "result hi");
    let options =
        serde_json::json!([{ "label": "A", "description": "a" }, { "label": "B", "description": "b" }]);
    let question =
        serde_json::json!({ "questions": [{ "question": "Which?", "header": "Pick", "options": options }] });
    let (result, _) = subject.play(4, &format!("MOCK tool question {question}\nMOCK text Went on.")).await;
    assert!(result.duration < rdev_runner_tests::PATIENCE, "{result:?}");
    subject.close().await;
}
