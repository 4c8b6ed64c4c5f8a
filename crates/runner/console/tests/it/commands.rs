//! Commands: the list, the form, one command with its transcript, and the changes of it.

use http::StatusCode;
use rdev_runner_domain::{
    AgentEventKind, FailureReason, MAX_DIFF_BYTES, Outcome, Progress, Timeout, WorkspaceChanges,
};

use crate::scene::{Scene, call, delta, ended, message, result, returned};

#[tokio::test]
async fn a_command_is_queued_by_its_form_and_listed() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    browser.open("/console/commands").await.shows("No command was queued yet.");
    let form = browser.open("/console/commands/new?project=my-project").await.form("/console/commands/new");
    let fields = [
        ("project", "my-project"),
        ("prompt", "Fix the test\nplease"),
        ("permissions", "read-only"),
        ("wall", "5m"),
    ];
    let page = browser.submit(&form, &fields).await;
    page.shows("The command was queued.").shows("<h1>Fix the test</h1>").shows("Fix the test\nplease");
    page.shows("Place 1: the next free runner takes it")
        .shows("read-only: read the project")
        .shows("5m in all");
    // Sent twice, it is one command.
    browser.submit(&form, &fields).await;
    let list = browser.open("/console/commands?status=queued&project=my-project&type=claude").await;
    assert_eq!(list.text.matches("<tr id=\"cmd_").count(), 1, "{}", list.text);
    browser.open("/console/commands?status=running").await.shows("No command matches this filter.");
    browser.open("/console/commands?status=asleep").await.shows("is none of the choices");
}

#[tokio::test]
async fn a_faulty_command_keeps_what_was_typed_and_says_what_is_wrong() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let form = browser.open("/console/commands/new").await.form("/console/commands/new");
    let fields = [
        ("project", "my-project"),
        ("prompt", " "),
        ("model", "a b"),
        ("wall", "soon"),
        ("turns", "many"),
        ("session", "kept"),
        ("mode", "fork"),
    ];
    let page = browser.post(&form, &fields).await;
    assert_eq!(page.status, StatusCode::UNPROCESSABLE_ENTITY);
    page.shows("Nothing was queued.").shows("id=\"model-fault\"").shows("id=\"wall-fault\"");
    page.shows("id=\"turns-fault\"")
        .shows("value=\"a b\"")
        .shows("value=\"kept\"")
        .shows("<option value=\"fork\" selected>");
    let page = browser.post(&form, &[("project", "my-project"), ("prompt", " ")]).await;
    page.shows("must not be blank").shows("id=\"prompt-fault\"");
    let page = browser.post(&form, &[("project", "other"), ("prompt", "x")]).await;
    page.shows("is none of the projects that you see");
    browser.open("/console/commands").await.shows("No command was queued yet.");
}

#[tokio::test]
async fn a_transcript_joins_the_parts_of_messages_and_the_results_of_calls() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let id = scene.command(&mut browser, "Fix it").await;
    let leased = scene.claim().await;
    let inner = AgentEventKind::TextDelta { text: "sub".to_owned(), parent: Some("call-1".to_owned()) };
    let kinds = vec![
        AgentEventKind::SessionStarted { session: "ses-1".parse().unwrap(), model: Some("opus".to_owned()) },
        delta("I lo"),
        inner,
        delta("ok."),
        message("I look."),
        call("call-1", "Bash", r#"{"command":"cargo test"}"#),
        returned("call-1", "2 failed", true),
        returned("call-0", "of before", false),
        AgentEventKind::PermissionDenied {
            tool: "Write".into(),
            id: None,
            message: "not allowed here".into(),
        },
        AgentEventKind::Retry { attempt: 1, delay: None, status: Some(529), message: "overloaded".into() },
        AgentEventKind::Warning { message: "a line was too long".into() },
        AgentEventKind::Raw { text: "{odd".into() },
        delta("Now I "),
        delta("mend"),
    ];
    scene.report(&leased, 0, kinds, Progress::Running).await;
    let path = format!("/console/commands/{id}");
    let page = browser.open(&path).await;
    assert_eq!(page.text.matches("I look.").count(), 1, "{}", page.text);
    page.hides("I lo<").shows(">Now I mend</div>").shows("data-part=\"delta\" data-of=\"call-1\"");
    page.shows("<code>cargo test</code>").shows("2 failed").shows("failed</span>").hides("No result yet.");
    page.shows("Result of an earlier call").shows("of before");
    page.shows("Not allowed: Write").shows("not allowed here").shows("Attempt 1 at the model failed (529)");
    page.shows("overloaded").shows("a line was too long").shows("{odd").shows("with opus");
    page.shows(&format!("data-stream=\"{path}/live?after=14\""))
        .shows("data-every=\"3\"")
        .shows(">Reload</a>");
    // The script asks for what the stream does not bring.
    browser.headers.push(("x-rdev-part", "1".into()));
    browser.open(&path).await.shows("id=\"command\"").hides("data-transcript");
    browser.headers.pop();

    scene.report(&leased, 14, Vec::new(), ended(Outcome::Completed)).await;
    let page = browser.open(&path).await;
    page.shows("Completed")
        .shows("All tests pass.")
        .shows("$0.25")
        .shows("1,300")
        .shows("5.43 s")
        .shows("ses-1");
    page.hides("data-stream").hides("data-every").shows("Resume the session").hides(">Cancel<");
    // The events that report it are pages of the webhooks.
    page.shows(&format!("/console/events?command={id}"));
    let text = browser.open(&format!("{path}/events/7")).await;
    assert_eq!(text.text, "2 failed");
    assert_eq!(text.headers["content-disposition"], format!("attachment; filename=\"{id}-7.txt\""));
    for odd in ["0", "99", "x"] {
        let absent = browser.get(&format!("{path}/events/{odd}")).await;
        assert!(absent.status.is_client_error(), "{odd}: {}", absent.status);
    }
}

#[tokio::test]
async fn a_long_transcript_has_pages() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let id = scene.command(&mut browser, "Talk").await;
    let leased = scene.claim().await;
    let kinds = (1..=1_200).map(|number| message(&format!("m{number}."))).collect();
    scene.report(&leased, 0, kinds, Progress::Running).await;
    let path = format!("/console/commands/{id}");
    let newest = browser.open(&path).await;
    newest.shows(">m1200.<").shows(">m701.<").hides(">m700.<").shows("after=200#transcript");
    newest.shows("live?after=1200").hides(">Later<");
    let middle = browser.open(&format!("{path}?after=200")).await;
    middle
        .shows(">m201.<")
        .shows(">m700.<")
        .hides(">m701.<")
        .hides("data-stream")
        .shows("after=700#transcript");
    // A page of a slow connection.
    browser.headers.push(("accept-encoding", "gzip".into()));
    assert!(browser.open(&path).await.bytes < 40_000);
    browser.headers.pop();
    browser.open(&format!("{path}?after=0")).await.shows(">m1.<").hides(">Earlier<");
    browser.open(&format!("{path}?after=9999")).await.shows("The agent has not reported anything yet.");
}

#[tokio::test]
async fn a_command_is_cancelled_repeated_resumed_and_deleted() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let id = scene.command(&mut browser, "Fix it").await;
    let path = format!("/console/commands/{id}");
    let page = browser.open(&path).await;
    page.hides("/delete\"");
    let refused = browser.post(&format!("{path}/delete"), &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    refused.shows("has not ended");
    let page = browser.submit(&page.form(&format!("{path}/cancel")), &[]).await;
    page.shows("The command was cancelled.").shows("Cancelled");
    let refused = browser.post(&format!("{path}/cancel"), &[]).await;
    assert_eq!(refused.status, StatusCode::CONFLICT);
    let again = browser.submit(&page.form(&format!("{path}/run-again")), &[]).await;
    again.shows("The same request was queued").shows("<h1>Fix it</h1>");

    let leased = scene.claim().await;
    let id = leased.lease.command;
    let path = format!("/console/commands/{id}");
    let page = {
        let form = browser.open(&path).await.form(&format!("{path}/cancel"));
        browser.submit(&form, &[]).await
    };
    page.shows("is being stopped").shows("Cancelling");
    scene.report(&leased, 0, Vec::new(), ended(Outcome::Cancelled)).await;
    let page = browser.open(&path).await;
    let fields = [
        ("project", "my-project"),
        ("type", "claude"),
        ("mode", "resume"),
        ("session", "ses-1"),
        ("prompt", "Go on"),
    ];
    page.shows("name=\"session\" value=\"ses-1\"");
    let resumed = browser.submit(&page.form("/console/commands/new"), &fields).await;
    resumed.shows("<h1>Go on</h1>").shows("resumes ses-1");
    let confirm = browser.open(&format!("{path}/delete")).await;
    confirm.shows("Delete this command?");
    browser.submit(&confirm.form(&format!("{path}/delete")), &[]).await.shows("was deleted");
    assert_eq!(browser.get(&path).await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_failure_says_what_to_do() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    for (outcome, word, sentence) in [
        (Outcome::Failed(FailureReason::Authentication), "Failed", "refused the credentials"),
        (Outcome::TimedOut(Timeout::Idle), "Timed out", "said nothing for too long"),
    ] {
        let id = scene.command(&mut browser, "Fix it").await;
        let leased = scene.claim().await;
        let mut failed = result(outcome);
        failed.detail = Some("401 <b>Unauthorized</b>".to_owned());
        scene.report(&leased, 0, Vec::new(), Progress::Ended(Box::new(failed))).await;
        let page = browser.open(&format!("/console/commands/{id}")).await;
        page.shows(word).shows(sentence).shows("401 &lt;b&gt;Unauthorized");
    }
    let list = browser.open("/console/commands").await;
    list.shows("<small>authentication_failed</small>").shows("<small>idle</small>");
}

#[tokio::test]
async fn changes_are_shown_as_a_diff() {
    let scene = Scene::new().await;
    let mut browser = scene.administrator().await;
    let id = scene.command(&mut browser, "Fix it").await;
    let leased = scene.claim().await;
    let mut completed = result(Outcome::Completed);
    let diff = format!(
        "diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-old <b>\n+new \u{202e}\n {}",
        "y".repeat(MAX_DIFF_BYTES / 2)
    );
    completed.changes = Some(WorkspaceChanges {
        commit: "0123456789abcdef0123456789abcdef01234567".parse().unwrap(),
        files: 1,
        insertions: 1_000,
        deletions: 1,
        diff: Some(diff.clone()),
        is_truncated: true,
        branch: Some("rdev/cmd_1".to_owned()),
    });
    scene.report(&leased, 0, Vec::new(), Progress::Ended(Box::new(completed))).await;
    let path = format!("/console/commands/{id}");
    let page = browser.open(&path).await;
    page.shows("1 file,")
        .shows("+1,000")
        .shows("0123456789ab")
        .shows("rdev/cmd_1")
        .shows("the first 256 KiB");
    page.shows("<span class=\"cut\">-old &lt;b&gt;").shows("<span class=\"add\">+new \\u{202e}");
    page.shows("Cut here. Download it");
    assert!(page.text.len() < 100_000, "{}", page.text.len());
    assert_eq!(browser.open(&format!("{path}/diff")).await.text, diff);
    assert_eq!(browser.open(&format!("{path}/prompt")).await.text, "Fix it");
    assert_eq!(browser.open(&format!("{path}/result")).await.text, "All tests pass.");
}
