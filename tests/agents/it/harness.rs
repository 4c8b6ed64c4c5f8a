//! The support of the tests itself.

use std::process::Stdio;

use rdev_runner_tests::{PATIENCE, Scene, ScriptedModel, claude, eventually, opencode};
use tokio::process::Command;

/// The versions that `package.json` pins.
#[tokio::test]
async fn the_pinned_agents_are_installed() {
    let package = include_str!("../package.json");
    for program in [claude(), opencode()] {
        let scene = Scene::new();
        let mut command = Command::new(&program);
        command.arg("--version").env_clear().env("HOME", scene.path()).stdin(Stdio::null());
        let output = tokio::time::timeout(PATIENCE, command.output()).await.unwrap().unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let version = printed.split_whitespace().next().unwrap_or_default();
        assert!(package.contains(&format!("\"{version}\"")), "{}: {printed}", program.display());
    }
}

#[tokio::test]
async fn a_process_belongs_to_the_folder_in_its_environment() {
    let scene = Scene::new();
    assert_eq!(scene.processes(), [""; 0]);
    let mut command = Command::new("/usr/bin/tail");
    command.args(["-f", "/dev/null"]).env_clear().env("HOME", scene.folder("home")).kill_on_drop(true);
    let mut child = command.spawn().unwrap();
    eventually("a process", async || (scene.processes().len() == 1).then_some(())).await;
    child.kill().await.unwrap();
    assert_eq!(scene.processes(), [""; 0]);
}

#[tokio::test]
async fn the_model_logs_what_it_is_asked_for() {
    let model = ScriptedModel::start().await;
    let body = r#"{"messages":[{"role":"user","content":"MOCK text Hello."}]}"#;
    let url = format!("{}/v1/messages", model.messages_url());
    let mut curl = Command::new("curl");
    curl.args(["--silent", "--fail", "--noproxy", "*", "--max-time", "30", "--data", body, &url]);
    let output = curl.output().await.unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("Hello."), "{output:?}");
    model.asked_for("text Hello.").await;
    assert_eq!(model.steps(), ["text Hello."]);
}
