//! Names whose owner controls the answers: each answer comes from a name server over UDP.

use std::net::SocketAddr;
use std::sync::Arc;

use rdev_webhooks_dispatch_http::{HttpDispatcher, Options};
use rdev_webhooks_domain::ports::Dispatcher;
use rdev_webhooks_domain::{EndpointUrl, FailureClass};

use crate::dns::{Line, NameServer, Says, address, alias};
use crate::receiver::{Peer, Receiver, friendly};
use crate::setup::{failure, options, send};

const NAME: &str = "hooks.example.com.";

fn url(port: u16) -> EndpointUrl {
    format!("http://hooks.example.com:{port}/").parse().unwrap()
}

fn asking(server: &NameServer, open: &[&str]) -> HttpDispatcher {
    HttpDispatcher::new(Options { resolver: Arc::new(server.resolver()), ..options(open) }).unwrap()
}

/// Returns a receiver on every address of this machine, so that no connection goes unseen.
async fn watch() -> Receiver {
    Receiver::start_at("[::]:0".parse().unwrap(), friendly).await
}

async fn answer_and_close(mut peer: Peer) {
    peer.request().await.unwrap();
    peer.send(b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 0\r\n\r\n").await;
}

#[tokio::test]
async fn a_name_that_turns_private_is_refused_at_its_second_connection() {
    for kept in [0, 300] {
        let allowed = Receiver::start(answer_and_close).await;
        let port = allowed.address.port();
        let refused = Receiver::start_at(SocketAddr::from(([127, 0, 0, 2], port)), friendly).await;
        let line = |address: &str| (NAME, kept, Says::Address(address.parse().unwrap()));
        let zones = vec![vec![line("127.0.0.1")], vec![line("127.0.0.2")]];
        let server = NameServer::start(zones).await;
        let dispatcher = asking(&server, &["127.0.0.1"]);

        let first = send(&dispatcher, url(port)).await;
        assert!(first.outcome.is_success(), "{:?}", first.outcome.failure);
        let second = send(&dispatcher, url(port)).await;
        if kept == 0 {
            failure(&second, FailureClass::RefusedDestination);
            assert_eq!(allowed.accepted(), 1);
        } else {
            // A resolver may cache an answer that long, so the answer is still valid.
            assert!(second.outcome.is_success(), "{:?}", second.outcome.failure);
        }
        refused.assert_untouched().await;
    }
}

#[tokio::test]
async fn one_refused_record_refuses_a_name_however_it_is_reached() {
    let zones: Vec<Vec<Line>> = vec![
        vec![address(NAME, "127.0.0.1"), address(NAME, "127.0.0.2")],
        vec![address(NAME, "127.0.0.2"), address(NAME, "127.0.0.1")],
        vec![address(NAME, "127.0.0.1"), address(NAME, "::1")],
        vec![address(NAME, "8.8.8.8"), address(NAME, "fd00::1")],
        vec![address(NAME, "2606:4700::1111"), address(NAME, "10.0.0.1")],
        vec![alias(NAME, "inside.example.com."), address("inside.example.com.", "10.0.0.1")],
        vec![
            alias(NAME, "a.example.net."),
            alias("a.example.net.", "b.example.org."),
            address("b.example.org.", "127.0.0.2"),
            address("b.example.org.", "127.0.0.1"),
        ],
        vec![
            alias(NAME, "metadata.google.internal."),
            address("metadata.google.internal.", "169.254.169.254"),
        ],
        vec![alias(NAME, "localhost."), address("localhost.", "::1")],
        vec![address(NAME, "::1")],
        vec![address(NAME, "::")],
        vec![address(NAME, "fd00::1")],
        vec![address(NAME, "fe80::1")],
        vec![address(NAME, "::ffff:127.0.0.2")],
        vec![address(NAME, "::127.0.0.2")],
        vec![address(NAME, "64:ff9b::127.0.0.2")],
    ];
    let receiver = watch().await;
    for zone in zones {
        let server = NameServer::start(vec![zone]).await;
        let dispatcher = asking(&server, &["127.0.0.1"]);
        let url = url(receiver.address.port());
        let refused = dispatcher.check_destination(&url).await.unwrap_err().to_string();
        let report = send(&dispatcher, url).await;
        assert_eq!(failure(&report, FailureClass::RefusedDestination), refused);
        let expected = "hooks.example.com is not an allowed destination: it resolves to an address that \
                        deliveries may not reach";
        assert_eq!(refused, expected, "the reason has neither the address nor its block");
        assert_eq!(report.phases.connect, None);
    }
    receiver.assert_untouched().await;
}

#[tokio::test]
async fn an_allowed_name_is_reached_by_any_of_its_records() {
    let zones: Vec<Vec<Line>> = vec![
        vec![address(NAME, "127.0.0.1")],
        vec![address(NAME, "::1")],
        vec![address(NAME, "::ffff:127.0.0.1")],
        vec![alias(NAME, "b.example.com."), address("b.example.com.", "127.0.0.1")],
    ];
    let receiver = watch().await;
    for zone in zones {
        let server = NameServer::start(vec![zone]).await;
        let report = send(&asking(&server, &["127.0.0.1", "::1"]), url(receiver.address.port())).await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
    }
}

#[tokio::test]
async fn a_name_without_records_is_a_dns_failure() {
    let server = NameServer::start(vec![vec![]]).await;
    let report = send(&asking(&server, &[]), url(80)).await;
    failure(&report, FailureClass::Dns);
}
