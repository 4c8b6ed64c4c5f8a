//! Clients generated from the OpenAPI description, against the running program, including its errors.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::{AllInOne, node, node_folder, node_program, python};
use tokio::process::Command;

const DESCRIPTION: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/openapi.json");
/// The programs that use the generated clients.
const PROGRAMS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_python_client_reads_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    let python = python();
    // The generator formats its output with a program in Python's folder.
    let path = format!("{}:{}", python.parent().unwrap().display(), std::env::var("PATH").unwrap());
    let mut generate = Command::new(&python);
    generate
        .args(["-m", "openapi_python_client", "generate", "--meta", "none", "--fail-on-warning"])
        .args(["--path", DESCRIPTION, "--output-path", "generated"])
        .env("PATH", path);
    run(generate, folder.path()).await;
    let mut program = Command::new(&python);
    program.arg(format!("{PROGRAMS}/client.py")).env("PYTHONPATH", folder.path());
    use_client(program, folder.path()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_generated_typescript_client_compiles_and_reads_every_answer() {
    let folder = tempfile::tempdir().unwrap();
    std::os::unix::fs::symlink(node_folder().join("node_modules"), folder.path().join("node_modules"))
        .unwrap();
    std::fs::write(folder.path().join("package.json"), r#"{"type":"commonjs"}"#).unwrap();
    for file in ["client.ts", "tsconfig.json"] {
        std::fs::copy(Path::new(PROGRAMS).join(file), folder.path().join(file)).unwrap();
    }
    let mut generate = node_program("openapi-ts");
    generate.args(["-i", DESCRIPTION, "-o", "generated", "-c", "@hey-api/client-fetch", "--no-log-file"]);
    run(generate, folder.path()).await;
    run(node_program("tsc"), folder.path()).await;
    let mut program = node();
    program.arg("compiled/client.js");
    use_client(program, folder.path()).await;
}

/// Runs a program that uses a generated client, against a new server and a new receiver.
async fn use_client(mut program: Command, folder: &Path) {
    let data = tempfile::tempdir().unwrap();
    let server = AllInOne::start(data.path()).await;
    let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
    program.args([server.client.base(), server.client.key(), receiver.url("/").as_str()]);
    run(program, folder).await;
}

/// Runs a command in a folder; panics unless it succeeds.
async fn run(mut command: Command, folder: &Path) {
    let output = command.current_dir(folder).stdin(Stdio::null()).kill_on_drop(true).output();
    let output = tokio::time::timeout(Duration::from_secs(120), output)
        .await
        .expect("the command ends in time")
        .unwrap();
    let (told, failed) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{command:?}\n{told}\n{failed}");
}
