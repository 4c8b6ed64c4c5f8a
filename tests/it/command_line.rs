//! The command line: its output, its errors and its exit codes.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use rdev_webhooks_tests::{AllInOne, binary};
use tokio::process::Command;

const SHORT_KEY: &str = "S3cret";

async fn run(args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary("rdev-webhooks"));
    command.args(args).envs(variables.iter().copied()).current_dir(std::env::temp_dir()).kill_on_drop(true);
    tokio::time::timeout(Duration::from_secs(25), command.output()).await.expect("it ends").unwrap()
}

#[tokio::test]
async fn every_help_page_is_as_recorded() {
    let lines = [
        "rdev-webhooks --help",
        "rdev-webhooks serve --help",
        "rdev-webhooks migrate --help",
        "rdev-webhooks rekey --help",
        "rdev-webhooks healthcheck --help",
        "rdev-webhooks openapi --help",
        "rdev-webhooks demo --help",
        "rdev-webhooks listen --help",
        "rdev-webhooks events publish --help",
        "rdev-webhooks webhooks create --help",
        "rdev-webhooks deliveries list --help",
        "rdev-webhooks replay --help",
        "rdev-webhooks keys create --help",
        "rdev-webhooks verify --help",
        "rdev-webhooks config set --help",
        "rdev-webhooks-api --help",
        "rdev-webhooks-api healthcheck --help",
        "rdev-webhooks-worker --help",
        "rdev-webhooks-worker healthcheck --help",
    ];
    insta::assert_snapshot!("help", help_pages(&lines).await);
}

#[tokio::test]
async fn every_help_page_of_the_runner_is_as_recorded() {
    let lines = [
        "rdev --help",
        "rdev serve --help",
        "rdev api --help",
        "rdev runner --help",
        "rdev migrate --help",
        "rdev run --help",
        "rdev commands --help",
        "rdev commands list --help",
        "rdev commands show --help",
        "rdev commands cancel --help",
        "rdev commands tail --help",
        "rdev commands run-again --help",
        "rdev commands delete --help",
        "rdev projects --help",
        "rdev projects create --help",
        "rdev projects update --help",
        "rdev providers --help",
        "rdev templates --help",
    ];
    insta::assert_snapshot!("help_of_rdev", help_pages(&lines).await);
}

/// Returns what the command lines print.
async fn help_pages(lines: &[&str]) -> String {
    let mut pages = String::new();
    for line in lines {
        let (name, args) = line.split_once(' ').unwrap();
        let mut command = Command::new(binary(name));
        // A terminal would set the width, and a variable that is set would be shown.
        command.args(args.split(' ')).env_clear().stdin(Stdio::null());
        let output = command.output().await.unwrap();
        assert!(output.status.success(), "{line}: {output:?}");
        pages += &format!("$ {line}\n{}\n", String::from_utf8(output.stdout).unwrap());
    }
    pages
}

#[tokio::test]
async fn the_demo_succeeds_within_twenty_seconds() {
    let started = Instant::now();
    let output = run(&["demo"], &[]).await;
    let told = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{told}");
    assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    assert_eq!(told.matches("its signature verifies").count(), 3, "{told}");
    for part in ["response 500", "response 200", "retrying in 5.", "status: succeeded"] {
        assert!(told.contains(part), "{part} is not in:\n{told}");
    }
}

/// Arguments, environment variables, and the text that the error must contain.
type WrongOption = (&'static [&'static str], &'static [(&'static str, &'static str)], &'static str);

#[tokio::test]
async fn a_wrong_option_is_reported_in_one_line_and_creates_no_data() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let data_dir = data_dir.to_str().unwrap();
    let wrong: &[WrongOption] = &[
        (&["--bind", "nowhere"], &[], "--bind"),
        (&["--bind", ":8080"], &[], "127.0.0.1:8080"),
        (&[], &[("RDEV_BIND", "nowhere")], "RDEV_BIND"),
        (&["--workers", "0"], &[], "--workers"),
        (&["--max-in-flight=-1"], &[], "--max-in-flight"),
        (&["--delivery-timeout", "15"], &[], "--delivery-timeout"),
        (&["--delivery-timeout", "0s"], &[], "--delivery-timeout"),
        (&["--retention", "soon"], &[], "--retention"),
        (&["--disable-after", "0d"], &[], "--disable-after"),
        (&["--drain-timeout", "x"], &[], "--drain-timeout"),
        (&["--allow-destination", "10.0.0.1/8"], &[], "--allow-destination"),
        (&["--database-url", "mysql://x"], &[], "--database-url"),
        (&["--api-key", SHORT_KEY], &[], "--api-key"),
        (&[], &[("RDEV_API_KEY", SHORT_KEY)], "RDEV_API_KEY"),
        (&["--encryption-key", SHORT_KEY], &[], "--encryption-key"),
        (&["--egress-proxy", "http://rdev:S3cret@"], &[], "--egress-proxy"),
        (&["--log-format", "xml"], &[], "--log-format"),
        (&["--unknown"], &[], "--unknown"),
        (&["unknown"], &[], "unknown"),
    ];
    for (args, variables, named) in wrong {
        let mut variables = variables.to_vec();
        variables.push(("RDEV_DATA_DIR", data_dir));
        let output = run(args, &variables).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{args:?} {said}");
        assert_eq!(said.lines().count(), 1, "{args:?} {said}");
        assert!(said.starts_with("error: ") && said.contains(named), "{args:?} {said}");
        assert!(!said.contains(SHORT_KEY), "{args:?} {said}");
        assert!(!std::path::Path::new(data_dir).exists(), "{args:?}");
    }
}

#[tokio::test]
async fn a_refused_rekey_creates_no_data_dir() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let variables = [("RDEV_DATA_DIR", data_dir.to_str().unwrap())];
    for (args, named) in [
        (&["rekey", "--database-url", "postgres://localhost/none"][..], "--encryption-key"),
        (&["rekey"], "data"),
    ] {
        let output = run(args, &variables).await;
        let said = String::from_utf8(output.stderr).unwrap();
        assert_ne!(output.status.code(), Some(0), "{args:?} {said}");
        assert!(said.contains(named), "{args:?} {said}");
        assert!(!data_dir.exists(), "{args:?}");
    }
}

#[tokio::test]
async fn a_second_process_on_the_same_data_dir_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let _first = AllInOne::start(folder.path()).await;
    let data_dir = folder.path().to_str().unwrap();
    let output = run(&["serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir], &[]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("in use by another"), "{said}");
}

#[tokio::test]
async fn a_wrong_encryption_key_is_refused_before_serving() {
    let folder = tempfile::tempdir().unwrap();
    AllInOne::start(folder.path()).await.stop().await;
    let data_dir = folder.path().to_str().unwrap();
    let other = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    let args = ["serve", "--bind", "127.0.0.1:0", "--data-dir", data_dir, "--encryption-key", other];
    let output = run(&args, &[]).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_ne!(output.status.code(), Some(0));
    assert!(said.contains("encryption key"), "{said}");
    assert!(!said.contains(other) && output.stdout.is_empty(), "{said}");
}
