//! What the connection pool calls for a new connection.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use hyper_util::rt::TokioIo;
use rdev_webhooks_domain::{AttemptFailure, FailureClass};
use rustls::ClientConfig;
use tokio::time::{Instant, timeout_at};
use url::Host;

use crate::connect::connect;
use crate::exchange::{CURRENT, Exchange, Stage};
use crate::failure::{failure, timed_out};
use crate::guard::{Guard, NoAddress};
use crate::stream::Stream;
use crate::tunnel::EgressProxy;
use crate::{Purpose, tls};

/// The deadline of a connection that no exchange asked for.
const FALLBACK_DEADLINE: Duration = Duration::from_secs(15);

#[derive(Clone)]
pub(crate) struct Connector {
    guard: Guard,
    proxy: Option<EgressProxy>,
    tls: Arc<ClientConfig>,
}

/// A failure on its way through the pool's error type.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.detail)]
pub(crate) struct NotConnected(pub(crate) AttemptFailure);

impl Connector {
    pub(crate) fn new(guard: Guard, proxy: Option<EgressProxy>, tls: Arc<ClientConfig>) -> Self {
        Self { guard, proxy, tls }
    }

    async fn open(self, uri: Uri, exchange: Arc<Exchange>) -> Result<Stream, AttemptFailure> {
        // The pool may go on with this after the request has left, so it needs its own deadline.
        match timeout_at(exchange.deadline, self.steps(&uri, &exchange)).await {
            Ok(opened) => opened,
            Err(_) => Err(timed_out(exchange.limit, exchange.opening().0)),
        }
    }

    async fn steps(&self, uri: &Uri, exchange: &Arc<Exchange>) -> Result<Stream, AttemptFailure> {
        let host = host(uri);
        let port = port(uri);

        if matches!(host, Host::Domain(_)) {
            exchange.enter(Stage::LookUp);
        }
        let found = self.guard.addresses(&host, Purpose::Delivery).await;
        let addresses = found.map_err(|error| no_address(&host, error))?;
        let tcp = match &self.proxy {
            None => {
                exchange.enter(Stage::Connect);
                connect(&addresses, port, exchange).await?
            }
            Some(proxy) => {
                exchange.enter(Stage::Proxy);
                proxy.connect(&addresses, port, exchange).await?
            }
        };
        if !is_https(uri) {
            exchange.enter(Stage::Head);
            return Ok(Stream::plain(tcp, Arc::clone(exchange)));
        }
        exchange.enter(Stage::Tls);
        let tls = tls::handshake(Arc::clone(&self.tls), &host, tcp).await?;
        exchange.enter(Stage::Head);
        Ok(Stream::tls(tls, Arc::clone(exchange)))
    }
}

/// The host of a URI that came from an [`EndpointUrl`](rdev_webhooks_domain::EndpointUrl) and is thus in
/// normal form.
fn host(uri: &Uri) -> Host<&str> {
    let host = uri.host().unwrap_or_default();
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    match bare.parse() {
        Ok(std::net::IpAddr::V4(address)) => Host::Ipv4(address),
        Ok(std::net::IpAddr::V6(address)) => Host::Ipv6(address),
        Err(_) => Host::Domain(host),
    }
}

fn port(uri: &Uri) -> u16 {
    uri.port_u16().unwrap_or(if is_https(uri) { 443 } else { 80 })
}

fn is_https(uri: &Uri) -> bool {
    uri.scheme_str() == Some("https")
}

fn no_address(host: &Host<&str>, error: NoAddress) -> AttemptFailure {
    match error {
        NoAddress::Refused(refused) => failure(FailureClass::RefusedDestination, refused.to_string()),
        NoAddress::LookUp(error) => {
            failure(FailureClass::Dns, format!("the name {host} could not be looked up: {error}"))
        }
    }
}

impl tower::Service<Uri> for Connector {
    type Response = TokioIo<Stream>;
    type Error = NotConnected;
    type Future = Pin<Box<dyn Future<Output = Result<TokioIo<Stream>, NotConnected>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), NotConnected>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        // Read here and not in the future, which the pool may move to a task of its own.
        let exchange = CURRENT
            .try_with(Arc::clone)
            .unwrap_or_else(|_| Arc::new(Exchange::new(Instant::now(), FALLBACK_DEADLINE)));
        let opened = self.clone().open(uri, exchange);
        Box::pin(async move { opened.await.map(TokioIo::new).map_err(NotConnected) })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rdev_webhooks_domain::EndpointUrl;

    use super::*;

    fn any_url() -> impl Strategy<Value = String> {
        let piece = prop_oneof![
            prop::sample::select(vec![
                "127.0.0.1",
                "8.8.8.8",
                "0x7f.1",
                "[::1]",
                "[::ffff:1.2.3.4]",
                "localhost",
                "a.example.com",
                ".",
                "%2e",
                "%40",
                "@",
                ":80",
                ":443",
                ":8080",
                "/",
                "\\",
                "?",
                "#",
                "\u{3002}",
                "\u{e9}",
                "xn--",
            ])
            .prop_map(str::to_owned),
            ".{0,3}",
        ];
        let rest = prop::collection::vec(piece, 1..6).prop_map(|pieces| pieces.concat());
        (prop::sample::select(vec!["http://", "https://", "HTTP:\\\\"]), rest)
            .prop_map(|(scheme, rest)| format!("{scheme}{rest}"))
    }

    proptest! {
        #[test]
        fn what_is_connected_to_is_the_host_that_the_url_was_judged_by(text in any_url()) {
            if let Ok(url) = text.parse::<EndpointUrl>() {
                prop_assert_eq!(host(url.uri()), url.host());
                prop_assert_eq!(port(url.uri()), url.port());
            }
        }
    }
}
