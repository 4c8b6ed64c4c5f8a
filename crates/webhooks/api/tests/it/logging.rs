//! What the log contains of a request, and what it never contains.

use std::cell::RefCell;
use std::io;
use std::os::fd::AsFd;
use std::sync::{Arc, Once};
use std::time::Duration;

use axum::Router;
use rdev_webhooks_http_api::{ServeOptions, serve};
use tokio::net::{TcpListener, TcpSocket};
use tokio::time::{Instant, sleep_until};
use tokio_util::sync::CancellationToken;
use tracing_subscriber::fmt::format::FmtSpan;

use crate::failures::Broken;
use crate::scene::{KEY, Scene};

thread_local! {
    /// The log of this thread's test; its runtime has no other thread.
    static LOG: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

struct Log;

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        LOG.with_borrow_mut(|log| log.extend_from_slice(bytes));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Collects the log of every test from the first scene on. A subscriber for one test would miss what another
/// test logs first, because the first log call decides whether any subscriber is interested.
pub(crate) fn install() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_span_events(FmtSpan::CLOSE)
            .with_ansi(false)
            .with_writer(|| Log)
            .init();
    });
}

fn logged() -> String {
    String::from_utf8(LOG.take()).unwrap()
}

#[tokio::test]
async fn a_span_names_the_route_and_never_contents_of_the_request() {
    let scene = Scene::new();
    let body = r#"{"url":"https://example.com/p4th","events":["*"],"headers":{"x-a":"h3ader"},"description":"d3scription"}"#;
    let made = scene.post("/webhooks", body).await.expect(201).json();
    let path = format!("/webhooks/{}?qu3ry=1", made["id"].as_str().unwrap());
    scene.call("GET", &path, &[("x-request-id", "my-id")]).await.expect(200);
    scene.post("/events", r#"{"event":"command.failed","data":{"a":"p4yload"}}"#).await.expect(202);
    scene.post("/events", r#"{"event":"b4d","data":"p4yload"}"#).await.expect(422);
    scene.call("GET", "/webhooks", &[("authorization", "Bearer wr0ng")]).await.expect(401);
    scene.call("GET", "/n0where", &[]).await.expect(404);

    let text = logged();
    for expected in [
        r#"method="GET" route="/webhooks/{id}" request_id="my-id" status=200 duration_ms="#,
        r#"method="POST" route="/events""#,
        r#"route="unmatched""#,
        "status=401",
        "status=422",
    ] {
        assert!(text.contains(expected), "{expected} is missing in {text}");
    }
    let secret = made["secret"].as_str().unwrap();
    for hidden in
        [KEY, secret, "p4th", "h3ader", "d3scription", "qu3ry", "p4yload", "b4d", "wr0ng", "n0where"]
    {
        assert!(!text.contains(hidden), "{hidden} is in {text}");
    }
    assert!(!text.contains("ERROR"), "{text}");
}

#[tokio::test]
async fn an_internal_error_is_logged_once_with_its_cause() {
    let scene = Scene::with(|services| services.events = Arc::new(Broken::Corrupt));
    scene.call("GET", "/events", &[("x-request-id", "my-id")]).await.expect(500);
    let text = logged();
    let errors: Vec<_> = text.lines().filter(|line| line.contains("ERROR")).collect();
    assert_eq!(errors.len(), 1, "{text}");
    assert!(errors[0].contains("t.c of i cannot be read: s3cret"), "{text}");
    assert!(errors[0].contains("my-id"), "{text}");
}

/// Returns a listener that does not listen, so that accepting fails at once, as it does without file descriptors.
fn deaf_listener() -> TcpListener {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    TcpListener::from_std(socket.as_fd().try_clone_to_owned().unwrap().into()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn failures_to_accept_are_logged_once_a_minute() {
    install();
    let (listener, drain, began) = (deaf_listener(), CancellationToken::new(), Instant::now());
    let server = tokio::spawn(serve(listener, Router::new(), drain.clone(), ServeOptions::default()));
    for (minute, seconds) in [(1, 59), (2, 119), (3, 179)] {
        sleep_until(began + Duration::from_secs(seconds)).await;
        let text = logged();
        let failures = text.lines().filter(|line| line.contains("cannot accept connections")).count();
        assert_eq!(failures, 1, "in minute {minute}: {text}");
    }
    drain.cancel();
    server.await.unwrap().unwrap();
}
