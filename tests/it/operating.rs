//! The binaries as operators use them: migration, secrets from files, health checks, holding deliveries.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::{Output, Stdio};
use std::time::Duration;

use rdev_webhooks_testkit::Receiver;
use rdev_webhooks_tests::{AllInOne, Client, Deployment, Log, Process, binary};
use tokio::process::Command;

const EVENT: &str = r#"{"event":"command.completed","data":{"command_id":"cmd-1"}}"#;
const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const API_KEY: &str = "a-key-of-a-test-that-is-long-enough";
const BINARIES: [&str; 3] = ["rdev-webhooks", "rdev-webhooks-api", "rdev-webhooks-worker"];

async fn run(program: &str, args: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(binary(program));
    command.args(args).envs(variables.iter().copied()).kill_on_drop(true);
    tokio::time::timeout(Duration::from_secs(25), command.output()).await.expect("it ends").unwrap()
}

fn write(file: &Path, text: &str, mode: u32) -> String {
    std::fs::write(file, text).unwrap();
    std::fs::set_permissions(file, std::fs::Permissions::from_mode(mode)).unwrap();
    file.to_str().unwrap().to_owned()
}

/// Returns the one line with which a program refuses its options.
async fn complaint(program: &str, args: &[&str], variables: &[(&str, &str)]) -> String {
    let output = run(program, args, variables).await;
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{program} {args:?}: {said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    said
}

#[tokio::test]
async fn serve_accepts_a_database_that_migrate_created() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let migrated = run("rdev-webhooks", &["migrate", "--data-dir", data_dir.to_str().unwrap()], &[]).await;
    assert!(migrated.status.success(), "{migrated:?}");
    let server = AllInOne::start(&data_dir).await;
    server.client.subscribe("https://example.com/").await;
    assert!(server.stop().await.success());

    std::fs::remove_file(data_dir.join("encryption-key")).unwrap();
    let said = complaint("rdev-webhooks", &["--data-dir", data_dir.to_str().unwrap()], &[]).await;
    assert!(said.contains("put it back"), "serve generates no second encryption key: {said}");
}

#[tokio::test]
async fn each_binary_reads_its_secrets_from_files() {
    let folder = tempfile::tempdir().unwrap();
    let data_dir = folder.path().join("data");
    let database = format!("sqlite://{}/rdev.db\n", folder.path().display());
    let database = write(&folder.path().join("url"), &database, 0o600);
    let encryption = write(&folder.path().join("key"), &format!("{ENCRYPTION_KEY}\r\n"), 0o600);
    let api = write(&folder.path().join("api"), &format!("{API_KEY}\n"), 0o644);
    let variables = [
        ("RDEV_DATABASE_URL_FILE", database.as_str()),
        ("RDEV_ENCRYPTION_KEY_FILE", &encryption),
        ("RDEV_DATA_DIR", data_dir.to_str().unwrap()),
    ];
    let log = Log::new();
    for program in BINARIES {
        let (bind, ready) = match program {
            "rdev-webhooks-worker" => ("--admin-bind", "metrics on"),
            _ => ("--bind", "http://"),
        };
        let mut args = vec![bind, "127.0.0.1:0"];
        if program != "rdev-webhooks-worker" {
            args.extend(["--api-key-file", &api]);
        }
        let process = Process::start_with_log(program, &args, &variables, ready, log.writer()).await;
        if program != "rdev-webhooks-worker" {
            Client::new(&process.base(), API_KEY).get("/webhooks").await;
        }
        assert!(process.stop().await.success(), "{program}");
    }
    assert!(!data_dir.exists(), "no data dir is created");
    let warned = log.lines("secret file is accessible to other users; run chmod 600 on it");
    assert_eq!(warned.len(), 2, "{}", log.text());
    assert!(warned.iter().all(|line| line["file"] == api.as_str() && line["mode"] == "0644"), "{warned:?}");
    assert!(!log.text().contains(API_KEY) && !log.text().contains(ENCRYPTION_KEY));
}

#[tokio::test]
async fn a_secret_given_twice_or_missing_from_its_file_is_reported_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| write(&folder.path().join(name), text, 0o600);
    let (empty, missing) = (file("empty", "\n"), folder.path().join("missing").display().to_string());
    let wrong = file("wrong", "n0t-a-k3y\n");
    let right = file("right", ENCRYPTION_KEY);
    for program in BINARIES {
        for (path, part) in [(&empty, "is empty"), (&missing, "cannot be read"), (&wrong, "is invalid")] {
            let said = complaint(program, &["--encryption-key-file", path], &[]).await;
            assert!(said.contains("--encryption-key-file") && said.contains(part), "{said}");
            assert!(!said.contains("n0t-a-k3y"), "{said}");
            let said = complaint(program, &[], &[("RDEV_ENCRYPTION_KEY_FILE", path)]).await;
            assert!(said.contains("RDEV_ENCRYPTION_KEY_FILE") && said.contains(part), "{said}");
        }
        for (args, variables) in [
            (&["--encryption-key", ENCRYPTION_KEY, "--encryption-key-file", &right][..], &[][..]),
            (&["--encryption-key-file", &right], &[("RDEV_ENCRYPTION_KEY", ENCRYPTION_KEY)]),
            (&[], &[("RDEV_ENCRYPTION_KEY", ENCRYPTION_KEY), ("RDEV_ENCRYPTION_KEY_FILE", &right)]),
        ] {
            let said = complaint(program, args, variables).await;
            assert!(said.contains("--encryption-key") && said.contains("--encryption-key-file"), "{said}");
            assert!(!said.contains(ENCRYPTION_KEY), "{said}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn healthcheck_reports_the_local_process_by_its_exit_code() {
    let deployment = Deployment::start().await;
    let folder = tempfile::tempdir().unwrap();
    let all_in_one = AllInOne::start(folder.path()).await;
    let (api, client) = deployment.further_api().await;
    let worker = deployment.worker().await;
    let address = |base: &str| base.strip_prefix("http://").unwrap().to_owned();
    let bound = [
        ("rdev-webhooks", "RDEV_BIND", address(all_in_one.client.base())),
        ("rdev-webhooks-api", "RDEV_BIND", address(client.base())),
        ("rdev-webhooks-worker", "RDEV_ADMIN_BIND", address(&worker.base())),
    ];
    let check = async |nth: usize, args: &[&str]| {
        let (program, variable, address) = &bound[nth];
        run(program, &[&["healthcheck"], args].concat(), &[(variable, address)]).await
    };
    for nth in 0..3 {
        let output = check(nth, &[]).await;
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    }
    deployment.postgres.stop_immediate().await;
    for nth in [1, 2] {
        let output = check(nth, &[]).await;
        assert_eq!(output.status.code(), Some(1), "{output:?}");
        assert_eq!(String::from_utf8(output.stderr).unwrap().lines().count(), 1);
        assert_eq!(check(nth, &["--live"]).await.status.code(), Some(0));
    }
    assert!(all_in_one.stop().await.success() && api.stop().await.success() && worker.stop().await.success());
    for nth in 0..3 {
        assert_eq!(check(nth, &["--live"]).await.status.code(), Some(1), "no process listens");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn held_deliveries_are_sent_after_a_start_without_the_hold() {
    let folder = tempfile::tempdir().unwrap();
    let receiver = Receiver::accepting().await;
    let held = AllInOne::start_with(folder.path(), &["--hold-deliveries"], Stdio::inherit()).await;
    held.client.subscribe(receiver.url("/").as_str()).await;
    held.client.post("/events", EVENT).await.expect(202);
    // By now a worker would have polled the queue.
    let metrics = held.client.until_metrics(|metrics| metrics["rdev_webhooks_queue_deliveries"] == 1.0).await;
    assert_eq!(metrics["rdev_webhooks_deliveries_held"], 1.0);
    assert_eq!(held.client.get("/readyz").await["status"], "ok");
    assert_eq!(held.client.get("/deliveries").await["data"][0]["status"], "pending");
    assert!(held.stop().await.success());
    assert!(receiver.requests().is_empty());

    let free = AllInOne::start(folder.path()).await;
    let request = receiver.wait_for(1, Duration::from_secs(20)).await.remove(0);
    assert_eq!(request.header("x-rdev-attempt"), "1");
    assert_eq!(free.client.metrics().await["rdev_webhooks_deliveries_held"], 0.0);
    assert!(free.stop().await.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn only_an_all_in_one_bound_to_loopback_allows_loopback_destinations() {
    let folder = tempfile::tempdir().unwrap();
    let database = format!("sqlite://{}/rdev.db", folder.path().display());
    let variables = [
        ("RDEV_DATABASE_URL", database.as_str()),
        ("RDEV_ENCRYPTION_KEY", ENCRYPTION_KEY),
        ("RDEV_API_KEY", API_KEY),
    ];
    for (program, args, allowed) in [
        ("rdev-webhooks", &["--bind", "127.0.0.1:0"][..], "127.0.0.0/8,::1/128"),
        ("rdev-webhooks", &["--bind", "[::1]:0"], "127.0.0.0/8,::1/128"),
        ("rdev-webhooks", &["--bind", "0.0.0.0:0"], "none"),
        ("rdev-webhooks", &["--bind", "127.0.0.1:0", "--allow-destination", "10.0.0.0/8"], "10.0.0.0/8"),
        ("rdev-webhooks-api", &["--bind", "127.0.0.1:0"], "none"),
        ("rdev-webhooks-api", &["--bind", "127.0.0.1:0", "--allow-destination", "::1"], "::1/128"),
        ("rdev-webhooks-worker", &["--admin-bind", "127.0.0.1:0"], "none"),
        (
            "rdev-webhooks-worker",
            &["--admin-bind", "127.0.0.1:0", "--allow-destination", "127.0.0.0/8"],
            "127.0.0.0/8",
        ),
    ] {
        let log = Log::new();
        let process = Process::start_with_log(program, args, &variables, "http://", log.writer()).await;
        assert_eq!(log.until("started").await["allowed_destinations"], allowed, "{program} {args:?}");
        if program != "rdev-webhooks-worker" {
            let base = process.base().replace("0.0.0.0", "127.0.0.1");
            let body = r#"{"url":"http://127.0.0.1:9/","events":["*"]}"#;
            let status = if allowed.starts_with("127") { 201 } else { 422 };
            Client::new(&base, API_KEY).post("/webhooks", body).await.expect(status);
        }
        assert!(process.stop().await.success());
    }
}
