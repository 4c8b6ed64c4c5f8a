//! Certificates and handshakes.

use std::sync::Arc;
use std::time::Duration;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rdev_webhooks_dispatch_http::{CertificateDer, HttpDispatcher, Options, OptionsError};
use rdev_webhooks_domain::ports::Dispatcher;
use rdev_webhooks_domain::{EndpointUrl, FailureClass};
use rustls::ServerConfig;
use rustls::crypto::ring;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::receiver::{OK, Peer, Receiver};
use crate::setup::Answer::Addresses;
use crate::setup::{Names, SECRET_PATH, failure, options, request, send};

/// A private certificate authority, and the certificates that it issues.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        Self::named("the trusted authority")
    }

    pub(crate) fn root(&self) -> CertificateDer<'static> {
        self.0.der().clone()
    }

    fn named(name: &str) -> Self {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// Returns a dispatcher that trusts this authority and knows `hooks.example.com`.
    pub(crate) fn trusting(&self) -> HttpDispatcher {
        self.dispatcher(|_| {})
    }

    /// Returns such a dispatcher with other options.
    pub(crate) fn dispatcher(&self, change: impl FnOnce(&mut Options)) -> HttpDispatcher {
        let mut options = Options { extra_roots: vec![self.root()], ..names() };
        change(&mut options);
        HttpDispatcher::new(options).unwrap()
    }

    pub(crate) fn acceptor(&self, alpn: &[&[u8]]) -> TlsAcceptor {
        let params = CertificateParams::new(["hooks.example.com".into(), "127.0.0.1".into()]);
        self.acceptor_with(&params.unwrap(), alpn)
    }

    fn acceptor_with(&self, params: &CertificateParams, alpn: &[&[u8]]) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let mut config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }
}

fn names() -> Options {
    Options {
        resolver: Arc::new(Names::default().with("hooks.example.com", &[Addresses(&["127.0.0.1"])])),
        ..options(&["127.0.0.0/8"])
    }
}

pub(crate) fn url(host: &str, receiver: &Receiver) -> EndpointUrl {
    format!("https://{host}:{}{SECRET_PATH}", receiver.address.port()).parse().unwrap()
}

pub(crate) async fn serve_once(mut tls: TlsStream<TcpStream>) {
    let mut head = Vec::new();
    while !head.windows(4).any(|end| end == b"\r\n\r\n") {
        head.push(tls.read_u8().await.unwrap());
    }
    tls.write_all(OK).await.unwrap();
    tls.flush().await.unwrap();
    std::future::pending::<()>().await;
}

/// Returns a receiver that performs a TLS handshake and answers one request, and the results of the
/// handshakes.
async fn receiver(acceptor: TlsAcceptor) -> (Receiver, mpsc::UnboundedReceiver<bool>) {
    let (sender, agreed) = mpsc::unbounded_channel();
    let receiver = Receiver::start(move |peer: Peer| {
        let (acceptor, sender) = (acceptor.clone(), sender.clone());
        async move {
            let tls = acceptor.accept(peer.stream).await;
            // Not every test listens.
            let _ = sender.send(tls.is_ok());
            if let Ok(tls) = tls {
                serve_once(tls).await;
            }
        }
    })
    .await;
    (receiver, agreed)
}

#[tokio::test]
async fn a_certificate_of_a_trusted_authority_is_accepted_by_name_and_by_address() {
    let authority = Authority::new();
    for alpn in [&[][..], &[&b"http/1.1"[..]]] {
        for host in ["hooks.example.com", "127.0.0.1"] {
            let (receiver, _) = receiver(authority.acceptor(alpn)).await;
            let report = send(&authority.trusting(), url(host, &receiver)).await;
            assert!(report.outcome.is_success(), "{:?}", report.outcome.failure);
            let phases = report.phases;
            assert_eq!(phases.dns.is_some(), host != "127.0.0.1");
            assert!(phases.connect.is_some() && phases.tls.is_some());
            assert!(phases.tls.unwrap() < phases.first_byte.unwrap());
        }
    }
}

#[tokio::test]
async fn an_untrusted_certificate_is_explained_and_gets_no_request() {
    let trusted = Authority::new();
    let other = Authority::named("another authority");
    let expired = |params: &mut CertificateParams| params.not_after = date_time_ymd(2020, 1, 1);
    let future = |params: &mut CertificateParams| params.not_before = date_time_ymd(2090, 1, 1);
    let keep = |_: &mut CertificateParams| ();
    type Change<'a> = &'a dyn Fn(&mut CertificateParams);
    let cases: [(&Authority, &str, Change<'_>, &str); 4] = [
        (&other, "hooks.example.com", &keep, "not issued by a trusted authority"),
        (&trusted, "other.example.com", &keep, "is for another name"),
        (&trusted, "hooks.example.com", &expired, "has expired"),
        (&trusted, "hooks.example.com", &future, "is not valid yet"),
    ];
    for (issuer, name, change, expected) in cases {
        let mut params = CertificateParams::new([name.into()]).unwrap();
        change(&mut params);
        let (receiver, mut agreed) = receiver(issuer.acceptor_with(&params, &[])).await;
        let report = send(&trusted.trusting(), url("hooks.example.com", &receiver)).await;
        let detail = failure(&report, FailureClass::Tls);
        assert!(detail.contains(expected), "{detail}");
        assert!(report.phases.tls.is_some());
        assert_eq!(report.phases.first_byte, None);
        assert_eq!(agreed.recv().await, Some(false));
    }
}

#[tokio::test]
async fn a_receiver_without_tls_is_a_tls_failure() {
    let dispatcher = Authority::new().trusting();
    let plain = Receiver::start(|mut peer| async move {
        peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        peer.hold().await;
    })
    .await;
    let report = send(&dispatcher, url("127.0.0.1", &plain)).await;
    let detail = failure(&report, FailureClass::Tls);
    assert!(detail.contains("plain HTTP"), "{detail}");

    let closing = Receiver::start(|mut peer| async move {
        peer.stream.read_u8().await.unwrap();
    })
    .await;
    let report = send(&dispatcher, url("127.0.0.1", &closing)).await;
    let detail = failure(&report, FailureClass::Tls);
    assert!(detail.contains("during the TLS handshake"), "{detail}");
}

#[tokio::test]
async fn a_handshake_that_never_ends_is_bounded_by_the_deadline() {
    let receiver = Receiver::start(Peer::hold).await;
    let mut request = request(url("127.0.0.1", &receiver));
    request.deadline = Duration::from_millis(300);
    let report = Authority::new().trusting().send(request).await.unwrap();
    let detail = failure(&report, FailureClass::Timeout);
    assert_eq!(detail, "timed out after 300 ms while agreeing on TLS");
    assert!(report.phases.tls.is_some());
}

#[test]
fn an_invalid_root_is_refused_with_its_number() {
    let refused = HttpDispatcher::new(Options {
        extra_roots: vec![CertificateDer::from_slice(b"nonsense")],
        ..names()
    });
    assert!(matches!(refused.err(), Some(OptionsError::Root { number: 1, .. })));
}

#[test]
fn the_systems_own_roots_can_be_read() {
    assert!(HttpDispatcher::new(Options::default()).is_ok());
}
