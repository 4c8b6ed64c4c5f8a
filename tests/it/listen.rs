//! `rdev-webhooks listen`.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rdev_webhooks_domain::signing::{Headers, SigningSecret, Verifier};
use rdev_webhooks_testkit::eventually;
use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use rdev_webhooks_tests::{AllInOne, Client, CommandLine, Process, binary};
use serde_json::Value;

fn listening(user: &CommandLine, args: &str) -> tokio::process::Command {
    let mut command = user.command(Path::new("/bin/sh"));
    let line = format!("exec {} listen {args} 2>&1", binary("rdev-webhooks").display());
    command.args(["-c", &line]);
    command
}

/// Publishes events with numbers as data, and returns their ids.
async fn publish(client: &Client, numbers: std::ops::Range<u32>) -> Vec<String> {
    let mut ids = Vec::new();
    let all: Vec<_> = numbers.collect();
    for batch in all.chunks(1_000) {
        let events: Vec<_> = batch
            .iter()
            .map(|number| format!(r#"{{"event":"command.completed","data":{{"number": {number}}}}}"#))
            .collect();
        let body = format!(r#"{{"events":[{}]}}"#, events.join(","));
        let accepted = client.post("/events/batch", &body).await.expect(202);
        let accepted = accepted["events"].as_array().unwrap();
        ids.extend(accepted.iter().map(|event| event["id"].as_str().unwrap().to_owned()));
    }
    ids
}

#[tokio::test]
async fn an_event_is_forwarded_as_a_delivery_would_be() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = AllInOne::start(&data).await;
    let user = CommandLine::new(folder.path(), &data);
    let receiver = Receiver::start(Script::sequence([Reply::status(200), Reply::status(500)])).await;
    let secret = user.line("listen --print-secret").await.expect(0);
    let url = receiver.url("/hook");
    let args = format!("--forward-to {url} --headers x-team:core --events command.completed,command.failed");
    let mut listen = Process::spawn(listening(&user, &args), "Ready!").await;
    assert!(listen.printed.contains(&format!("signing secret {secret} (^C to quit)")), "{}", listen.printed);
    server.client.post("/events", r#"{"event":"command.started","data":{}}"#).await.expect(202);
    let ids = publish(&server.client, 0..2).await;
    let requests = receiver.wait_for(2, Duration::from_secs(10)).await;
    for (request, id) in requests.iter().zip(&ids) {
        assert_eq!(request.header("webhook-id"), id);
        assert_eq!((request.header("x-rdev-event"), request.header("x-team")), ("command.completed", "core"));
        let headers = Headers {
            id: Some(id),
            timestamp: Some(request.header("webhook-timestamp")),
            signature: Some(request.header("webhook-signature")),
        };
        let secret: SigningSecret = secret.parse().unwrap();
        let now = request.header("webhook-timestamp").parse().unwrap();
        Verifier::new(&secret).verify(headers, &request.body, now).unwrap();
    }
    assert!(String::from_utf8_lossy(&requests[1].body).ends_with(r#""data":{"number": 1}}"#));
    for expected in [
        format!("--> command.completed [{}]", ids[0]),
        format!("<-- [200] POST {url} "),
        format!("<-- [500] POST {url} "),
    ] {
        listen.wait_for(&expected).await;
    }
    assert!(
        !listen.printed.contains("command.started") && !listen.printed.contains('\u{1b}'),
        "{}",
        listen.printed
    );
    drop(receiver);
    publish(&server.client, 2..3).await;
    listen.wait_for("<-- [ERROR] POST").await;
    listen.kill().await;
}

#[tokio::test]
async fn no_event_is_skipped_when_listen_or_the_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let bind = format!("127.0.0.1:{port}");
    let serve = async || AllInOne::start_on(&bind, &data, &["--log", "error"], Stdio::inherit()).await;
    let server = serve().await;
    let user = CommandLine::new(folder.path(), &data);
    let receiver = Receiver::accepting().await;
    let args = format!("--forward-to {}", receiver.url("/hook"));
    let output = folder.path().join("output");
    // A pipe that is not read would stop it.
    let start = || {
        let redirected = format!("{args} >>{}", output.display());
        listening(&user, &redirected).spawn().unwrap()
    };
    let until_printed = async |text: &str, times: usize| {
        let printed = async || {
            let printed = std::fs::read_to_string(&output).unwrap_or_default();
            (printed.matches(text).count() >= times).then_some(printed)
        };
        eventually(&format!("{text} in the output"), printed).await
    };
    let mut listen = start();
    until_printed("Ready!", 1).await;

    let mut ids = publish(&server.client, 0..2_000).await;
    receiver.wait_for(300, Duration::from_secs(30)).await;
    listen.kill().await.unwrap();
    ids.extend(publish(&server.client, 2_000..4_000).await);
    listen = start();
    let printed = until_printed("Ready!", 2).await;
    let catching_up = printed.lines().find(|line| line.starts_with("Catching up on ")).unwrap();
    let count: usize = catching_up.split(' ').nth(3).unwrap().parse().unwrap();
    assert!((2_000..=3_701).contains(&count), "{catching_up}");
    receiver.wait_for(1_500, Duration::from_secs(30)).await;
    server.kill().await;
    let server = serve().await;
    until_printed("Connected again.", 1).await;
    ids.extend(publish(&server.client, 4_000..5_000).await);
    let printed = until_printed(&format!("[{}]", ids[ids.len() - 1]), 2).await;
    listen.kill().await.unwrap();
    let requests = receiver.requests();
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    for request in &requests {
        *times.entry(request.header("webhook-id")).or_default() += 1;
    }
    let skipped: Vec<_> = ids.iter().filter(|id| !times.contains_key(id.as_str())).collect();
    assert!(skipped.is_empty() && times.len() == 5_000, "{skipped:?}");
    let repeated: Vec<_> = times.iter().filter(|(_, count)| **count > 1).map(|(id, _)| *id).collect();
    assert!(repeated.len() <= 1, "{repeated:?}");
    for id in repeated {
        assert!(printed.contains(&format!("Forwarding {id} again")), "{id}");
    }
}

#[tokio::test]
async fn without_a_program_the_events_are_shown() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = AllInOne::start(&data).await;
    let user = CommandLine::new(folder.path(), &data);
    let mut listen = Process::spawn(listening(&user, "-o json"), "Ready!").await;
    let ids = publish(&server.client, 0..1).await;
    listen.wait_for(&ids[0]).await;
    let line = listen.printed.lines().find(|line| line.contains(&ids[0])).unwrap();
    let event: Value = serde_json::from_str(line).unwrap();
    assert_eq!((&event["event"], &event["data"]["number"]), (&"command.completed".into(), &0.into()));
    listen.kill().await;
}
