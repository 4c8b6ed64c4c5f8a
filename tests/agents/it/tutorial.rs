//! The step of docs/TUTORIAL-RUNNER.md with Claude Code, as it is written, but for the installation and the model.

use std::path::Path;
use std::process::Stdio;

use rdev_runner_tests::{PATIENCE, Scene, ScriptedModel, claude};
use rdev_webhooks_tests::{CommandLine, binary};
use serde_json::json;

const TUTORIAL: &str = include_str!("../../../docs/TUTORIAL-RUNNER.md");

const KEY: &str = "sk-ant-0123456789-of-a-test";

/// Returns the commands of the step under a heading.
fn step(heading: &str) -> &'static str {
    let section = TUTORIAL.split_once(&format!("## {heading}\n")).expect("the heading is there").1;
    let block = section.split_once("sh\n").expect("the step has commands").1;
    block.split_once("```").expect("the step ends").0
}

#[tokio::test]
async fn the_tutorial_runs_claude_code() {
    let scene = Scene::new();
    let model = ScriptedModel::start().await;
    let step_of_claude = step("Run Claude Code");
    let (install, rest) = step_of_claude.split_once('\n').expect("it has lines");
    assert!(install.starts_with("npm install"), "{install}");
    // What the model does is in the prompt.
    let prompt = "Add a note to NOTES.md: amounts are in cents.";
    assert!(rest.contains(&format!("\"{prompt}\"")), "{rest}");
    let notes = scene.path().join(".rdev/workspaces/billing/NOTES.md");
    let input = json!({ "file_path": notes, "content": "Amounts are in cents.\n" });
    let prompt = format!("{prompt}\nMOCK tool Write {input}\nMOCK text I have added the note.");
    let rest = rest.replace("\"Add a note to NOTES.md: amounts are in cents.\"", "\"$PROMPT\"");
    let script = format!(
        "trap 'kill $(jobs -p) 2>/dev/null' EXIT\nset -e\n{}\n{}\n\
         rdev projects update billing --env ANTHROPIC_BASE_URL={}\n{rest}\nrdev credentials uses ANTHROPIC_API_KEY\n",
        step("Start the server"),
        step("Make a project from a template"),
        model.messages_url(),
    );
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    drop(listener);
    let user = CommandLine::new(scene.path(), &scene.path().join(".rdev"));
    let mut command = user.command(Path::new("/bin/bash"));
    let folder = |program: &Path| program.parent().expect("it is in a folder").display().to_string();
    let programs = format!("{}:{}:/usr/bin:/bin", folder(&binary("rdev")), folder(&claude()));
    command.args(["-c", &script]).env("PATH", programs).env("RDEV_BIND", address);
    command.env("ANTHROPIC_API_KEY", KEY).env("PROMPT", prompt).env_remove("RDEV_DATA_DIR");
    command.stdin(Stdio::null());
    let output =
        tokio::time::timeout(2 * PATIENCE, command.output()).await.expect("it ends in time").unwrap();
    let (printed, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}\n{printed}");
    assert!(printed.contains("I have added the note."), "{printed}");
    assert!(printed.contains("billing\t1\t"), "the use of the key is recorded: {printed}");
    assert_eq!(std::fs::read_to_string(&notes).unwrap(), "Amounts are in cents.\n");
    model.asked_for("tool Write").await;
    assert!(!printed.contains(KEY) && !said.contains(KEY));
}
