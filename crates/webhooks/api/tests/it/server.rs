//! The server over real sockets.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use rdev_webhooks_http_api::{ServeOptions, serve};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use crate::scene::{EVENT, KEY, Scene};

/// Maximum wait in these tests; a longer one means a fault.
const PATIENCE: Duration = Duration::from_secs(20);

struct Running {
    address: SocketAddr,
    drain: CancellationToken,
    server: JoinHandle<std::io::Result<()>>,
}

async fn run(router: Router, options: ServeOptions) -> Running {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let drain = CancellationToken::new();
    let server = tokio::spawn(serve(listener, router, drain.clone(), options));
    Running { address, drain, server }
}

impl Running {
    async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.address).await.unwrap()
    }

    /// Sends bytes, and reads until the server closes the connection.
    async fn exchange(&self, request: &[u8]) -> String {
        let mut stream = self.connect().await;
        stream.write_all(request).await.unwrap();
        read_to_end(stream).await
    }
}

async fn read_to_end(mut stream: TcpStream) -> String {
    let mut bytes = Vec::new();
    timeout(PATIENCE, stream.read_to_end(&mut bytes)).await.unwrap().unwrap();
    String::from_utf8(bytes).unwrap()
}

/// Reads until the text ends with `end`.
async fn read_until(stream: &mut TcpStream, end: &str) -> String {
    let mut text = String::new();
    while !text.ends_with(end) {
        let mut bytes = [0; 4_096];
        let count = timeout(PATIENCE, stream.read(&mut bytes)).await.unwrap().unwrap();
        assert!(count > 0, "the connection ended after {text}");
        text.push_str(std::str::from_utf8(&bytes[..count]).unwrap());
    }
    text
}

fn post(path: &str, headers: &str, body: &str) -> Vec<u8> {
    format!(
        "POST {path} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {KEY}\r\ncontent-type: application/json\r\n{headers}\r\n{body}"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_connection_serves_several_requests() {
    let running = run(Scene::new().router, ServeOptions::default()).await;
    let mut stream = running.connect().await;
    for _ in 0..3 {
        stream
            .write_all(&post("/events", &format!("content-length: {}\r\n", EVENT.len()), EVENT))
            .await
            .unwrap();
        let answer = read_until(&mut stream, "\"deliveries\":0}").await;
        assert!(answer.starts_with("HTTP/1.1 202 "), "{answer}");
    }
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(stream).await.ends_with("{\"status\":\"ok\"}"));
}

#[tokio::test]
async fn a_client_that_sends_too_much_gets_the_reason() {
    let running = run(Scene::new().router, ServeOptions::default()).await;
    let body = "x".repeat(3_000_000);
    let announced =
        post("/events", &format!("connection: close\r\ncontent-length: {}\r\n", body.len()), &body);
    assert!(running.exchange(&announced).await.starts_with("HTTP/1.1 413 "));

    let chunk = format!("{:x}\r\n{}\r\n", body.len(), body);
    let chunked =
        post("/events", "connection: close\r\ntransfer-encoding: chunked\r\n", &format!("{chunk}0\r\n\r\n"));
    assert!(running.exchange(&chunked).await.starts_with("HTTP/1.1 413 "));

    // The same without a key.
    let anonymous = format!(
        "POST /events HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    assert!(running.exchange(anonymous.as_bytes()).await.starts_with("HTTP/1.1 401 "));
}

#[tokio::test]
async fn a_connection_survives_a_refused_body() {
    let running = run(Scene::new().router, ServeOptions::default()).await;
    let mut stream = running.connect().await;
    let body = "x".repeat(300_000);
    stream.write_all(&post("/events", &format!("content-length: {}\r\n", body.len()), &body)).await.unwrap();
    assert!(read_until(&mut stream, "\"errors\":[]}").await.starts_with("HTTP/1.1 413 "));
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    assert!(read_to_end(stream).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn a_refusal_does_not_wait_for_the_body() {
    let running = run(Scene::new().router, ServeOptions::default()).await;
    for (head, status) in [
        ("content-length: 100\r\n".to_owned(), "401"),
        (
            format!("authorization: Bearer {KEY}\r\ncontent-type: text/plain\r\ncontent-length: 100\r\n"),
            "415",
        ),
        (
            format!(
                "authorization: Bearer {KEY}\r\ncontent-type: application/json\r\ncontent-length: 300000\r\n"
            ),
            "413",
        ),
        (
            format!(
                "authorization: Bearer {KEY}\r\ncontent-type: application/json\r\nexpect: 100-continue\r\ncontent-length: 300000\r\n"
            ),
            "413",
        ),
    ] {
        let mut stream = running.connect().await;
        stream.write_all(format!("POST /events HTTP/1.1\r\nhost: x\r\n{head}\r\n").as_bytes()).await.unwrap();
        let answer = read_until(&mut stream, "]}").await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{answer}");
    }
}

#[tokio::test]
async fn expect_continue_is_answered_for_an_acceptable_body() {
    let running = run(Scene::new().router, ServeOptions::default()).await;
    let mut stream = running.connect().await;
    let head = format!("expect: 100-continue\r\ncontent-length: {}\r\n", EVENT.len());
    stream.write_all(&post("/events", &head, "")).await.unwrap();
    assert_eq!(read_until(&mut stream, "\r\n\r\n").await, "HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(EVENT.as_bytes()).await.unwrap();
    assert!(read_until(&mut stream, "}").await.starts_with("HTTP/1.1 202 "));
}

#[tokio::test]
async fn a_slow_client_is_disconnected() {
    let wait = Duration::from_millis(50);
    let options = ServeOptions { header_read_timeout: wait, idle_timeout: wait, ..ServeOptions::default() };
    let running = run(Scene::new().router, options).await;
    for begun in ["", "P", "GET /healthz HTTP/1.1\r\nhost:"] {
        let mut stream = running.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let answer = read_to_end(stream).await;
        assert!(answer.is_empty(), "{begun:?}: {answer}");
    }
    let mut stream = running.connect().await;
    stream.write_all(b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    let answer = read_to_end(stream).await;
    assert!(
        answer.ends_with("{\"status\":\"ok\"}"),
        "an idle connection is closed without a response: {answer}"
    );
}

#[tokio::test]
async fn an_idle_connection_may_wait_longer_than_a_head_may_take() {
    let options = ServeOptions {
        header_read_timeout: Duration::from_millis(50),
        idle_timeout: Duration::from_secs(3_600),
        ..ServeOptions::default()
    };
    let running = run(Scene::new().router, options).await;
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\n\r\n";
    let mut idle = running.connect().await;
    idle.write_all(request).await.unwrap();
    read_until(&mut idle, "{\"status\":\"ok\"}").await;
    // By the time that another connection is closed, this one would be closed too.
    for begun in ["", "GET"] {
        let mut dawdling = running.connect().await;
        dawdling.write_all(begun.as_bytes()).await.unwrap();
        assert_eq!(read_to_end(dawdling).await, "");
    }
    idle.write_all(request).await.unwrap();
    read_until(&mut idle, "{\"status\":\"ok\"}").await;
    // A connection with part of a head is no longer idle.
    idle.write_all(b"GET").await.unwrap();
    assert_eq!(read_to_end(idle).await, "");
}

#[tokio::test]
async fn a_request_must_name_its_host_once() {
    let running = run(Scene::new().router, ServeOptions::default()).await;
    for hosts in ["", "host: a\r\nhost: a\r\n", "host: a\r\nhost: b\r\n", "host: a b\r\n"] {
        let request = format!("GET /healthz HTTP/1.1\r\n{hosts}\r\n");
        let answer = running.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 400 "), "{hosts:?}: {answer}");
    }
    assert!(running.exchange(b"GET /healthz HTTP/1.0\r\n\r\n").await.contains(" 200 "));
}

#[tokio::test]
async fn a_head_has_32_kib_at_most() {
    let running = run(Scene::new().router, ServeOptions::default()).await;
    let frame = "GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-a: \r\n\r\n".len();
    for (len, status) in [(32_768, "200"), (32_769, "431"), (40_000, "431")] {
        let value = "a".repeat(len - frame);
        let request =
            format!("GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-a: {value}\r\n\r\n");
        let answer = running.exchange(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{len}: {answer}");
    }
}

#[tokio::test]
async fn max_head_bytes_and_max_headers_limit_a_head() {
    let options = ServeOptions { max_headers: 20, max_head_bytes: 8_192, ..ServeOptions::default() };
    let running = run(Scene::new().router, options).await;
    let many: String = (0..30).map(|n| format!("x-{n}: 1\r\n")).collect();
    let large = format!("x-a: {}\r\n", "a".repeat(20_000));
    for headers in [many, large] {
        let request = format!("GET /healthz HTTP/1.1\r\nhost: x\r\n{headers}\r\n");
        let answer = running.exchange(request.as_bytes()).await;
        assert!(answer.starts_with("HTTP/1.1 431 "), "{answer}");
    }
}

#[tokio::test]
async fn no_content_and_not_modified_are_framed_as_http_requires() {
    let scene = Scene::new();
    let path = format!("/webhooks/{}", scene.webhook().await);
    let running = run(scene.router.clone(), ServeOptions::default()).await;
    let head = format!("host: x\r\nauthorization: Bearer {KEY}\r\nconnection: close\r\n");
    let not_modified = format!("GET {path} HTTP/1.1\r\n{head}if-none-match: \"1\"\r\n\r\n");
    let answer = running.exchange(not_modified.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 304 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    let no_content = format!("DELETE {path} HTTP/1.1\r\n{head}\r\n");
    let answer = running.exchange(no_content.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 204 ") && answer.ends_with("\r\n\r\n"), "{answer}");
    assert!(!answer.contains("content-length"), "{answer}");
}

#[tokio::test]
async fn an_http_2_connection_is_closed() {
    let running = run(Scene::new().router, ServeOptions::default()).await;
    // The preface of RFC 9113 (section 3.4) and empty settings.
    let answer = running.exchange(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 400 "), "{answer}");
}

/// Returns a router whose only response waits for a signal.
fn waiting() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (begun, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (announce, wait) = (begun.clone(), go.clone());
    let handler = move || async move {
        announce.notify_one();
        wait.notified().await;
        "done"
    };
    (Router::new().route("/", get(handler)), begun, go)
}

#[tokio::test]
async fn a_shutdown_lets_requests_in_progress_finish() {
    let (router, begun, go) = waiting();
    let running = run(router, ServeOptions::default()).await;
    let idle = running.connect().await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    running.drain.cancel();
    assert_eq!(read_to_end(idle).await, "");
    go.notify_one();
    let answer = read_to_end(busy).await;
    assert!(answer.ends_with("done"), "{answer}");
    timeout(PATIENCE, running.server).await.unwrap().unwrap().unwrap();
    assert!(TcpStream::connect(running.address).await.is_err());
}

#[tokio::test]
async fn a_shutdown_aborts_requests_after_the_drain_timeout() {
    let (router, begun, _go) = waiting();
    let options = ServeOptions { drain_timeout: Duration::from_millis(50), ..ServeOptions::default() };
    let running = run(router, options).await;
    let mut busy = running.connect().await;
    busy.write_all(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
    begun.notified().await;
    running.drain.cancel();
    timeout(PATIENCE, running.server).await.unwrap().unwrap().unwrap();
    assert_eq!(read_to_end(busy).await, "");
}

#[tokio::test]
async fn half_sent_heads_make_room_for_complete_ones() {
    let options = ServeOptions {
        max_connections: 4,
        header_read_timeout: Duration::from_secs(3_600),
        ..ServeOptions::default()
    };
    let running = run(Scene::new().router, options).await;
    let mut half_sent = Vec::new();
    for _ in 0..20 {
        let mut stream = running.connect().await;
        stream.write_all(b"G").await.unwrap();
        half_sent.push(stream);
    }
    let request = b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(running.exchange(request).await.starts_with("HTTP/1.1 200 "));
}

#[tokio::test]
async fn probes_are_answered_while_every_connection_is_busy() {
    let (router, begun, go) = waiting();
    let router = Scene::new().router.merge(router);
    let options = ServeOptions { max_connections: 1, ..ServeOptions::default() };
    let running = run(router, options).await;
    let mut first = running.connect().await;
    first.write_all(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await.unwrap();
    begun.notified().await;
    for (path, status) in [("/healthz", "200"), ("/readyz", "200"), ("/docs", "503"), ("/webhooks", "503")] {
        // The server closes the connection, to make room for the next probe.
        let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\n\r\n");
        let answer = running.exchange(request.as_bytes()).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}");
    }
    go.notify_one();
    assert!(read_to_end(first).await.ends_with("done"));
    let request = b"GET /docs HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    assert!(running.exchange(request).await.starts_with("HTTP/1.1 200 "));
}
