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
use crate::tls;

/// The deadline of a connection that no exchange asked for.
const FALLBACK_DEADLINE: Duration = Duration::from_secs(15);

#[derive(Clone)]
pub(crate) struct Connector {
    guard: Guard,
    tls: Arc<ClientConfig>,
}

/// A failure on its way through the pool's error type.
#[derive(Debug, thiserror::Error)]
#[error("{}", .0.detail)]
pub(crate) struct NotConnected(pub(crate) AttemptFailure);

impl Connector {
    pub(crate) fn new(guard: Guard, tls: Arc<ClientConfig>) -> Self {
        Self { guard, tls }
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
        let https = uri.scheme_str() == Some("https");
        let port = uri.port_u16().unwrap_or(if https { 443 } else { 80 });

        if matches!(host, Host::Domain(_)) {
            exchange.enter(Stage::LookUp);
        }
        let addresses = self.guard.addresses(&host).await.map_err(|error| no_address(&host, error))?;
        exchange.enter(Stage::Connect);
        let tcp = connect(&addresses, port, exchange).await?;
        if !https {
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
