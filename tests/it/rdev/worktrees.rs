//! Runs at the same time, each in a worktree of its own, across kills of the server.

use std::path::Path;
use std::process::Command;

use rdev_webhooks_testkit::receiver::Receiver;
use serde_json::{Value, json};

use super::{ALL, SOON, reports, serve, subscribe};

/// An agent that goes on without its runner, and adds its prompt to the file `starts` of its folder.
const AGENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/it/rdev/surviving_agent.sh");
const OPTIONS: [&str; 4] = ["--claude-path", AGENT, "--max-running", "16"];
const COMMANDS: usize = 6;
const KILLS: usize = 4;

fn git(folder: &Path, args: &[&str]) -> String {
    let mut command = Command::new("git");
    command.current_dir(folder).args(["-c", "user.name=n", "-c", "user.email=n@example.com"]);
    let output = command.args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).into_iter().flatten().count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_at_the_same_time_have_diffs_of_their_own_across_kills_of_the_server() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, mut client) = serve(folder.path(), &OPTIONS).await;
    let receiver = Receiver::accepting().await;
    subscribe(&client, &receiver).await;
    let project = json!({"name": "my-project", "max_running": 10}).to_string();
    let project = client.post("/projects", &project).await.expect(201);
    let workspace = Path::new(project["workspace"]["path"].as_str().unwrap()).to_owned();
    git(&workspace, &["init", "--quiet"]);
    std::fs::write(workspace.join("first"), "one\n").unwrap();
    git(&workspace, &["add", "--all"]);
    git(&workspace, &["commit", "--quiet", "--message", "first"]);
    let ask = async |client: &rdev_webhooks_tests::Client, body: Value| -> String {
        let accepted = client.post("/projects/my-project/commands", &body.to_string()).await.expect(202);
        accepted["id"].as_str().unwrap().to_owned()
    };
    let mut ids = Vec::new();
    for number in 0..COMMANDS {
        ids.push(ask(&client, json!({"prompt": format!("prompt-{number}")})).await);
    }
    let worktrees = folder.path().join("agents/worktrees");
    for _ in 0..KILLS {
        // Early enough that the runs have not ended.
        client
            .until_within(ALL, "/commands?limit=100", |_| entries(&worktrees) > 0 || all_ended(&worktrees))
            .await;
        server.kill().await;
        (server, client) = serve(folder.path(), &OPTIONS).await;
    }
    for (number, id) in ids.iter().enumerate() {
        let path = format!("/commands/{id}");
        let command = client.until_within(ALL, &path, |command| !command["ended_at"].is_null()).await;
        let changes = &command["result"]["changes"];
        let expected = (json!("completed"), json!([1, 1, 0]), json!(format!("rdev/{id}")));
        let counts = json!([changes["files"], changes["insertions"], changes["deletions"]]);
        assert_eq!((command["status"].clone(), counts, changes["branch"].clone()), expected, "{command}");
        let line = format!("+prompt-{number}\n");
        assert!(changes["diff"].as_str().unwrap().contains(&line), "{changes}");
    }
    client.until_within(ALL, "/providers", |_| entries(&worktrees) == 0).await;
    for id in &ids {
        let reports = reports(&receiver.requests());
        assert!(reports.get(id).is_none_or(|reports| reports.len() <= 2), "{reports:?}");
    }
    // A run that continues the session finds the file, and adds to it.
    let of_first = client.get(&format!("/commands/{}", ids[0])).await;
    let session = of_first["result"]["session"].as_str().unwrap();
    let next = ask(&client, json!({"prompt": "next", "session": {"resume": session}})).await;
    let path = format!("/commands/{next}");
    let next = client.until_within(SOON, &path, |command| !command["ended_at"].is_null()).await;
    let branch = next["result"]["changes"]["branch"].as_str().unwrap();
    assert_eq!(branch, format!("rdev/{}", ids[0]));
    assert_eq!(git(&workspace, &["show", &format!("{branch}:starts")]), "prompt-0\nnext");
    // The workspace itself is as it was.
    client.until_within(ALL, "/providers", |_| entries(&worktrees) == 0).await;
    assert_eq!(git(&workspace, &["status", "--porcelain"]), "");
    assert_eq!(git(&workspace, &["worktree", "list"]).lines().count(), 1);
    assert!(server.stop().await.success());
}

/// Returns whether the runner has made and removed all worktrees.
fn all_ended(worktrees: &Path) -> bool {
    worktrees.exists() && entries(worktrees) == 0
}
