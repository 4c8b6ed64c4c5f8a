//! The list of forbidden destinations in every place where one can occur: as the URL of a webhook, as the
//! address of its name, and as the target of a redirect.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use rdev_webhooks_dispatch_http::{HttpDispatcher, Options};
use rdev_webhooks_domain::ports::Dispatcher;
use rdev_webhooks_domain::{EndpointUrl, FailureClass};
use url::Host;

use crate::dns::{NameServer, address, alias};
use crate::receiver::{Receiver, friendly};
use crate::setup::{failure, options, send};

const LIST: &str = include_str!("../../../domain/src/destination/forbidden-destinations.txt");

fn lines() -> Vec<&'static str> {
    let lines: Vec<_> = LIST.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(lines.len(), 38, "the whole list was read");
    lines
}

fn urls() -> Vec<EndpointUrl> {
    let urls: Vec<_> = lines().into_iter().filter_map(|line| line.parse().ok()).collect();
    assert_eq!(urls.len(), 32, "the other six are not endpoint URLs");
    urls
}

/// Returns the addresses among the hosts of the list.
fn addresses() -> BTreeSet<IpAddr> {
    let hosts = urls();
    let literal = hosts.iter().filter_map(|url| match url.host() {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    });
    literal.collect()
}

/// Returns the same host with the port of a receiver that listens on every address of this machine.
fn at(url: &EndpointUrl, receiver: &Receiver) -> EndpointUrl {
    format!("http://{}:{}/", url.host(), receiver.address.port()).parse().unwrap()
}

async fn watch() -> Receiver {
    Receiver::start_at("[::]:0".parse().unwrap(), friendly).await
}

async fn assert_refused(dispatcher: &HttpDispatcher, url: EndpointUrl) {
    let refused = dispatcher.check_destination(&url).await.expect_err(url.as_str());
    let report = send(dispatcher, url).await;
    assert_eq!(failure(&report, FailureClass::RefusedDestination), refused.to_string());
    assert_eq!(report.phases.connect, None);
}

#[tokio::test]
async fn a_forbidden_url_is_not_connected_to_with_or_without_a_proxy() {
    let (receiver, proxy) = (watch().await, Receiver::start_friendly().await);
    let egress_proxy = Some(format!("http://{}", proxy.address).parse().unwrap());
    for options in [options(&[]), Options { egress_proxy, ..options(&[]) }] {
        let dispatcher = HttpDispatcher::new(options).unwrap();
        for url in urls() {
            assert_refused(&dispatcher, at(&url, &receiver)).await;
            assert_refused(&dispatcher, url).await;
        }
    }
    receiver.assert_untouched().await;
    proxy.assert_untouched().await;
}

#[tokio::test]
async fn a_forbidden_address_of_a_name_is_not_connected_to() {
    const NAME: &str = "hooks.example.com.";
    let receiver = watch().await;
    let url: EndpointUrl = format!("http://hooks.example.com:{}/", receiver.address.port()).parse().unwrap();
    let addresses = addresses();
    assert_eq!(addresses.len(), 23, "127.0.0.1 is listed in five forms");
    for forbidden in addresses {
        let mut answers = vec![forbidden];
        if let IpAddr::V4(embedded) = forbidden {
            // An AAAA record can contain the same.
            answers.push(embedded.to_ipv6_mapped().into());
        }
        for answer in answers {
            let direct = vec![address(NAME, &answer.to_string())];
            let aliased = vec![alias(NAME, "b.example.com."), address("b.example.com.", &answer.to_string())];
            for zone in [direct, aliased] {
                let server = NameServer::start(vec![zone]).await;
                let resolver = Arc::new(server.resolver());
                let dispatcher = HttpDispatcher::new(Options { resolver, ..options(&[]) }).unwrap();
                assert_refused(&dispatcher, url.clone()).await;
            }
        }
    }
    receiver.assert_untouched().await;
}

#[tokio::test]
async fn a_forbidden_target_of_a_redirect_is_not_connected_to() {
    let location = Arc::new(Mutex::new((0, String::new())));
    let script = Arc::clone(&location);
    let receiver = Receiver::start(move |mut peer| {
        let script = Arc::clone(&script);
        async move {
            peer.request().await.unwrap();
            let (status, location) = script.lock().unwrap().clone();
            let head = format!(
                "HTTP/1.1 {status} Elsewhere\r\nlocation: {location}\r\nconnection: close\r\n\
                 content-length: 0\r\n\r\n"
            );
            peer.send(head.as_bytes()).await;
        }
    })
    .await;
    let watcher = watch().await;
    // Everything is allowed: the protection here is that no redirect is followed.
    let dispatcher = HttpDispatcher::new(options(&["0.0.0.0/0", "::/0"])).unwrap();
    let watched: Vec<String> = urls().iter().map(|url| at(url, &watcher).to_string()).collect();
    let targets: Vec<&str> = lines().into_iter().chain(watched.iter().map(String::as_str)).collect();
    let mut sent = 0;
    for status in [301, 302, 303, 307, 308] {
        for target in &targets {
            *location.lock().unwrap() = (status, (*target).to_owned());
            let report = send(&dispatcher, receiver.url("/")).await;
            failure(&report, FailureClass::Status);
            assert_eq!(report.outcome.status(), Some(status), "{target}");
            sent += 1;
            assert_eq!(receiver.accepted(), sent, "{target}");
        }
    }
    watcher.assert_untouched().await;
}
