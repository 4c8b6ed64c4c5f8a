//! Requests that fail, and servers that misbehave.

use std::collections::BTreeMap;

use rdev_runner_woodpecker::{Error, Event, Fault, MAX_RESPONSE_BYTES, REQUEST_TIMEOUT, Secret, Woodpecker};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::server::{Server, TOKEN};

/// Answers every connection with these bytes, and then closes it or, with `hangs`, keeps it open.
async fn answering(bytes: Vec<u8>, hangs: bool) -> Woodpecker {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let bytes = bytes.clone();
            tokio::spawn(async move {
                let mut buffer = [0; 65_536];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(&bytes).await;
                if hangs {
                    std::future::pending::<()>().await;
                }
            });
        }
    });
    Woodpecker::new(&url, TOKEN.into()).unwrap()
}

fn answer(status: &str, body: &str) -> Vec<u8> {
    format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn secret(value: &str) -> Secret {
    Secret::new("rdev_api_key", value.into(), [Event::Push]).unwrap()
}

#[tokio::test]
async fn a_refusal_says_what_to_do() {
    let server = Server::start().await;
    let stranger = Woodpecker::new(&server.url, "another-token".into()).unwrap();
    let error = stranger.repository("acme/billing").await.unwrap_err().to_string();
    assert_eq!(
        error,
        "GET /api/repos/lookup/acme/billing: 401: the token is unknown or has expired: User not authorized"
    );
    let error = server.client().activate("other/billing").await.unwrap_err().to_string();
    assert!(error.starts_with("POST /api/repos: 403: the owner of the token may not do this"), "{error}");
    let error = server.client().activate("acme/nothing").await.unwrap_err();
    assert!(matches!(&error, Error::NoRepository(name) if name == "acme/nothing"), "{error}");
    // A name cannot leave its place in the path.
    let error = server.client().repository("a/../../user?x#y").await.unwrap_err().to_string();
    assert!(error.contains("the answer is not Woodpecker's"), "{error}");
    let request = server.world().requests.last().unwrap().clone();
    assert_eq!(request, "GET /ci/api/repos/lookup/a/../../user%3Fx%23y");
}

#[test]
fn what_cannot_work_is_refused_at_once() {
    for url in
        ["", "ci.example", "ftp://ci.example", "https://user:password@ci.example", "https://ci.example?x"]
    {
        let error = Woodpecker::new(url, TOKEN.into()).unwrap_err();
        assert!(matches!(error, Error::Url(_)), "{url}");
        assert!(!error.to_string().contains("password"));
    }
    for token in ["", "a b", "a\nb", "é"] {
        assert!(matches!(Woodpecker::new("http://ci.example", token.into()), Err(Error::Token)), "{token:?}");
    }
    let long = "x".repeat(64 * 1024 + 1);
    for (name, value, events) in [
        ("", "x", vec![Event::Push]),
        ("a-b", "x", vec![Event::Push]),
        ("a/../b", "x", vec![Event::Push]),
        ("a", "", vec![Event::Push]),
        ("a", &long, vec![Event::Push]),
        ("a", "x", vec![]),
    ] {
        assert!(matches!(Secret::new(name, value.into(), events), Err(Error::Secret(_))), "{name}");
    }
}

#[tokio::test]
async fn no_error_quotes_a_token_or_a_secret() {
    let value = "s3cr\"et\\value";
    // The second value as Go writes it in JSON.
    let (other, in_go) = ("s3cr&et<value>", r"s3cr\u0026et\u003cvalue\u003e");
    let echo = format!("cannot store {value} ({}) or {other} ({in_go}) for {TOKEN}", json!(value));
    for status in ["500 Internal Server Error", "422 Unprocessable Entity", "200 OK"] {
        let client = answering(answer(status, &echo), false).await;
        for value in [value, other] {
            let error = client.set_secret(7, &secret(value)).await.unwrap_err();
            let shown = format!("{error} {error:?} {client:?}");
            assert!(!shown.contains("s3cr") && !shown.contains(TOKEN), "{shown}");
        }
    }
    let server = Server::start().await;
    server.world().creates_secret_first = true;
    server.client().set_secret(7, &secret(value)).await.unwrap();
    let shown = format!("{:?}", secret(value));
    assert!(!shown.contains("s3cr"), "{shown}");
}

#[tokio::test]
async fn answers_that_are_not_woodpeckers_are_errors() {
    for (bytes, expected) in [
        (answer("200 OK", "<!doctype html><title>Woodpecker</title>"), "not Woodpecker's: <!doctype html>"),
        (answer("200 OK", r#"{"number":"three"}"#), "not Woodpecker's"),
        (answer("200 OK", ""), "not Woodpecker's"),
        (answer("302 Found", ""), "302 Found"),
        (answer("500 Internal Server Error", "a\u{1b}[2J\n\nb"), "500 Internal Server Error: a[2J b"),
        (b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec(), "no answer: "),
        (b"garbage\r\n\r\n".to_vec(), "no answer: "),
        (Vec::new(), "no answer: "),
    ] {
        let client = answering(bytes, false).await;
        let error = client.pipeline(7, 3).await.unwrap_err().to_string();
        assert!(error.starts_with("GET /api/repos/7/pipelines/3: ") && error.contains(expected), "{error}");
    }
    let long = answer("200 OK", &" ".repeat(MAX_RESPONSE_BYTES + 1));
    let error = answering(long, false).await.pipeline(7, 3).await.unwrap_err();
    assert!(matches!(error, Error::Request { fault: Fault::TooLarge(_), .. }), "{error}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_is_given_up() {
    for bytes in [Vec::new(), b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{".to_vec()] {
        let client = answering(bytes, true).await;
        let error = client.trigger(7, "main", &BTreeMap::new()).await.unwrap_err();
        assert!(
            matches!(error, Error::Request { fault: Fault::Timeout(limit), .. } if limit == REQUEST_TIMEOUT)
        );
    }
}
