use std::time::Duration;

use bytes::Bytes;
use rdev_webhooks_domain::ports::Dispatcher;
use rdev_webhooks_domain::{FailureClass, RESPONSE_BODY_LIMIT};
use tokio::sync::mpsc;
use tokio::task::yield_now;

use crate::receiver::{OK, Receiver, friendly, within};
use crate::setup::{failure, local, request, send};

/// Lets a connection whose response has been read return to the pool.
async fn settle() {
    for _ in 0..100 {
        yield_now().await;
    }
}

#[tokio::test]
async fn the_request_arrives_as_given_and_the_answer_as_sent() {
    let (requests, mut received) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut peer| {
        let requests = requests.clone();
        async move {
            requests.send(peer.request().await.unwrap()).unwrap();
            peer.send(b"HTTP/1.1 202 Accepted\r\nx-a: 1\r\nx-b: \xff\r\ncontent-length: 4\r\n\r\nnoted")
                .await;
        }
    })
    .await;

    let report = send(&local(), receiver.url("/hooks/1?a=b")).await;

    let request = received.recv().await.unwrap();
    let mut lines = request.head.lines();
    assert_eq!(lines.next(), Some("POST /hooks/1?a=b HTTP/1.1"));
    let mut headers: Vec<_> = lines.filter(|line| !line.is_empty()).collect();
    headers.sort_unstable();
    let host = format!("host: {}", receiver.address);
    assert_eq!(headers, ["content-length: 29", &host, "webhook-id: evt_1", "x-token: t0ken"]);
    assert_eq!(request.body, br#"{"event":"command.completed"}"#);

    assert!(report.outcome.is_success());
    let response = report.outcome.response.unwrap();
    assert_eq!(response.status, 202);
    let kept = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    assert_eq!(response.headers[..2], [kept("x-a", "1"), kept("x-b", "\u{fffd}")]);
    assert_eq!(response.body, "note", "the content-length decides");
    assert!(!response.truncated);
    let phases = report.phases;
    assert_eq!((phases.dns, phases.tls), (None, None), "a literal address, plain http");
    assert!(phases.connect.unwrap() <= phases.first_byte.unwrap());
    assert!(phases.first_byte.unwrap() <= report.duration);
}

#[tokio::test]
async fn a_connection_is_used_again_and_reported_by_the_request_that_opened_it() {
    let receiver = Receiver::start_friendly().await;
    let dispatcher = local();
    let first = send(&dispatcher, receiver.url("/")).await;
    settle().await;
    let second = send(&dispatcher, receiver.url("/")).await;
    assert!(first.outcome.is_success() && second.outcome.is_success());
    assert_eq!(receiver.accepted(), 1);
    assert!(first.phases.connect.is_some());
    assert_eq!(second.phases.connect, None);
    assert!(second.phases.first_byte.is_some());
}

#[tokio::test]
async fn no_connection_is_reported_twice_when_many_requests_race_for_them() {
    let receiver = Receiver::start_friendly().await;
    let dispatcher = local();
    let mut opened = 0;
    for _ in 0..20 {
        let sends: [_; 5] = std::array::from_fn(|_| send(&dispatcher, receiver.url("/")));
        let [a, b, c, d, e] = sends;
        let reports = tokio::join!(a, b, c, d, e);
        for report in [reports.0, reports.1, reports.2, reports.3, reports.4] {
            assert!(report.outcome.is_success());
            opened += usize::from(report.phases.connect.is_some());
        }
    }
    assert!((1..=receiver.accepted()).contains(&opened));
}

#[tokio::test]
async fn a_connection_that_died_in_the_pool_costs_no_delivery() {
    let (sender, mut closed) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut peer| {
        let sender = sender.clone();
        async move {
            peer.request().await.unwrap();
            peer.send(OK).await;
            drop(peer);
            sender.send(()).unwrap();
        }
    })
    .await;
    let dispatcher = local();
    for _ in 0..5 {
        let report = send(&dispatcher, receiver.url("/")).await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        assert!(report.phases.connect.is_some());
        within(closed.recv()).await.unwrap();
        settle().await;
    }
    assert_eq!(receiver.accepted(), 5);
}

#[tokio::test]
async fn every_status_but_2xx_is_a_failure_with_its_response() {
    for status in [304, 400, 404, 410, 429, 500, 503] {
        let receiver = Receiver::start(move |mut peer| async move {
            peer.request().await.unwrap();
            let head = format!("HTTP/1.1 {status} x\r\nretry-after: 7\r\ncontent-length: 0\r\n\r\n");
            peer.send(head.as_bytes()).await;
            peer.hold().await;
        })
        .await;
        let report = send(&local(), receiver.url("/")).await;
        let detail = failure(&report, FailureClass::Status);
        assert_eq!(detail, format!("the endpoint responded with {status}"));
        let response = report.outcome.response.unwrap();
        let retry_after = ("retry-after".to_owned(), "7".to_owned());
        assert!(response.headers.contains(&retry_after));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed() {
    for status in [301, 302, 303, 307, 308] {
        let target = Receiver::start_friendly().await;
        let location = target.url("/");
        let receiver = Receiver::start(move |mut peer| {
            let location = location.clone();
            async move {
                peer.request().await.unwrap();
                let head =
                    format!("HTTP/1.1 {status} Moved\r\nlocation: {location}\r\ncontent-length: 0\r\n\r\n");
                peer.send(head.as_bytes()).await;
                peer.hold().await;
            }
        })
        .await;
        let report = send(&local(), receiver.url("/")).await;
        failure(&report, FailureClass::Status);
        assert_eq!(report.outcome.status(), Some(status));
        target.assert_untouched().await;
    }
}

#[tokio::test]
async fn a_body_is_truncated_only_beyond_the_limit() {
    for (extra, truncated) in [(0, false), (1, true)] {
        for chunked in [false, true] {
            let receiver = Receiver::start(move |mut peer| async move {
                peer.request().await.unwrap();
                let body = vec![b'x'; RESPONSE_BODY_LIMIT + extra];
                let (head, tail) = if chunked {
                    let size = body.len();
                    (format!("transfer-encoding: chunked\r\n\r\n{size:x}\r\n"), "\r\n0\r\n\r\n")
                } else {
                    (format!("content-length: {}\r\n\r\n", body.len()), "")
                };
                peer.send(format!("HTTP/1.1 200 OK\r\n{head}").as_bytes()).await;
                peer.send(&body).await;
                peer.send(tail.as_bytes()).await;
                peer.hold().await;
            })
            .await;
            let report = send(&local(), receiver.url("/")).await;
            assert!(report.outcome.is_success());
            let response = report.outcome.response.unwrap();
            assert_eq!(response.body.len(), RESPONSE_BODY_LIMIT);
            assert_eq!(response.truncated, truncated);
        }
    }
}

#[tokio::test]
async fn a_compressed_body_is_kept_as_received() {
    let receiver = Receiver::start(|mut peer| async move {
        peer.request().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\n\x1f\x8b\x08\x00")
            .await;
        friendly(peer).await;
    })
    .await;
    let report = send(&local(), receiver.url("/")).await;
    assert_eq!(report.outcome.response.unwrap().body, &b"\x1f\x8b\x08\x00"[..]);
}

#[tokio::test]
async fn a_large_body_arrives_completely() {
    let (lengths, mut received) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |mut peer| {
        let lengths = lengths.clone();
        async move {
            let request = peer.request().await.unwrap();
            lengths.send(request.body.len()).unwrap();
            peer.send(OK).await;
        }
    })
    .await;
    let mut request = request(receiver.url("/"));
    request.body = Bytes::from(vec![b'x'; 256 * 1024]);
    request.deadline = Duration::MAX;
    let report = local().send(request).await.unwrap();
    assert!(report.outcome.is_success());
    assert_eq!(received.recv().await, Some(256 * 1024));
}
