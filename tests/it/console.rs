//! The console in headless Chromium, by the scenarios of `tests/browser/console.mjs`.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rdev_webhooks_tests::{Process, node, node_folder};
use tokio::time::timeout;

const SCRIPT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/browser/console.mjs");

/// The longest duration of a scenario, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(600);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_user_mends_a_failure_by_the_console_alone() {
    run("flows").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_is_used_by_the_keyboard_alone() {
    run("keyboard").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_makes_changes_without_javascript() {
    run("noscript").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_eight_open_tabs_the_visible_one_is_live() {
    run("tabs").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_of_the_console_has_a_fault_of_accessibility() {
    run("accessibility").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_run_and_read_by_the_console_alone() {
    run_on("rdev", "runner").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn commands_are_run_and_cancelled_without_javascript() {
    run_on("rdev", "runnerNoscript").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_page_of_the_runner_has_a_fault_of_accessibility() {
    run_on("rdev", "runnerAccessibility").await;
}

/// Runs a scenario against a new server of the webhooks.
async fn run(scenario: &str) {
    run_on("rdev-webhooks", scenario).await;
}

/// Runs a scenario against a new server by this program.
async fn run_on(server: &str, scenario: &str) {
    for program in ["/usr/bin/chromium", "/usr/bin/chromedriver"] {
        assert!(Path::new(program).exists(), "{program} is missing: run scripts/setup");
    }
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let args = ["serve", "--bind", "127.0.0.1:0", "--data-dir", data.to_str().unwrap()];
    let server = Process::start(server, &args, &[], "Press Ctrl-C to stop").await;
    assert!(server.printed.contains("/console\n"), "{}", server.printed);
    let base = server.printed.split_whitespace().find(|word| word.ends_with("/console")).unwrap();
    let base = base.trim_end_matches("/console");
    std::os::unix::fs::symlink(node_folder().join("node_modules"), folder.path().join("node_modules"))
        .unwrap();
    let script = folder.path().join("console.mjs");
    std::fs::copy(SCRIPT, &script).unwrap();
    let key = std::fs::read_to_string(data.join("api-key")).unwrap();
    let mut program = node();
    program.arg(&script).arg(scenario).env("RDEV_URL", base).env("RDEV_API_KEY", key.trim());
    program.stdin(Stdio::null()).kill_on_drop(true);
    let output = timeout(PATIENCE, program.output()).await.expect("the scenario ends in time").unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{scenario}: {said}{}", String::from_utf8_lossy(&output.stdout));
    server.stop().await;
}
