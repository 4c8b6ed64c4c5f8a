//! The client commands against a running server.

use std::path::Path;
use std::process::Stdio;

use rdev_webhooks_testkit::postgres::PostgresServer;
use rdev_webhooks_testkit::receiver::{ReceivedRequest, Receiver};
use rdev_webhooks_tests::{AllInOne, CommandLine, Terminal, binary, normalized};

const ENCRYPTION_KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// Runs commands and returns what they printed, each after its line. `NAME > ` in front of a command stores the first
/// id that it prints as `$NAME`.
async fn transcript(user: &CommandLine, url: &str, lines: &[&str]) -> String {
    let mut ids: Vec<(String, String)> = vec![("$URL".to_owned(), url.to_owned())];
    let mut text = String::new();
    for line in lines {
        let (name, line) = match line.split_once(" > ") {
            Some((name, line)) => (Some(name), line),
            None => (None, *line),
        };
        let filled = ids.iter().fold(line.to_owned(), |line, (name, id)| line.replace(name.as_str(), id));
        let ended = user.line(&filled).await;
        let words = ended.stdout.split(|char: char| !char.is_ascii_alphanumeric() && char != '_');
        if let Some(name) = name {
            let is_id = |word: &&str| word.len() > 20 && word.as_bytes().get(3) == Some(&b'_');
            let id = words.into_iter().find(is_id).unwrap_or_else(|| panic!("{line}: {ended:?}"));
            ids.push((format!("${name}"), id.to_owned()));
        }
        let output = normalized(&format!("{}{}", ended.stdout, ended.stderr));
        text += &format!("$ rdev-webhooks {line}\n{output}[exit {}]\n\n", ended.code);
    }
    text
}

async fn every_verb(server: &AllInOne, home: &Path, data_dir: &Path) -> String {
    let receiver = Receiver::accepting().await;
    let user = CommandLine::new(home, data_dir);
    let url = receiver.url("/hook").to_string();
    std::fs::write(home.join("type.json"), r#"{"type":"object","required":["n"]}"#).unwrap();
    let mut delivered = server.client.watch("?status=succeeded", None).await.unwrap();
    let mut text = transcript(
        &user,
        &url,
        &[
            "event-types list",
            "event-types put build.ended --description A-build --schema @type.json --example {\"n\":7}",
            "event-types show build.ended -o json",
            "webhooks list",
            "W > webhooks create $URL --events command.*,build.ended --metadata team=core --rate-limit 100",
            "E > events publish command.completed --set data.exit_code=1 --project p --timestamp 2025-01-15T10:30:00Z",
        ],
    )
    .await;
    delivered.next().await.unwrap();
    let one = user.line("webhooks list -o id").await.expect(0);
    text += &transcript(
        &user,
        &url,
        &[
            "events list",
            "events list -o ndjson --project nothing",
            "events feed",
            "webhooks list",
            "webhooks list --enabled false -o json",
            &format!("webhooks show {one} -o json"),
            "deliveries list --status succeeded",
            "deliveries list --since yesterday --until now -o ndjson",
            &format!("webhooks update {one} --description d --unset metadata.team -o ndjson"),
            // A worker may have begun by the time of the answer, so that the status varies.
            &format!("webhooks test {one} -o id"),
        ],
    )
    .await
    .replace(&one, "whk_…");
    delivered.next().await.unwrap();
    let delivery = user.line("deliveries list --event command.completed -o id").await.expect(0);
    text += &transcript(
        &user,
        &url,
        &[
            &format!("deliveries show {delivery}"),
            &format!("deliveries attempts {delivery}"),
            &format!("deliveries cancel {delivery}"),
            &format!("replay {one} --since 2h --status succeeded --dry-run"),
            &format!("replay {one} --since 2h --status succeeded --wait -o id"),
            &format!("deliveries redeliver {delivery} -o id"),
            &format!("webhooks rotate {one} --overlap 1h -o id"),
            "K > keys create --name ci --scope events:write,webhooks:read --expires-at 2099-01-01",
            "keys list",
            "keys delete $K",
            "event-types delete build.ended",
            "webhooks create nonsense --events zzz",
            "events publish unknown.type",
            "deliveries show dlv_nothing",
            "webhooks list --url http://127.0.0.1:1",
            "version -o json",
        ],
    )
    .await;
    assert_eq!(user.line(&format!("webhooks delete {one}")).await.code, 0);
    assert_eq!(user.line(&format!("webhooks stats {one}")).await.code, 3);
    user.line("status").await.expect(0);
    text.replace(&one, "whk_…").replace(&delivery, "dlv_…")
}

#[tokio::test]
async fn every_verb_prints_the_same_on_both_databases() {
    let folder = tempfile::tempdir().unwrap();
    let places = |name: &str| {
        let (home, data) =
            (folder.path().join(format!("{name}-home")), folder.path().join(format!("{name}-data")));
        std::fs::create_dir(&home).unwrap();
        (home, data)
    };
    let (home, data) = places("sqlite");
    let server = AllInOne::start_with_log(&data, "warn", Stdio::inherit()).await;
    let on_sqlite = every_verb(&server, &home, &data).await;
    let postgres = PostgresServer::start().await;
    let (home, data) = places("postgres");
    let url = postgres.url("postgres");
    let migrated = CommandLine::new(&home, &data).run(&["migrate", "--database-url", &url]).await;
    migrated.expect(0);
    let options = ["--database-url", &url, "--encryption-key", ENCRYPTION_KEY, "--log", "warn"];
    let server = AllInOne::start_with(&data, &options, Stdio::inherit()).await;
    let on_postgres = every_verb(&server, &home, &data).await;
    insta::assert_snapshot!("verbs", on_sqlite);
    assert_eq!(on_sqlite, on_postgres);
}

#[tokio::test]
async fn a_setting_comes_from_flag_environment_profile_or_data_dir() {
    let folder = tempfile::tempdir().unwrap();
    let (home, data) = (folder.path(), folder.path().join("data"));
    let _server = AllInOne::start(&data).await;
    let user = CommandLine::new(home, &data);
    let source = async |user: &CommandLine, args: &str| {
        let shown = user.line(&format!("config show {args}")).await.expect(0);
        let sources = shown.lines().filter(|line| line.starts_with("url") || line.starts_with("api_key"));
        let last = sources
            .map(|line| line.rsplit('\t').next().unwrap().split([' ', ',']).next().unwrap().to_owned());
        last.collect::<Vec<_>>()
    };
    assert_eq!(source(&user, "").await, ["data", "data"]);
    let key = std::fs::read_to_string(data.join("api-key")).unwrap();
    let set = ["config", "set", "--profile", "work", "--url", "http://127.0.0.1:9", "--api-key-file", "-"];
    user.run_with_input(&set, &key).await.expect(0);
    let config = home.join(".config/rdev-webhooks/config.toml");
    assert_eq!(source(&user, "").await, ["profile", "profile"]);
    let environment =
        CommandLine::new(home, &data).with("RDEV_URL", "http://x").with("RDEV_API_KEY", ENCRYPTION_KEY);
    assert_eq!(source(&environment, "").await, ["environment", "environment"]);
    let flags = format!("--url http://y --api-key-file {}", data.join("api-key").display());
    assert_eq!(source(&environment, &flags).await, ["flag", "flag"]);
    // The key of a server on this machine is sent to no other.
    user.line("config use none").await.expect(0);
    let refused = user.line("events list --url http://192.0.2.1").await;
    assert!(refused.stderr.contains("no API key"), "{refused:?}");
    refused.expect(2);
    let shown = user.line("config show --profile work").await;
    assert!(!format!("{shown:?}").contains(key.trim()));
    let unknown = user.line("config show --profile nobody-has-this").await;
    assert!(unknown.stderr.contains("there are: work"), "{unknown:?}");
    unknown.expect(2);

    use std::os::unix::fs::PermissionsExt;
    assert_eq!(std::fs::metadata(&config).unwrap().permissions().mode() & 0o777, 0o600);
    std::fs::set_permissions(&config, std::fs::Permissions::from_mode(0o640)).unwrap();
    let refused = user.line("webhooks list").await;
    assert!(refused.stderr.contains("chmod 600"), "{refused:?}");
    refused.expect(2);
}

#[tokio::test]
async fn a_trace_has_no_key_and_a_closed_pipe_is_success() {
    let folder = tempfile::tempdir().unwrap();
    let _server = AllInOne::start(folder.path()).await;
    let user = CommandLine::new(folder.path(), folder.path());
    let key = std::fs::read_to_string(folder.path().join("api-key")).unwrap();
    let args = "events publish command.completed --trace --idempotency-key mine -o id";
    let first = user.line(args).await;
    assert!(
        first.stderr.contains("> POST http://") && first.stderr.contains("> idempotency-key: mine"),
        "{first:?}"
    );
    assert!(first.stderr.contains("< 202 Accepted in "), "{first:?}");
    assert!(!first.stderr.contains(key.trim()) && first.stderr.contains("authorization: …"), "{first:?}");
    assert_eq!(user.line(args).await.expect(0), first.expect(0), "it is carried out once");

    let mut shell = user.command(Path::new("/bin/bash"));
    let piped =
        format!("{} event-types list | true; echo ${{PIPESTATUS[0]}}", binary("rdev-webhooks").display());
    let output = shell.args(["-c", &piped]).output().await.unwrap();
    assert_eq!(String::from_utf8_lossy(&output.stdout), "0\n", "{output:?}");
}

#[tokio::test]
async fn a_saved_request_is_verified_and_the_failed_check_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let user = CommandLine::new(folder.path(), folder.path());
    let signature = "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=";
    let saved = |body: &str| {
        format!(
            "POST /hook HTTP/1.1\r\nwebhook-id: msg_27UH4WbU6Z5A5EzD8u03UvzRbpk\r\nwebhook-timestamp: 1649367553\r\n\
             webhook-signature: {signature}\r\n\r\n{body}"
        )
    };
    let body = r#"{"email":"test@example.com","username":"test_user"}"#;
    let args = ["verify", "--secret", SECRET];
    let at = ["verify", "--secret", SECRET, "--at", "2022-04-07T21:39:20Z"];
    user.run_with_input(&at, &saved(body)).await.expect(0);
    for (args, body, reason) in [
        (&args[..], body.to_owned(), "error: clock: "),
        (&at[..], body.replace(':', ": "), "error: changed body: the JSON was parsed and serialized again"),
        (&at[..], format!("{body}\n"), "error: changed body: a line break was added"),
        (&at[..], body.replace("test_user", "you"), "error: wrong secret: "),
    ] {
        let ended = user.run_with_input(args, &saved(&body)).await;
        assert!(ended.stderr.starts_with(reason), "{reason}: {ended:?}");
        ended.expect(1);
    }
}

#[tokio::test]
async fn completions_and_manual_pages_are_well_formed() {
    for (program, word) in [("rdev-webhooks", "redeliver"), ("rdev", "run-again")] {
        let folder = tempfile::tempdir().unwrap();
        let user = CommandLine::new(folder.path(), folder.path()).of(program);
        for shell in ["bash", "zsh", "fish"] {
            let script = user.line(&format!("completions {shell}")).await.expect(0);
            assert!(script.contains(word), "{program} {shell}");
            let file = folder.path().join(shell);
            std::fs::write(&file, script).unwrap();
            let mut command = user.command(Path::new("/usr/bin/env"));
            let output = command.args([shell, "-n"]).arg(&file).output().await.unwrap();
            assert!(output.status.success() && output.stderr.is_empty(), "{program} {shell}: {output:?}");
        }
        user.line("man --out pages").await.expect(0);
        let pages = std::fs::read_dir(folder.path().join("pages")).unwrap();
        let pages: Vec<_> = pages.map(|page| page.unwrap().path()).collect();
        assert!(pages.len() > 40, "{program}: {}", pages.len());
        let mut command = user.command(Path::new("/usr/bin/mandoc"));
        let output = command.args(["-T", "lint", "-W", "error"]).args(&pages).output().await.unwrap();
        assert!(output.status.success(), "{program}: {output:?}");
    }
}

#[tokio::test]
async fn a_webhook_gets_another_url_which_never_gets_the_api_key() {
    let folder = tempfile::tempdir().unwrap();
    let _server = AllInOne::start(folder.path()).await;
    let user = CommandLine::new(folder.path(), folder.path());
    let receiver = Receiver::accepting().await;
    let url = receiver.url("/hook");
    let webhook = user.line("webhooks create http://127.0.0.1:9/ --events * -o id").await.expect(0);
    // `--url` is the service's.
    for args in
        [format!("--url {url}"), format!("--url {url} --description d"), "--request-timeout 5s".to_owned()]
    {
        let refused = user.line(&format!("webhooks update {webhook} {args}")).await;
        assert!(refused.stderr.contains(&format!("webhooks update {webhook} --endpoint")), "{refused:?}");
        refused.expect(2);
    }
    user.line(&format!("webhooks create --events * --url {url}")).await.expect(2);
    let has_key = |request: &ReceivedRequest| request.headers.contains_key("authorization");
    assert!(!receiver.requests().iter().any(has_key));
    let updated = user.line(&format!("webhooks update {webhook} --endpoint {url} -o ndjson")).await.expect(0);
    assert!(updated.contains(&format!(r#""url":"{url}""#)), "{updated}");
}

/// Runs a command on a terminal and returns its exit code and what the terminal shows.
async fn on_terminal(user: &CommandLine, args: &[&str]) -> (i32, String) {
    Terminal::start(user, &binary("rdev-webhooks"), args).end().await
}

#[tokio::test]
async fn a_terminal_has_columns_a_prompt_colours_and_a_progress_bar() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = AllInOne::start(&data).await;
    let user = CommandLine::new(folder.path(), &data);
    let receiver = Receiver::accepting().await;
    let (webhook, _) =
        server.client.subscribe(receiver.url("/a/long/path/that/does/not/fit/into/the/width").as_str()).await;

    let (code, shown) = on_terminal(&user, &["webhooks", "list"]).await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(&webhook) && shown.contains("CIRCUIT") && shown.contains('…'), "{shown}");

    let mut delivered = server.client.watch("?status=succeeded", None).await.unwrap();
    user.line("events publish command.completed").await.expect(0);
    delivered.next().await.unwrap();
    let replay = ["replay", &webhook, "--since", "1h", "--status", "succeeded", "--wait"];
    let (code, shown) = on_terminal(&user, &replay).await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(" ended, ") && shown.contains("completed"), "{shown}");

    let key = std::fs::read_to_string(data.join("api-key")).unwrap();
    let elsewhere = CommandLine::new(folder.path(), &folder.path().join("none"));
    let prompted = ["webhooks", "list", "--url", server.client.base(), "-o", "id"];
    let mut prompted = Terminal::start(&elsewhere, &binary("rdev-webhooks"), &prompted);
    prompted.wait_for("API key for").await;
    prompted.type_hidden(&key).await;
    let (code, shown) = prompted.end().await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains(&webhook) && !shown.contains(key.trim()), "{shown}");

    // An event is shown in colours, and ^C ends with 130.
    let forward = receiver.url("/hook").to_string();
    let mut listen = Terminal::start(&user, &binary("rdev-webhooks"), &["listen", "--forward-to", &forward]);
    listen.wait_for("Ready!").await;
    user.line("events publish command.failed").await.expect(0);
    listen.wait_for("<-- [").await;
    listen.type_keys("\u{3}").await;
    let (code, shown) = listen.end().await;
    assert_eq!(code, 130, "{shown}");
    assert!(
        shown.contains("--> command.failed \u{1b}[2m[evt_") && shown.contains("\u{1b}[32m200"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_terminal_shows_a_delivery_that_succeeds() {
    let folder = tempfile::tempdir().unwrap();
    let user = CommandLine::new(folder.path(), &folder.path().join("data"));
    let receiver = Receiver::accepting().await;
    let mut serve = Terminal::start(&user, &binary("rdev-webhooks"), &["serve", "--bind", "127.0.0.1:0"]);
    serve.wait_for("Press Ctrl-C to stop.").await;
    user.line(&format!("webhooks create {} --events command.*", receiver.url("/"))).await.expect(0);
    user.line("events publish command.completed").await.expect(0);
    serve.wait_for("attempt succeeded").await;
    serve.type_keys("\u{3}").await;
    let (code, shown) = serve.end().await;
    assert_eq!(code, 0, "{shown}");
    assert!(shown.contains("dlv_"), "{shown}");
}
