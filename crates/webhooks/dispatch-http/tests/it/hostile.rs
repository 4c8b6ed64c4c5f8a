//! Malicious receivers, or very broken ones: each exchange ends within its deadline, in bounded memory, with
//! the right class.

use std::future::Future;
use std::time::{Duration, Instant};

use bytes::Bytes;
use rdev_webhooks_domain::ports::{DispatchReport, Dispatcher};
use rdev_webhooks_domain::{FailureClass, RESPONSE_BODY_LIMIT};
use tokio::sync::mpsc;

use crate::receiver::{OK, PATIENCE, Peer, Receiver, within};
use crate::setup::{SECRET_PATH, failure, local, request};

const SHORT: Duration = Duration::from_millis(300);

/// Sends one delivery to a scripted receiver, with a deadline of 300 ms if it is meant to expire.
async fn deliver<Script, Run>(deadline: Duration, script: Script) -> DispatchReport
where
    Script: Fn(Peer) -> Run + Send + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let receiver = Receiver::start(script).await;
    let mut request = request(receiver.url(SECRET_PATH));
    request.deadline = deadline;
    let started = Instant::now();
    let report = local().send(request).await.unwrap();
    assert!(started.elapsed() < deadline + Duration::from_secs(2));
    report
}

/// Sends one delivery to a receiver that reads the request, writes `answer`, and closes gracefully.
async fn answer(answer: &'static [u8]) -> DispatchReport {
    deliver(PATIENCE, move |mut peer| async move {
        peer.request().await.unwrap();
        peer.send(answer).await;
    })
    .await
}

#[tokio::test]
async fn an_endless_body_is_truncated_and_its_connection_dropped() {
    for head in [
        &b"HTTP/1.1 200 OK\r\n\r\n"[..],
        b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000000\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nfffffffffff\r\n",
    ] {
        let (sender, mut cut_off) = mpsc::unbounded_channel();
        let receiver = Receiver::start(move |mut peer| {
            let sender = sender.clone();
            async move {
                peer.request().await.unwrap();
                peer.send(head).await;
                while peer.send(&[b'x'; 65_536]).await {}
                sender.send(()).unwrap();
            }
        })
        .await;
        let dispatcher = local();
        let report = dispatcher.send(request(receiver.url("/"))).await.unwrap();
        assert!(report.outcome.is_success(), "2xx is a success: {:?}", report.outcome.failure);
        let response = report.outcome.response.unwrap();
        assert_eq!(response.body.len(), RESPONSE_BODY_LIMIT);
        assert!(response.truncated);
        within(cut_off.recv()).await.expect("the connection was closed");
    }
}

#[tokio::test]
async fn a_dripping_body_ends_at_the_deadline_and_is_kept() {
    let report = deliver(SHORT, |mut peer| async move {
        peer.request().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 1000\r\n\r\n").await;
        let mut drip = tokio::time::interval(Duration::from_millis(50));
        loop {
            drip.tick().await;
            peer.send(b"x").await;
        }
    })
    .await;
    let detail = failure(&report, FailureClass::Timeout);
    assert_eq!(detail, "timed out after 300 ms while reading the response's body");
    let response = report.outcome.response.unwrap();
    assert_eq!(response.status, 200);
    assert!((1..1000).contains(&response.body.len()));
}

#[tokio::test]
async fn a_dripping_head_ends_at_the_deadline() {
    let report = deliver(SHORT, |mut peer| async move {
        peer.request().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\nx: ").await;
        let mut drip = tokio::time::interval(Duration::from_millis(50));
        loop {
            drip.tick().await;
            peer.send(b"x").await;
        }
    })
    .await;
    let detail = failure(&report, FailureClass::Timeout);
    assert_eq!(detail, "timed out after 300 ms while waiting for the response's head");
    assert_eq!(report.outcome.response, None);
    assert!(report.phases.connect.is_some());
    assert_eq!(report.phases.first_byte, None);
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let silent = deliver(SHORT, Peer::hold).await;
    let detail = failure(&silent, FailureClass::Timeout);
    assert!(detail.ends_with("while waiting for the response's head"), "{detail}");
}

#[tokio::test]
async fn a_flood_of_informational_responses_is_a_protocol_failure() {
    const HINTS: &[u8] = b"HTTP/1.1 103 Early Hints\r\nlink: </style.css>; rel=preload\r\n\r\n";
    let flood = deliver(PATIENCE, |mut peer| async move {
        peer.request().await.unwrap();
        while peer.send(HINTS).await {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let detail = failure(&flood, FailureClass::Protocol);
    assert!(detail.contains("floods"), "{detail}");

    // Some of them, and a body beyond the bound, are in order.
    let body = vec![b'x'; 1 << 20];
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n", body.len());
    let few = deliver(PATIENCE, move |mut peer| {
        let answer = [HINTS.repeat(100).as_slice(), head.as_bytes(), &body].concat();
        async move {
            peer.request().await.unwrap();
            peer.send(&answer).await;
        }
    })
    .await;
    assert_eq!(few.outcome.failure, None);
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_a_protocol_failure() {
    let large = deliver(PATIENCE, |mut peer| async move {
        peer.request().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\n").await;
        for _ in 0..1_024 {
            peer.send(format!("x: {}\r\n", "y".repeat(1_019)).as_bytes()).await;
        }
        peer.send(b"\r\n").await;
        peer.hold().await;
    })
    .await;
    let many = deliver(PATIENCE, |mut peer| async move {
        peer.request().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\n").await;
        peer.send("x: y\r\n".repeat(1_000).as_bytes()).await;
        peer.send(b"\r\n").await;
        peer.hold().await;
    })
    .await;
    for report in [large, many] {
        let detail = failure(&report, FailureClass::Protocol);
        assert!(detail.contains("32 KiB"), "{detail}");
        assert_eq!(report.outcome.response, None);
    }
}

#[tokio::test]
async fn kept_headers_are_bounded() {
    let report = deliver(PATIENCE, |mut peer| async move {
        peer.request().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\n").await;
        peer.send(format!("x: {}\r\n", "y".repeat(999)).repeat(30).as_bytes()).await;
        peer.send(b"content-length: 0\r\n\r\n").await;
        peer.hold().await;
    })
    .await;
    assert!(report.outcome.is_success());
    assert_eq!(report.outcome.response.unwrap().headers.len(), 16);
}

#[tokio::test]
async fn a_connection_closed_before_a_response_is_a_reset() {
    let after_request = answer(b"").await;
    let within_head = answer(b"HTTP/1.1 200 OK\r\nx: y").await;
    let at_once = deliver(PATIENCE, |peer| async move { drop(peer) }).await;
    let torn = deliver(PATIENCE, |mut peer| async move {
        peer.head().await.unwrap();
        peer.stream.set_zero_linger().unwrap();
    })
    .await;
    for report in [after_request, within_head, at_once, torn] {
        failure(&report, FailureClass::Reset);
        assert_eq!(report.outcome.response, None);
        assert!(report.phases.connect.is_some());
    }
}

#[tokio::test]
async fn an_incomplete_body_leaves_the_result_to_the_status() {
    let torn = deliver(PATIENCE, |mut peer| async move {
        peer.request().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhello").await;
        peer.stream.set_zero_linger().unwrap();
    })
    .await;
    let short = answer(b"HTTP/1.1 204 OK\r\ncontent-length: 100\r\n\r\nhello").await;
    let unended = answer(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5\r\nhello\r\n5\r\nwo").await;
    for report in [torn, short, unended] {
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
    }
    let report = answer(b"HTTP/1.1 500 No\r\ncontent-length: 100\r\n\r\nhello").await;
    let detail = failure(&report, FailureClass::Status);
    assert_eq!(detail, "the endpoint responded with 500");
    let response = report.outcome.response.unwrap();
    assert_eq!((&response.body[..], response.truncated), (&b"hello"[..], true));
}

#[tokio::test]
async fn bytes_after_the_announced_length_never_reach_the_next_delivery() {
    let receiver = Receiver::start(|mut peer| async move {
        while peer.request().await.is_some() {
            let smuggled = b"HTTP/1.1 500 Smuggled\r\ncontent-length: 0\r\n\r\n";
            peer.send(&[OK, smuggled].concat()).await;
        }
    })
    .await;
    let dispatcher = local();
    for _ in 0..5 {
        let report = dispatcher.send(request(receiver.url("/"))).await.unwrap();
        assert_ne!(report.outcome.status(), Some(500));
    }
}

#[tokio::test]
async fn other_bytes_than_http_are_a_protocol_failure() {
    for bytes in [
        &b"SSH-2.0-OpenSSH_9.2\r\n"[..],
        b"HTTP/1.1 abc OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
        b"HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx y: z\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x46",
    ] {
        let report = answer(bytes).await;
        failure(&report, FailureClass::Protocol);
        assert_eq!(report.outcome.response, None);
    }
}

#[tokio::test]
async fn bytes_before_the_request_are_a_protocol_failure() {
    let report = deliver(PATIENCE, |mut peer| async move {
        peer.send(b"220 mail.example.com ESMTP\r\n").await;
        peer.hold().await;
    })
    .await;
    failure(&report, FailureClass::Protocol);
}

#[tokio::test]
async fn invalid_chunks_leave_the_result_to_the_status_and_end_the_connection() {
    for chunks in [
        "zz\r\nhello\r\n",
        "fffffffffffffffffffffffff\r\nhello\r\n",
        "5\r\nhelloXX5\r\nworld\r\n",
        "-5\r\nhello\r\n",
    ] {
        let (sender, mut closed) = mpsc::unbounded_channel();
        let report = deliver(PATIENCE, move |mut peer| {
            let sender = sender.clone();
            async move {
                peer.request().await.unwrap();
                peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
                peer.send(chunks.as_bytes()).await;
                peer.closed().await;
                let _ = sender.send(());
            }
        })
        .await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        assert!(report.outcome.response.unwrap().truncated);
        // The receiver, and with it the script, may end first.
        let _ = within(closed.recv()).await;
    }
}

#[tokio::test]
async fn endless_chunk_extensions_and_trailers_are_truncated() {
    for (start, more) in [("5;x=", "y"), ("0\r\n", "x: y\r\n")] {
        let report = deliver(PATIENCE, move |mut peer| async move {
            peer.request().await.unwrap();
            peer.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n").await;
            peer.send(start.as_bytes()).await;
            while peer.send(more.repeat(1_024).as_bytes()).await {}
        })
        .await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        assert!(report.duration < PATIENCE / 2);
    }
}

#[tokio::test]
async fn a_response_before_the_body_was_read_counts() {
    let receiver = Receiver::start(|mut peer| async move {
        peer.head().await.unwrap();
        peer.send(OK).await;
        peer.hold().await;
    })
    .await;
    let mut request = request(receiver.url("/"));
    request.body = Bytes::from(vec![b'x'; 16 * 1024 * 1024]);
    let report = local().send(request).await.unwrap();
    assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
    assert_eq!(report.outcome.response.unwrap().body, "ok");
}

#[tokio::test]
async fn a_dropped_delivery_ends_its_connection() {
    let (sender, mut events) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut peer| {
        let sender = sender.clone();
        async move {
            peer.request().await.unwrap();
            sender.send("asked").unwrap();
            peer.closed().await;
            sender.send("closed").unwrap();
        }
    })
    .await;
    let dispatcher = local();
    {
        let delivery = dispatcher.send(request(receiver.url("/")));
        tokio::select! {
            _ = delivery => panic!("the delivery ended without a response"),
            event = within(events.recv()) => assert_eq!(event, Some("asked")),
        }
    }
    assert_eq!(within(events.recv()).await, Some("closed"));
}
