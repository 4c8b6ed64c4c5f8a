//! HTTP/2 over TLS, if the receiver prefers it.

use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::{Request, Response, Version};
use rdev_webhooks_domain::ports::{DispatchReport, Dispatcher};
use rdev_webhooks_domain::{FailureClass, RESPONSE_BODY_LIMIT};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::server::TlsStream;

use crate::receiver::{PATIENCE, Peer, Receiver, within};
use crate::setup::{SECRET_PATH, failure, request, send};
use crate::tls::{Authority, url};

type Server = Connection<TlsStream<TcpStream>, Bytes>;
type Stream = (Request<RecvStream>, SendResponse<Bytes>);

/// Returns a scripted receiver that serves each request, on any connection.
async fn receiver<Script, Run>(authority: &Authority, script: Script) -> Receiver
where
    Script: Fn(Stream) -> Run + Send + Sync + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let acceptor = authority.acceptor(&[b"h2", b"http/1.1"]);
    let script = Arc::new(script);
    Receiver::start(move |peer: Peer| {
        let (acceptor, script) = (acceptor.clone(), Arc::clone(&script));
        async move {
            let tls = acceptor.accept(peer.stream).await.unwrap();
            let mut server: Server = h2::server::handshake(tls).await.unwrap();
            while let Some(Ok(stream)) = server.accept().await {
                tokio::spawn(script(stream));
            }
        }
    })
    .await
}

async fn deliver<Script, Run>(deadline: Duration, script: Script) -> DispatchReport
where
    Script: Fn(Stream) -> Run + Send + Sync + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let authority = Authority::new();
    let receiver = receiver(&authority, script).await;
    let mut request = request(url("hooks.example.com", &receiver));
    request.deadline = deadline;
    authority.trusting().send(request).await.unwrap()
}

#[tokio::test]
async fn requests_share_one_connection_and_only_its_opener_reports_it() {
    let authority = Authority::new();
    let (heads, mut received) = mpsc::unbounded_channel();
    let receiver = receiver(&authority, move |(request, mut respond)| {
        let heads = heads.clone();
        async move {
            let (head, mut body) = request.into_parts();
            let data = body.data().await.unwrap().unwrap();
            heads.send((head, data)).unwrap();
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            stream.send_data(Bytes::from_static(b"ok"), true).unwrap();
        }
    })
    .await;
    let dispatcher = authority.trusting();
    let first = send(&dispatcher, url("hooks.example.com", &receiver)).await;
    assert!(first.outcome.is_success(), "{:?}", first.outcome.failure);
    assert!(first.phases.tls.is_some());
    let (head, body) = received.recv().await.unwrap();
    assert_eq!(head.version, Version::HTTP_2);
    assert_eq!(head.uri.path_and_query().unwrap().as_str(), SECRET_PATH);
    assert_eq!(head.headers["webhook-id"], "evt_1");
    assert_eq!(body, &br#"{"event":"command.completed"}"#[..]);

    let sends: [_; 2] = std::array::from_fn(|_| send(&dispatcher, url("hooks.example.com", &receiver)));
    let [second, third] = sends;
    let (second, third) = tokio::join!(second, third);
    for report in [second, third] {
        assert_eq!(report.outcome.response.unwrap().body, "ok");
        assert_eq!((report.phases.dns, report.phases.connect, report.phases.tls), (None, None, None));
    }
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn concurrent_first_requests_all_succeed() {
    let authority = Authority::new();
    let receiver = receiver(&authority, |(_, mut respond)| async move {
        respond.send_response(Response::new(()), true).unwrap();
    })
    .await;
    let dispatcher = Arc::new(authority.trusting());
    let sends: Vec<_> = (0..20)
        .map(|_| {
            let (dispatcher, url) = (Arc::clone(&dispatcher), url("hooks.example.com", &receiver));
            tokio::spawn(async move { send(&dispatcher, url).await })
        })
        .collect();
    let mut openers = 0;
    for send in sends {
        let report = send.await.unwrap();
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        openers += usize::from(report.phases.connect.is_some());
    }
    assert_eq!(openers, 1, "they share one connection");
}

#[tokio::test]
async fn an_endless_body_resets_its_stream_and_keeps_the_connection() {
    let authority = Authority::new();
    let (sender, mut resets) = mpsc::unbounded_channel();
    let receiver = receiver(&authority, move |(_, mut respond)| {
        let sender = sender.clone();
        async move {
            let mut stream = respond.send_response(Response::new(()), false).unwrap();
            loop {
                stream.reserve_capacity(16_384);
                match poll_fn(|cx| stream.poll_capacity(cx)).await {
                    Some(Ok(room)) => {
                        if stream.send_data(Bytes::from(vec![b'x'; room]), false).is_err() {
                            break;
                        }
                    }
                    _ => break,
                }
            }
            sender.send(()).unwrap();
        }
    })
    .await;
    let dispatcher = authority.trusting();
    for _ in 0..3 {
        let report = send(&dispatcher, url("hooks.example.com", &receiver)).await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        let response = report.outcome.response.unwrap();
        assert_eq!(response.body.len(), RESPONSE_BODY_LIMIT);
        assert!(response.truncated);
        within(resets.recv()).await.unwrap();
    }
    assert_eq!(receiver.accepted(), 1);
}

#[tokio::test]
async fn a_reset_stream_and_a_closed_connection_are_resets() {
    let reset = deliver(PATIENCE, |(_, mut respond)| async move {
        respond.send_reset(Reason::INTERNAL_ERROR);
    })
    .await;
    failure(&reset, FailureClass::Reset);

    let within_body = deliver(PATIENCE, |(_, mut respond)| async move {
        let mut stream = respond.send_response(Response::new(()), false).unwrap();
        stream.send_data(Bytes::from_static(b"half"), false).unwrap();
        tokio::task::yield_now().await;
        stream.send_reset(Reason::CANCEL);
    })
    .await;
    assert!(within_body.outcome.is_success(), "the status decides: {:?}", within_body.outcome.failure);
}

#[tokio::test]
async fn a_head_beyond_its_bounds_is_a_protocol_failure() {
    let report = deliver(PATIENCE, |(_, mut respond)| async move {
        let mut response = Response::new(());
        for index in 0..64 {
            let name = format!("x-{index}").parse::<http::HeaderName>().unwrap();
            let value = "y".repeat(1_000).parse().unwrap();
            response.headers_mut().insert(name, value);
        }
        let _ = respond.send_response(response, true);
        std::future::pending::<()>().await;
    })
    .await;
    failure(&report, FailureClass::Protocol);
}

#[tokio::test]
async fn a_wrong_content_length_leaves_the_result_to_the_status() {
    let report = deliver(PATIENCE, |(_, mut respond)| async move {
        let response = Response::builder().header("content-length", 100).body(()).unwrap();
        let mut stream = respond.send_response(response, false).unwrap();
        stream.send_data(Bytes::from_static(b"hello"), true).unwrap();
        std::future::pending::<()>().await;
    })
    .await;
    assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
    assert!(report.outcome.response.unwrap().truncated);
}

#[tokio::test]
async fn silence_ends_at_the_deadline() {
    let report = deliver(Duration::from_millis(500), |stream| async move {
        let _stream = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let detail = failure(&report, FailureClass::Timeout);
    assert_eq!(detail, "timed out after 500 ms while waiting for the response's head");
}

#[tokio::test]
async fn invalid_frames_are_a_protocol_failure() {
    use tokio::io::AsyncWriteExt;
    let authority = Authority::new();
    let acceptor = authority.acceptor(&[b"h2"]);
    let receiver = Receiver::start(move |peer: Peer| {
        let acceptor = acceptor.clone();
        async move {
            let mut tls = acceptor.accept(peer.stream).await.unwrap();
            tls.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
            tls.flush().await.unwrap();
            std::future::pending::<()>().await;
        }
    })
    .await;
    let report = send(&authority.trusting(), url("hooks.example.com", &receiver)).await;
    failure(&report, FailureClass::Protocol);
}
