//! No refused address is ever connected to, however it is written or resolved.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_dispatch_http::{HttpDispatcher, Options};
use rdev_webhooks_domain::ports::Dispatcher;
use rdev_webhooks_domain::{EndpointUrl, FailureClass};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use crate::receiver::{OK, Peer, Receiver, within};
use crate::setup::Answer::{Addresses, Error, Never};
use crate::setup::{Answer, Names, SECRET_PATH, dispatcher, failure, local, options, request, send};

fn named(open: &[&str], name: &str, answers: &[Answer]) -> HttpDispatcher {
    HttpDispatcher::new(Options { resolver: Arc::new(Names::default().with(name, answers)), ..options(open) })
        .unwrap()
}

fn url(host: &str, port: u16) -> EndpointUrl {
    format!("http://{host}:{port}{SECRET_PATH}").parse().unwrap()
}

/// Answers once and closes, so that the next request needs a new connection.
async fn answer_and_close(mut peer: Peer) {
    peer.request().await.unwrap();
    peer.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
}

#[tokio::test]
async fn a_refused_literal_is_not_connected_to() {
    for host in ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost", "a.localhost."] {
        let receiver = Receiver::start_friendly().await;
        let dispatcher = dispatcher(&[]);
        let url = url(host, receiver.address.port());
        let report = send(&dispatcher, url.clone()).await;
        let detail = failure(&report, FailureClass::RefusedDestination);
        assert!(detail.contains("loopback"), "{detail}");
        assert!(dispatcher.check_destination(&url).await.is_err());
        assert_eq!(report.phases.connect, None);
        receiver.assert_untouched().await;
    }
}

#[tokio::test]
async fn a_name_with_one_refused_address_among_its_answers_is_refused() {
    const PRIVATE: &[&[&str]] = &[
        &["127.0.0.2"],
        &["::ffff:127.0.0.2"],
        &["64:ff9b::127.0.0.2"],
        &["127.0.0.1", "127.0.0.2"],
        &["127.0.0.2", "127.0.0.1"],
        &["127.0.0.1", "fe80::1"],
        &["8.8.8.8", "169.254.169.254"],
    ];
    for answers in PRIVATE {
        let allowed = Receiver::start_friendly().await;
        let port = allowed.address.port();
        let refused = Receiver::start_at(SocketAddr::from(([127, 0, 0, 2], port)), answer_and_close).await;
        let dispatcher = named(&["127.0.0.1"], "hooks.example.com", &[Addresses(answers)]);
        let url = url("hooks.example.com", port);
        let report = send(&dispatcher, url.clone()).await;
        let detail = failure(&report, FailureClass::RefusedDestination);
        // All have the same text: it contains neither the address nor its block.
        assert_eq!(
            detail,
            "hooks.example.com is not an allowed destination: it resolves to an address that deliveries may \
             not reach"
        );
        assert!(report.phases.dns.is_some());
        assert_eq!(dispatcher.check_destination(&url).await.unwrap_err().to_string(), detail);
        allowed.assert_untouched().await;
        refused.assert_untouched().await;
    }
}

#[tokio::test]
async fn a_name_that_changes_its_answer_is_judged_again_for_each_connection() {
    let allowed = Receiver::start(answer_and_close).await;
    let port = allowed.address.port();
    let refused = Receiver::start_at(SocketAddr::from(([127, 0, 0, 2], port)), answer_and_close).await;
    let answers = [Addresses(&["127.0.0.1"]), Addresses(&["127.0.0.2"])];
    let dispatcher = named(&["127.0.0.1"], "hooks.example.com", &answers);
    let url = url("hooks.example.com", port);

    let first = send(&dispatcher, url.clone()).await;
    assert!(first.outcome.is_success(), "{:?}", first.outcome.failure);
    assert!(first.phases.dns.is_some());
    let second = send(&dispatcher, url).await;
    failure(&second, FailureClass::RefusedDestination);
    assert_eq!(allowed.accepted(), 1);
    refused.assert_untouched().await;
}

#[tokio::test]
async fn a_url_that_vet_accepted_is_judged_again_when_it_is_sent() {
    let refused = Receiver::start_friendly().await;
    let answers = [Addresses(&["8.8.8.8"]), Addresses(&["127.0.0.1"])];
    let dispatcher = named(&[], "hooks.example.com", &answers);
    let url = url("hooks.example.com", refused.address.port());
    assert_eq!(dispatcher.check_destination(&url).await, Ok(()));
    failure(&send(&dispatcher, url).await, FailureClass::RefusedDestination);
    refused.assert_untouched().await;
}

#[tokio::test]
async fn a_look_up_that_fails_or_finds_nothing_is_a_dns_failure() {
    for answer in [Error, Addresses(&[])] {
        let dispatcher = named(&[], "hooks.example.com", &[answer]);
        let url = url("hooks.example.com", 80);
        let report = send(&dispatcher, url.clone()).await;
        let detail = failure(&report, FailureClass::Dns);
        assert!(detail.starts_with("the name hooks.example.com could not be resolved"));
        assert!(report.phases.dns.is_some());
        assert_eq!(report.phases.connect, None);
        assert_eq!(dispatcher.check_destination(&url).await, Ok(()), "the look-up may work when it is sent");
    }
}

#[tokio::test(start_paused = true)]
async fn a_look_up_that_never_ends_is_bounded_by_the_deadline() {
    let dispatcher = named(&[], "hooks.example.com", &[Never]);
    let url = url("hooks.example.com", 80);
    let report = send(&dispatcher, url.clone()).await;
    let detail = failure(&report, FailureClass::Timeout);
    assert_eq!(detail, "timed out after 10 s while resolving the name");
    assert_eq!(report.phases.dns, Some(Duration::from_secs(10)));

    let asked = tokio::time::Instant::now();
    assert_eq!(dispatcher.check_destination(&url).await, Ok(()));
    assert_eq!(asked.elapsed().as_secs(), 2);
}

#[tokio::test]
async fn localhost_is_reached_without_a_look_up_where_loopback_is_open() {
    let receiver = Receiver::start_friendly().await;
    for open in [&["127.0.0.0/8", "::1"][..], &["127.0.0.0/8"]] {
        // A look-up of these names would make the scripted resolver panic.
        for host in ["localhost", "LOCALHOST", "hooks.localhost"] {
            let dispatcher = dispatcher(open);
            let url = url(host, receiver.address.port());
            assert_eq!(dispatcher.check_destination(&url).await, Ok(()));
            let report = send(&dispatcher, url).await;
            assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        }
    }
}

#[tokio::test]
async fn https_can_be_required() {
    let receiver = Receiver::start_friendly().await;
    let dispatcher =
        HttpDispatcher::new(Options { require_https: true, ..options(&["127.0.0.0/8"]) }).unwrap();
    let url = receiver.url(SECRET_PATH);
    let detail = dispatcher.check_destination(&url).await.unwrap_err().to_string();
    assert!(detail.contains("https://"), "{detail}");
    failure(&send(&dispatcher, url).await, FailureClass::RefusedDestination);
    let https = "https://8.8.8.8/".parse().unwrap();
    assert_eq!(dispatcher.check_destination(&https).await, Ok(()));
    receiver.assert_untouched().await;
}

#[tokio::test]
async fn a_refused_connection_is_a_connect_failure_that_names_no_internal_address() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let answers = [Addresses(&["127.0.0.1", "127.0.0.2"])];
    let dispatcher = named(&["127.0.0.0/8"], "hooks.example.com", &answers);
    let report = send(&dispatcher, url("hooks.example.com", port)).await;
    let detail = failure(&report, FailureClass::Connect);
    assert_eq!(detail, format!("could not connect to hooks.example.com:{port}: connection refused"));
    assert!(report.phases.connect.is_some());
    // The author of the address knows it.
    let report = send(&dispatcher, url("127.0.0.1", port)).await;
    let detail = failure(&report, FailureClass::Connect);
    assert_eq!(detail, format!("could not connect to 127.0.0.1:{port}: connection refused"));
}

/// A listener that accepts no more connections: its queue is full, and further connections are not answered.
struct Unanswering {
    address: SocketAddr,
    _listener: TcpListener,
    _queue: Vec<TcpStream>,
}

impl Unanswering {
    async fn start() -> Self {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let listener = socket.listen(1).unwrap();
        let address = listener.local_addr().unwrap();
        let mut queue = Vec::new();
        while let Ok(stream) = timeout(Duration::from_millis(200), TcpStream::connect(address)).await {
            queue.push(stream.unwrap());
            assert!(queue.len() < 100, "the queue never fills");
        }
        Self { address, _listener: listener, _queue: queue }
    }
}

#[tokio::test]
async fn a_dead_first_address_leaves_time_for_the_next() {
    let dead = Unanswering::start().await;
    let port = dead.address.port();
    let alive = Receiver::start_at(SocketAddr::from(([127, 0, 0, 2], port)), |mut peer| async move {
        peer.request().await.unwrap();
        peer.send(OK).await;
    })
    .await;
    let answers = [Addresses(&["127.0.0.1", "127.0.0.2"])];
    let dispatcher = named(&["127.0.0.0/8"], "hooks.example.com", &answers);
    let mut request = request(url("hooks.example.com", port));
    request.deadline = Duration::from_secs(1);
    let report = within(dispatcher.send(request)).await.unwrap();
    assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
    assert!(report.phases.connect.unwrap() >= Duration::from_millis(400));
    assert_eq!(alive.accepted(), 1);
}

#[tokio::test]
async fn a_connection_that_is_never_accepted_times_out_while_connecting() {
    let dead = Unanswering::start().await;
    let mut request = request(url("127.0.0.1", dead.address.port()));
    request.deadline = Duration::from_millis(300);
    let report = local().send(request).await.unwrap();
    let detail = failure(&report, FailureClass::Timeout);
    assert_eq!(detail, "timed out after 300 ms while connecting");
    assert!(report.phases.connect.unwrap() >= Duration::from_millis(250));
}
