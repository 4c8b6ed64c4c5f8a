//! Deliveries through an egress proxy: the requests that it gets, the data that it never sees, and its
//! failures.

use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rdev_webhooks_dispatch_http::{HttpDispatcher, Options};
use rdev_webhooks_domain::ports::{DispatchReport, Dispatcher, LocalCause};
use rdev_webhooks_domain::{EndpointUrl, FailureClass};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

use crate::receiver::{OK, PATIENCE, Peer, Receiver, friendly};
use crate::setup::Answer::{Addresses, Error};
use crate::setup::{Answer, Names, SECRET_PATH, failure, options, request, send};
use crate::tls::{Authority, serve_once};

const SHORT: Duration = Duration::from_millis(300);
const PUBLIC: &str = "http://8.8.8.8/hooks/s3cret?token=t0ken";
const TUNNEL: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";

/// Returns a dispatcher that knows one name and sends through a proxy at `proxy`; no local address is
/// allowed.
fn through(proxy: &str, name: &str, answers: &[Answer]) -> HttpDispatcher {
    HttpDispatcher::new(proxied(proxy, name, answers)).unwrap()
}

fn proxied(proxy: &str, name: &str, answers: &[Answer]) -> Options {
    Options {
        egress_proxy: Some(proxy.parse().unwrap()),
        resolver: Arc::new(Names::default().with(name, answers)),
        ..options(&[])
    }
}

fn address(proxy: &Receiver) -> String {
    format!("http://{}", proxy.address)
}

fn plain(proxy: &Receiver) -> HttpDispatcher {
    through(&address(proxy), "unused.example.com", &[Error])
}

fn public() -> EndpointUrl {
    PUBLIC.parse().unwrap()
}

/// Returns a proxy that records its requests and plays the endpoint at the end of the tunnel itself.
async fn playing_endpoint() -> (Receiver, mpsc::UnboundedReceiver<String>) {
    let (heads, asked) = mpsc::unbounded_channel();
    let proxy = Receiver::start(move |mut peer| {
        let heads = heads.clone();
        async move {
            heads.send(peer.head().await.unwrap()).unwrap();
            peer.send(TUNNEL).await;
            let request = peer.request().await.unwrap();
            heads.send(request.head).unwrap();
            peer.send(OK).await;
            friendly(peer).await;
        }
    })
    .await;
    (proxy, asked)
}

/// Returns the report of a delivery through a scripted proxy.
async fn deliver<Script, Run>(deadline: Duration, script: Script) -> DispatchReport
where
    Script: Fn(Peer) -> Run + Send + 'static,
    Run: Future<Output = ()> + Send + 'static,
{
    let proxy = Receiver::start(script).await;
    let mut request = request(public());
    request.deadline = deadline;
    let started = Instant::now();
    let report = plain(&proxy).send(request).await.unwrap();
    assert!(started.elapsed() < deadline + Duration::from_secs(2));
    report
}

/// Asserts a failure that is attributed to the proxy, without its address.
fn proxys_fault(report: &DispatchReport) -> &str {
    let detail = failure(report, FailureClass::Connect);
    assert!(detail.contains("egress proxy"), "{detail}");
    assert!(!detail.contains("127.0.0.1"), "{detail}");
    assert_eq!(report.outcome.response, None);
    assert!(report.phases.connect.is_some());
    detail
}

#[tokio::test]
async fn the_proxy_is_asked_for_the_judged_address_and_never_for_the_name() {
    for (answer, asked_for) in
        [("93.184.215.14", "93.184.215.14:8080"), ("2606:4700::1111", "[2606:4700::1111]:8080")]
    {
        let (proxy, mut asked) = playing_endpoint().await;
        let answer: &'static [&'static str] = Box::leak(Box::new([answer]));
        let dispatcher = through(&address(&proxy), "hooks.example.com", &[Addresses(answer)]);
        let url = format!("http://hooks.example.com:8080{SECRET_PATH}").parse().unwrap();
        let report = send(&dispatcher, url).await;
        assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        assert!(report.phases.dns.is_some() && report.phases.connect.is_some());

        let connect = asked.recv().await.unwrap();
        assert_eq!(connect, format!("CONNECT {asked_for} HTTP/1.1\r\nhost: {asked_for}\r\n\r\n"));
        let request = asked.recv().await.unwrap();
        assert!(request.starts_with(&format!("POST {SECRET_PATH} HTTP/1.1\r\n")), "{request}");
        assert!(request.contains("host: hooks.example.com:8080\r\n"), "{request}");
        assert!(!request.contains("proxy-"), "{request}");
    }
}

#[tokio::test]
async fn credentials_go_to_the_proxy_and_not_to_the_endpoint() {
    let (proxy, mut asked) = playing_endpoint().await;
    let url = format!("http://Aladdin:open%20sesame@{}", proxy.address);
    let dispatcher = through(&url, "unused.example.com", &[Error]);
    assert!(send(&dispatcher, public()).await.outcome.is_success());
    let connect = asked.recv().await.unwrap();
    assert!(connect.starts_with("CONNECT 8.8.8.8:80 HTTP/1.1\r\n"), "{connect}");
    assert!(connect.contains("proxy-authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{connect}");
    let request = asked.recv().await.unwrap();
    assert!(!request.to_lowercase().contains("authorization"), "{request}");
}

#[tokio::test]
async fn a_mapped_address_is_requested_as_the_address_that_it_maps() {
    let (proxy, mut asked) = playing_endpoint().await;
    let report = send(&plain(&proxy), "http://[::ffff:8.8.8.8]/".parse().unwrap()).await;
    assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
    assert!(asked.recv().await.unwrap().starts_with("CONNECT 8.8.8.8:80 "));
}

#[tokio::test]
async fn a_tunnel_is_used_again() {
    let (proxy, _asked) = playing_endpoint().await;
    let dispatcher = plain(&proxy);
    assert!(send(&dispatcher, public()).await.outcome.is_success());
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    let second = send(&dispatcher, public()).await;
    assert!(second.outcome.is_success(), "{:?}", second.outcome.failure);
    assert_eq!((second.phases.connect, proxy.accepted()), (None, 1));
}

#[tokio::test]
async fn the_tls_handshake_is_made_with_the_endpoint_by_its_own_name() {
    let authority = Authority::new();
    for (name, trusted) in [("hooks.example.com", true), ("other.example.com", false)] {
        let acceptor = authority.acceptor(&[b"http/1.1"]);
        let (names, mut indicated) = mpsc::unbounded_channel();
        let endpoint = Receiver::start(move |peer| {
            let (acceptor, names) = (acceptor.clone(), names.clone());
            async move {
                let start = tokio_rustls::LazyConfigAcceptor::new(Default::default(), peer.stream);
                let start = start.await.unwrap();
                names.send(start.client_hello().server_name().map(str::to_owned)).unwrap();
                if let Ok(tls) = start.into_stream(acceptor.config().clone()).await {
                    serve_once(tls).await;
                }
            }
        })
        .await;
        let target = endpoint.address;
        let proxy = Receiver::start(move |mut peer| async move {
            assert_eq!(peer.head().await.unwrap().lines().next(), Some("CONNECT 8.8.8.8:443 HTTP/1.1"));
            let mut endpoint = TcpStream::connect(target).await.unwrap();
            peer.send(TUNNEL).await;
            // Either end may break off.
            let _ = copy_bidirectional(&mut peer.stream, &mut endpoint).await;
        })
        .await;
        let options = Options {
            require_https: true,
            extra_roots: vec![authority.root()],
            ..proxied(&address(&proxy), name, &[Addresses(&["8.8.8.8"])])
        };
        let dispatcher = HttpDispatcher::new(options).unwrap();
        let report = send(&dispatcher, format!("https://{name}{SECRET_PATH}").parse().unwrap()).await;
        assert_eq!(indicated.recv().await, Some(Some(name.to_owned())));
        assert!(report.phases.connect.is_some() && report.phases.tls.is_some());
        if trusted {
            assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
        } else {
            let detail = failure(&report, FailureClass::Tls);
            assert!(detail.contains("is for another name"), "{detail}");
        }
    }
}

#[tokio::test]
async fn a_refused_destination_never_reaches_the_proxy() {
    let proxy = Receiver::start(Peer::hold).await;
    for (url, answer) in [
        ("http://127.0.0.1/", Error),
        ("https://169.254.169.254/", Error),
        ("http://[64:ff9b::a9fe:a9fe]/", Error),
        ("http://localhost/", Error),
        ("http://metadata.google.internal/", Error),
        ("http://hooks.example.com/", Addresses(&["10.0.0.1"])),
        ("https://hooks.example.com/", Addresses(&["8.8.8.8", "10.0.0.1"])),
        ("https://hooks.example.com/", Addresses(&["::1"])),
    ] {
        let dispatcher = through(&address(&proxy), "hooks.example.com", &[answer]);
        failure(&send(&dispatcher, url.parse().unwrap()).await, FailureClass::RefusedDestination);
    }
    let https_only =
        Options { require_https: true, ..proxied(&address(&proxy), "unused.example.com", &[Error]) };
    let report = send(&HttpDispatcher::new(https_only).unwrap(), public()).await;
    failure(&report, FailureClass::RefusedDestination);
    proxy.assert_untouched().await;
}

#[tokio::test]
async fn the_proxys_own_address_is_not_judged_and_its_name_is_looked_up() {
    let (proxy, _asked) = playing_endpoint().await;
    let url = format!("http://proxy.internal:{}", proxy.address.port());
    let dispatcher = through(&url, "proxy.internal", &[Addresses(&["127.0.0.1"])]);
    let report = send(&dispatcher, public()).await;
    assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);

    for answer in [Error, Addresses(&[])] {
        let fault = through(&url, "proxy.internal", &[answer]).send(request(public())).await.unwrap_err();
        assert_eq!(fault.cause, LocalCause::EgressProxy);
        let expected = "the egress proxy's name could not be resolved: ";
        assert!(fault.detail.starts_with(expected), "{}", fault.detail);
    }
}

#[tokio::test]
async fn another_response_than_a_tunnel_is_a_connect_failure() {
    for (answer, expected) in [
        (&b"HTTP/1.1 502 Bad Gateway\r\ncontent-length: 3\r\n\r\nbad"[..], "the proxy responded with 502"),
        (b"HTTP/1.0 403 Forbidden\r\n\r\n", "the proxy responded with 403"),
        (b"HTTP/1.1 302 Found\r\nlocation: http://127.0.0.1/\r\n\r\n", "the proxy responded with 302"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the proxy responded with 100"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "not HTTP"),
        (b"\x05\x00", "not HTTP"),
        (b"HTTP/1.1 abc\r\n\r\n", "not HTTP"),
        (b"HTTP/1.1 2000 OK\r\n\r\n", "not HTTP"),
        (b"", "closed the connection without a response"),
        (b"HTTP/1.1 200 OK\r\n", "closed the connection without a response"),
    ] {
        let report = deliver(PATIENCE, move |mut peer| async move {
            peer.head().await.unwrap();
            peer.send(answer).await;
        })
        .await;
        let detail = proxys_fault(&report);
        assert!(detail.contains(expected), "{detail}");
    }
}

#[tokio::test]
async fn an_endless_head_of_a_proxy_is_refused() {
    let report = deliver(PATIENCE, |mut peer| async move {
        peer.head().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\n").await;
        while peer.send(&b"x: y\r\n".repeat(1_000)).await {}
    })
    .await;
    let detail = proxys_fault(&report);
    assert!(detail.contains("longer than 8192 bytes"), "{detail}");
}

#[tokio::test]
async fn a_silent_and_a_dripping_proxy_end_at_the_deadline() {
    let silent = deliver(SHORT, Peer::hold).await;
    let dripping = deliver(SHORT, |mut peer| async move {
        peer.head().await.unwrap();
        peer.send(b"HTTP/1.1 200 OK\r\nx: ").await;
        let mut drip = tokio::time::interval(Duration::from_millis(20));
        loop {
            drip.tick().await;
            peer.send(b"y").await;
        }
    })
    .await;
    for report in [silent, dripping] {
        let detail = proxys_fault(&report);
        assert_eq!(detail, "timed out after 300 ms while connecting through the egress proxy");
        assert!(report.phases.connect.unwrap() >= Duration::from_millis(250));
    }
}

#[tokio::test]
async fn a_proxy_that_accepts_no_connections_is_a_local_fault() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://user:s3cret@{}", closed.local_addr().unwrap());
    drop(closed);
    let dispatcher = through(&url, "unused.example.com", &[Error]);
    let fault = dispatcher.send(request(public())).await.unwrap_err();
    assert_eq!(fault.cause, LocalCause::EgressProxy);
    assert_eq!(fault.detail, "the egress proxy cannot be reached: connection refused");
}

#[tokio::test]
async fn the_next_address_is_tried_only_if_the_proxy_works() {
    for (status, tries) in [(502, 2), (407, 1)] {
        let proxy = Receiver::start(move |mut peer| async move {
            if peer.head().await.unwrap().starts_with("CONNECT 8.8.8.8:") {
                peer.send(format!("HTTP/1.1 {status} No\r\n\r\n").as_bytes()).await;
            } else {
                peer.send(TUNNEL).await;
                friendly(peer).await;
            }
        })
        .await;
        let answers = [Addresses(&["8.8.8.8", "9.9.9.9"])];
        let dispatcher = through(&address(&proxy), "hooks.example.com", &answers);
        match dispatcher.send(request("http://hooks.example.com/".parse().unwrap())).await {
            Ok(report) => assert!(status == 502 && report.outcome.is_success(), "{report:?}"),
            Err(fault) => {
                assert_eq!((status, fault.cause), (407, LocalCause::EgressProxy));
                assert!(fault.detail.contains("407"), "{}", fault.detail);
            }
        }
        assert_eq!(proxy.accepted(), tries);
    }
}

#[tokio::test]
async fn a_tunnel_begins_right_behind_the_proxys_head() {
    // First a head in pieces, with headers that have no meaning here; then a head followed by bytes that only
    // the endpoint can have sent: the tunnel must return those as the endpoint's own.
    let head = b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n";
    let in_pieces = deliver(PATIENCE, move |mut peer| async move {
        peer.head().await.unwrap();
        for byte in head {
            peer.send(&[*byte]).await;
            tokio::task::yield_now().await;
        }
        friendly(peer).await;
    })
    .await;
    assert!(in_pieces.outcome.is_success(), "{:?}", in_pieces.outcome.failure);

    let too_early = deliver(PATIENCE, |mut peer| async move {
        peer.head().await.unwrap();
        peer.send(&[TUNNEL, b"220 mail.example.com ESMTP\r\n"].concat()).await;
        peer.hold().await;
    })
    .await;
    failure(&too_early, FailureClass::Protocol);
}

#[tokio::test]
async fn the_environment_names_no_proxy() {
    let proxy = Receiver::start(Peer::hold).await;
    let mut child = Command::new(std::env::current_exe().unwrap());
    child.args([
        "--exact",
        "ordinary::the_request_arrives_as_given_and_the_answer_as_sent",
        "tls::a_certificate_of_a_trusted_authority_is_accepted_by_name_and_by_address",
    ]);
    for name in ["http_proxy", "https_proxy", "all_proxy"] {
        child.env(name, address(&proxy)).env(name.to_uppercase(), address(&proxy));
    }
    child.env_remove("no_proxy").env_remove("NO_PROXY");
    let output = tokio::task::spawn_blocking(move || child.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("2 passed"), "{said}");
    proxy.assert_untouched().await;
}
