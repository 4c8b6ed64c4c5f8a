//! What runs leave behind.

use super::subject::{Subject, assert_completed, bash};

#[tokio::test(flavor = "multi_thread")]
async fn no_tool_outlives_a_run_that_completes() {
    let subject = Subject::new().await;
    let daemons = "(setsid tail -f /dev/null >/dev/null 2>&1 </dev/null &); \
                   (trap '' TERM; nohup setsid sh -c 'trap \"\" TERM HUP; tail -f /dev/null; :' >/dev/null 2>&1 &); echo hi";
    let script = format!("{}MOCK text Done.", bash(daemons));
    let (result, events) = subject.play(1, &script).await;
    assert_completed(&result, "Done.");
    assert_eq!(events[2], "result hi");
    assert_eq!(subject.tools(), [""; 0]);
    // The server goes on.
    let server = |line: &String| line.contains(" serve ");
    let before: Vec<_> = subject.processes().into_iter().filter(server).collect();
    assert_eq!(before.len(), 1);
    assert_completed(&subject.play(2, "MOCK text Again.").await.0, "Again.");
    let after: Vec<_> = subject.processes().into_iter().filter(server).collect();
    assert_eq!(before, after);
    subject.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_repository_starts_nothing() {
    let subject = Subject::new().await;
    let workspace = subject.scene.folder("workspace");
    let config =
        serde_json::json!({ "mcp": { "bad": { "type": "local", "command": ["touch", "touched"] } } });
    std::fs::write(workspace.join("opencode.json"), config.to_string()).unwrap();
    assert_completed(&subject.play(1, "MOCK text Hello.").await.0, "Hello.");
    assert!(!workspace.join("touched").exists());
    subject.close().await;
}
