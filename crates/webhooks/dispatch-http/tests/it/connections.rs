//! Reuse of connections, repeated requests, and the limits of both.

use std::future::Future;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rdev_webhooks_dispatch_http::{HttpDispatcher, Options};
use rdev_webhooks_domain::FailureClass;
use rdev_webhooks_domain::ports::{Dispatcher, LocalCause, MAX_LOCAL_WAIT};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use crate::receiver::{OK, Peer, Receiver, friendly, within};
use crate::setup::{failure, local, options, request, send};
use crate::tls::{Authority, url};

fn with(change: impl FnOnce(&mut Options)) -> HttpDispatcher {
    let mut options = options(&["127.0.0.0/8"]);
    change(&mut options);
    HttpDispatcher::new(options).unwrap()
}

/// Answers one request, and drops the connection with the next, as a server does whose idle time-out has just
/// passed.
async fn answer_once(mut peer: Peer) {
    peer.request().await.unwrap();
    peer.send(OK).await;
    peer.request().await;
    peer.stream.set_zero_linger().unwrap();
}

#[tokio::test]
async fn a_request_on_a_stale_connection_is_sent_again_on_another() {
    let receiver = Receiver::start(answer_once).await;
    let dispatcher = local();
    for connections in 1..=4 {
        let report = send(&dispatcher, receiver.url("/")).await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        assert!(report.phases.connect.is_some(), "the phases of the connection that served it");
        assert_eq!(receiver.accepted(), connections);
    }
}

#[tokio::test]
async fn a_request_is_sent_again_once_and_only_where_the_connection_was_used_before() {
    let connections = Arc::new(AtomicUsize::new(0));
    let receiver = Receiver::start(move |mut peer| {
        let is_first = connections.fetch_add(1, Ordering::SeqCst) == 0;
        async move {
            if is_first {
                peer.request().await.unwrap();
                peer.send(OK).await;
            }
            peer.request().await;
        }
    })
    .await;
    let dispatcher = local();
    let first = send(&dispatcher, receiver.url("/")).await;
    assert!(first.outcome.is_success(), "{:?}", first.outcome.failure);
    failure(&send(&dispatcher, receiver.url("/")).await, FailureClass::Reset);
    assert_eq!(receiver.accepted(), 2, "sent once more");
    failure(&send(&dispatcher, receiver.url("/")).await, FailureClass::Reset);
    assert_eq!(receiver.accepted(), 3, "a new connection that ends says nothing about the request");
}

#[tokio::test]
async fn a_request_with_a_partial_response_is_not_sent_again() {
    let receiver = Receiver::start(|mut peer| async move {
        peer.request().await.unwrap();
        peer.send(OK).await;
        peer.request().await;
        peer.send(b"HTTP/1.1 200 OK\r\nx: ").await;
    })
    .await;
    let dispatcher = local();
    send(&dispatcher, receiver.url("/")).await;
    failure(&send(&dispatcher, receiver.url("/")).await, FailureClass::Reset);
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn a_connection_is_closed_before_the_endpoint_closes_it() {
    let receiver = Receiver::start(|mut peer| async move {
        while peer.request().await.is_some() {
            peer.send(b"HTTP/1.1 200 OK\r\nkeep-alive: timeout=0\r\ncontent-length: 0\r\n\r\n").await;
        }
    })
    .await;
    let dispatcher = local();
    for connections in 1..=3 {
        assert!(send(&dispatcher, receiver.url("/")).await.outcome.is_success());
        assert_eq!(receiver.accepted(), connections);
    }
}

#[tokio::test]
async fn a_connection_that_is_too_old_is_not_used_again() {
    let receiver = Receiver::start_friendly().await;
    let dispatcher = with(|options| options.max_connection_age = Duration::ZERO);
    for connections in 1..=3 {
        assert!(send(&dispatcher, receiver.url("/")).await.outcome.is_success());
        assert_eq!(receiver.accepted(), connections);
    }
}

/// Serves until the connection is closed, and reports that.
async fn watched() -> (Receiver, mpsc::UnboundedReceiver<()>) {
    let (sender, closed) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |peer| {
        let sender = sender.clone();
        async move {
            friendly(peer).await;
            let _ = sender.send(());
        }
    })
    .await;
    (receiver, closed)
}

#[tokio::test]
async fn unused_connections_are_bounded_and_the_longest_unused_is_closed_first() {
    let dispatcher = with(|options| options.max_idle_connections = 2);
    let mut receivers = Vec::new();
    for _ in 0..4 {
        let (receiver, closed) = watched().await;
        assert!(send(&dispatcher, receiver.url("/")).await.outcome.is_success());
        receivers.push((receiver, closed));
    }
    for (_, closed) in &mut receivers[..2] {
        within(closed.recv()).await.unwrap();
    }
    for (receiver, _) in &receivers[2..] {
        assert!(send(&dispatcher, receiver.url("/")).await.outcome.is_success());
        assert_eq!(receiver.accepted(), 1, "the others are still open");
    }
}

#[tokio::test]
async fn an_unused_connection_makes_room_for_one_that_is_needed() {
    let dispatcher = with(|options| options.max_connections = 1);
    for _ in 0..3 {
        let (receiver, mut closed) = watched().await;
        assert!(send(&dispatcher, receiver.url("/")).await.outcome.is_success());
        let other = Receiver::start_friendly().await;
        assert!(send(&dispatcher, other.url("/")).await.outcome.is_success());
        within(closed.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_beyond_the_limit_is_a_local_fault() {
    let (asked, mut has_asked) = mpsc::unbounded_channel();
    let silent = Receiver::start(move |mut peer: Peer| {
        let asked = asked.clone();
        async move {
            peer.request().await.unwrap();
            asked.send(()).unwrap();
            peer.hold().await;
        }
    })
    .await;
    let dispatcher = Arc::new(with(|options| options.max_connections = 1));
    let mut holding = request(silent.url("/"));
    holding.deadline = Duration::from_secs(3_600);
    let held = Arc::clone(&dispatcher);
    let holding = tokio::spawn(async move { held.send(holding).await });
    within(has_asked.recv()).await.unwrap();

    let other = Receiver::start_friendly().await;
    tokio::time::pause();
    let began = tokio::time::Instant::now();
    let mut waiting = request(other.url("/"));
    waiting.deadline = Duration::from_secs(1);
    let fault = dispatcher.send(waiting).await.unwrap_err();
    assert_eq!(fault.cause, LocalCause::Capacity);
    let waited = began.elapsed();
    assert!((MAX_LOCAL_WAIT..MAX_LOCAL_WAIT + Duration::from_secs(1)).contains(&waited), "{waited:?}");
    holding.abort();
}

#[tokio::test]
async fn running_out_of_descriptors_is_a_local_fault() {
    const CHILD: &str = "RDEV_TEST_FEW_DESCRIPTORS";
    if std::env::var_os(CHILD).is_none() {
        let name = "connections::running_out_of_descriptors_is_a_local_fault";
        let script = "ulimit -n 64 && exec \"$0\" --exact \"$1\"";
        let child = Command::new("sh")
            .args(["-c", script])
            .arg(std::env::current_exe().unwrap())
            .arg(name)
            .env(CHILD, "1")
            .output()
            .unwrap();
        let output = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success() && output.contains("1 passed"), "{output}");
        return;
    }
    let receiver = Receiver::start_friendly().await;
    let dispatcher = local();
    let mut files = Vec::new();
    while let Ok(file) = std::fs::File::open("/dev/null") {
        files.push(file);
    }
    let fault = dispatcher.send(request(receiver.url("/"))).await.unwrap_err();
    assert_eq!(fault.cause, LocalCause::Resources);
    assert!(fault.detail.contains("descriptors"), "{}", fault.detail);
    drop(files);
    assert!(send(&dispatcher, receiver.url("/")).await.outcome.is_success());
}

#[tokio::test]
async fn a_response_without_a_length_and_without_close_notify_is_a_success() {
    for answer in [
        &b"HTTP/1.0 200 OK\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nok\r\n",
        b"HTTP/1.1 201 Created\r\ncontent-length: 100\r\n\r\nok",
    ] {
        let authority = Authority::new();
        let acceptor = authority.acceptor(&[b"http/1.1"]);
        let receiver = Receiver::start(move |peer: Peer| {
            let acceptor = acceptor.clone();
            async move {
                let mut tls = acceptor.accept(peer.stream).await.unwrap();
                let mut head = [0; 4_096];
                let read = tls.read(&mut head).await.unwrap();
                assert!(read > 0);
                tls.write_all(answer).await.unwrap();
                tls.flush().await.unwrap();
                let (mut tcp, _) = tls.into_inner();
                tcp.shutdown().await.unwrap();
                let _ = tcp.read(&mut head).await;
            }
        })
        .await;
        let report = send(&authority.trusting(), url("hooks.example.com", &receiver)).await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        assert!(b"ok".starts_with(&report.outcome.response.unwrap().body));
    }
}

/// A server that reads and writes raw HTTP/2 frames.
struct Frames(TlsStream<TcpStream>);

const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const REFUSED_STREAM: u32 = 7;

impl Frames {
    async fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> bool {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat();
        self.0.write_all(&frame).await.is_ok() && self.0.flush().await.is_ok()
    }

    /// Reads up to the head of the next request. Returns `None` if the connection ended.
    async fn request(&mut self) -> Option<u32> {
        loop {
            let mut header = [0; 9];
            self.0.read_exact(&mut header).await.ok()?;
            let [a, b, c, kind, _, s, t, u, v] = header;
            let mut payload = vec![0; u32::from_be_bytes([0, a, b, c]) as usize];
            self.0.read_exact(&mut payload).await.ok()?;
            if kind == 1 {
                return Some(u32::from_be_bytes([s, t, u, v]));
            }
        }
    }

    async fn ok(&mut self, stream: u32) {
        self.send(1, 5, stream, b"\x88").await;
    }
}

/// Returns a receiver whose connections act according to a script, which gets their number from 0.
async fn frames<Script, Run>(authority: &Authority, script: Script) -> Receiver
where
    Script: Fn(Frames, usize) -> Run + Send + Sync + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let (acceptor, script) = (authority.acceptor(&[b"h2"]), Arc::new(script));
    let count = Arc::new(AtomicUsize::new(0));
    Receiver::start(move |peer: Peer| {
        let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
        let number = count.fetch_add(1, Ordering::SeqCst);
        async move {
            let mut tls = acceptor.accept(peer.stream).await.unwrap();
            let mut preface = [0; 24];
            tls.read_exact(&mut preface).await.unwrap();
            let mut frames = Frames(tls);
            frames.send(SETTINGS, 0, 0, b"").await;
            script(frames, number).await;
        }
    })
    .await
}

#[tokio::test]
async fn a_stream_that_was_not_processed_is_sent_again_on_another_connection() {
    for kind in [3, GOAWAY] {
        let authority = Authority::new();
        let receiver = frames(&authority, move |mut frames, number| async move {
            while let Some(stream) = frames.request().await {
                if number == 0 && stream > 1 {
                    let _ = match kind {
                        GOAWAY => frames.send(GOAWAY, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0]).await,
                        kind => frames.send(kind, 0, stream, &REFUSED_STREAM.to_be_bytes()).await,
                    };
                } else {
                    frames.ok(stream).await;
                }
            }
        })
        .await;
        let dispatcher = authority.trusting();
        for _ in 0..4 {
            let report = send(&dispatcher, url("hooks.example.com", &receiver)).await;
            assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        }
        assert_eq!(receiver.accepted(), 2);
    }
}

#[tokio::test]
async fn a_stream_that_may_have_been_processed_is_not_sent_again() {
    let authority = Authority::new();
    let receiver = frames(&authority, |mut frames, _| async move {
        let stream = frames.request().await.unwrap();
        frames.ok(stream).await;
        frames.request().await.unwrap();
        // The second stream, 3, is the last that the server processes.
        frames.send(GOAWAY, 0, 0, &[0, 0, 0, 3, 0, 0, 0, 0]).await;
    })
    .await;
    let dispatcher = authority.trusting();
    assert!(send(&dispatcher, url("hooks.example.com", &receiver)).await.outcome.is_success());
    failure(&send(&dispatcher, url("hooks.example.com", &receiver)).await, FailureClass::Reset);
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn a_flood_of_frames_ends_the_connection() {
    for (kind, payload) in [(PING, &b"12345678"[..]), (SETTINGS, b""), (0xfa, b"")] {
        let authority = Authority::new();
        let (sender, mut closed) = mpsc::unbounded_channel();
        let receiver = frames(&authority, move |mut frames, _| {
            let sender = sender.clone();
            async move {
                frames.request().await.unwrap();
                while frames.send(kind, 0, 0, payload).await {}
                sender.send(()).unwrap();
            }
        })
        .await;
        let dispatcher = authority.trusting();
        let report = within(send(&dispatcher, url("hooks.example.com", &receiver))).await;
        let detail = failure(&report, FailureClass::Protocol);
        assert!(detail.contains("floods"), "{detail}");
        within(closed.recv()).await.unwrap();
    }
}

#[tokio::test]
async fn a_connection_whose_only_request_timed_out_is_closed() {
    let authority = Authority::new();
    let (sender, mut closed) = mpsc::unbounded_channel();
    let receiver = frames(&authority, move |mut frames, _| {
        let sender = sender.clone();
        async move {
            frames.request().await.unwrap();
            assert_eq!(frames.request().await, None);
            sender.send(()).unwrap();
        }
    })
    .await;
    let dispatcher = authority.trusting();
    let mut request = request(url("hooks.example.com", &receiver));
    request.deadline = Duration::from_millis(300);
    let report = dispatcher.send(request).await.unwrap();
    failure(&report, FailureClass::Timeout);
    within(closed.recv()).await.unwrap();
}

#[tokio::test]
async fn a_shared_connection_that_is_too_old_is_not_used_again() {
    let authority = Authority::new();
    let receiver = frames(&authority, |mut frames, _| async move {
        while let Some(stream) = frames.request().await {
            frames.ok(stream).await;
        }
    })
    .await;
    let dispatcher = authority.dispatcher(|options| options.max_connection_age = Duration::ZERO);
    for connections in 1..=3 {
        let report = send(&dispatcher, url("hooks.example.com", &receiver)).await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        assert_eq!(receiver.accepted(), connections);
    }
}
