//! Opens a connection for a request.

use std::sync::Arc;

use http::Uri;
use rdev_webhooks_domain::FailureClass;
use rdev_webhooks_domain::ports::LocalCause;
use rustls::ClientConfig;
use tokio::sync::OwnedSemaphorePermit;
use url::Host;

use crate::connect::connect;
use crate::deadline::Deadline;
use crate::failure::failure;
use crate::fault::{NotConnected, Routes, fault};
use crate::guard::{Guard, NoAddress};
use crate::progress::{Progress, Stage};
use crate::stream::Stream;
use crate::tunnel::EgressProxy;
use crate::{Purpose, tls};

pub(crate) struct Connector {
    guard: Guard,
    proxy: Option<EgressProxy>,
    tls: Arc<ClientConfig>,
    routes: Routes,
}

impl Connector {
    pub(crate) fn new(guard: Guard, proxy: Option<EgressProxy>, tls: Arc<ClientConfig>) -> Self {
        Self { guard, proxy, tls, routes: Routes::new() }
    }

    /// Resolves the host, connects to one of its addresses, and performs the TLS handshake.
    pub(crate) async fn open(
        &self,
        uri: &Uri,
        place: OwnedSemaphorePermit,
        deadline: &Deadline,
        progress: &mut Progress,
    ) -> Result<Stream, NotConnected> {
        let host = host(uri);
        let port = port(uri);

        if matches!(host, Host::Domain(_)) {
            progress.enter(Stage::LookUp);
        }
        let waited = deadline.local_waits();
        let found = self.guard.addresses(&host, Purpose::Delivery, deadline).await;
        progress.skip(deadline.local_waits() - waited);
        let addresses = found.map_err(|error| no_address(&host, error))?;
        let tcp = match &self.proxy {
            None => {
                progress.enter(Stage::Connect);
                connect(&host, &addresses, port, deadline, &self.routes).await?
            }
            Some(proxy) => proxy.connect(&host, &addresses, port, deadline, progress, &self.routes).await?,
        };
        if !is_https(uri) {
            return Ok(Stream::plain(tcp, place));
        }
        progress.enter(Stage::Tls);
        let tls = tls::handshake(Arc::clone(&self.tls), &host, tcp).await?;
        Ok(Stream::tls(tls, place))
    }

    /// Returns whether a look-up is waiting for this host's own resolver.
    pub(crate) fn awaits_resolver(&self, progress: &Progress) -> bool {
        progress.stage() == Stage::LookUp && self.guard.is_resolver_silent(progress.since())
    }
}

/// Returns the host of a URI that comes from an [`EndpointUrl`](rdev_webhooks_domain::EndpointUrl) and is
/// therefore in normal form.
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

fn no_address(host: &Host<&str>, error: NoAddress) -> NotConnected {
    match error {
        NoAddress::Refused(refused) => failure(FailureClass::RefusedDestination, refused.to_string()).into(),
        NoAddress::LookUp(error) => {
            failure(FailureClass::Dns, format!("the name {host} could not be resolved: {error}")).into()
        }
        NoAddress::Local(fault) => fault.into(),
    }
}

/// Returns the fault of a host whose resolver does not respond.
pub(crate) fn silent_resolver() -> NotConnected {
    fault(LocalCause::Resolver, "this host's resolver does not respond").into()
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
        fn the_connected_host_is_the_judged_host(text in any_url()) {
            if let Ok(url) = text.parse::<EndpointUrl>() {
                prop_assert_eq!(host(url.uri()), url.host());
                prop_assert_eq!(port(url.uri()), url.port());
            }
        }
    }
}
