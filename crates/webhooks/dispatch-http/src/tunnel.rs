//! Connects through an egress proxy by HTTP CONNECT (RFC 9110, section 9.3.6).
//!
//! The proxy gets judged addresses and never names: it would resolve a name itself, and the owner of the name
//! could give it another address. The TLS handshake is made with the endpoint inside the tunnel, so the proxy
//! sees neither the request nor the certificate of the name. The proxy's own address is the operator's and is
//! not judged. Failure messages mention the proxy without its address, because their readers need not be its
//! operators.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use rdev_webhooks_domain::FailureClass;
use rdev_webhooks_domain::ports::{LocalCause, LocalFault};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::Instant;
use url::Host;

use crate::connect::{AllUnreached, Reasons, Unreached, dial, in_turn, reason};
use crate::deadline::Deadline;
use crate::failure::{failure, timed_out};
use crate::fault::{NotConnected, Routes, fault};
use crate::progress::{Progress, Stage};
use crate::{ProxyUrl, Purpose, Resolve, ResolveError};

/// The maximum size of the head of a proxy's response.
const HEAD_LIMIT: usize = 8 * 1024;
/// The beginning of every response.
const VERSION: &[u8] = b"HTTP/1.";
/// The length of `HTTP/1.1 200`.
const STATUS_END: usize = VERSION.len() + 5;

/// A proxy and the resolver of its name.
#[derive(Clone)]
pub(crate) struct EgressProxy {
    url: ProxyUrl,
    resolver: Arc<dyn Resolve>,
}

impl EgressProxy {
    pub(crate) fn new(url: ProxyUrl, resolver: Arc<dyn Resolve>) -> Self {
        Self { url, resolver }
    }

    /// Connects to the first of an endpoint's addresses that the proxy reaches. A proxy that cannot be
    /// reached or used is a fault of this host, and says nothing about the endpoint.
    pub(crate) async fn connect(
        &self,
        host: &Host<&str>,
        addresses: &[IpAddr],
        port: u16,
        deadline: &Deadline,
        progress: &mut Progress,
        routes: &Routes,
    ) -> Result<TcpStream, NotConnected> {
        progress.enter(Stage::Proxy);
        let proxies = self.addresses(deadline).await?;
        let proxies = &proxies;
        progress.enter(Stage::Tunnel);
        let open = |target, until| self.open(proxies, target, until, routes);
        in_turn(addresses, port, deadline.at(), open).await.map_err(|unreached| match unreached {
            AllUnreached::Local(fault) => fault.into(),
            AllUnreached::Addresses(_) if Instant::now() >= deadline.at() => {
                timed_out(deadline.limit(), Stage::Tunnel).into()
            }
            AllUnreached::Addresses(reasons) => {
                let reasons = Reasons(host, &reasons);
                let detail = format!("could not connect through the egress proxy: {reasons}");
                failure(FailureClass::Connect, detail).into()
            }
        })
    }

    async fn addresses(&self, deadline: &Deadline) -> Result<Vec<IpAddr>, LocalFault> {
        let name = match self.url.host() {
            Host::Ipv4(address) => return Ok(vec![(*address).into()]),
            Host::Ipv6(address) => return Ok(vec![(*address).into()]),
            Host::Domain(name) => name,
        };
        let reason = match self.resolver.resolve(name, Purpose::EgressProxy, deadline).await {
            Ok(found) if found.is_empty() => "the name has no address".to_owned(),
            Ok(found) => return Ok(found),
            Err(ResolveError::Name(reason)) => reason,
            Err(ResolveError::Local(fault)) => return Err(fault),
        };
        let detail = format!("the egress proxy's name could not be resolved: {reason}");
        Err(fault(LocalCause::EgressProxy, detail))
    }

    async fn open(
        &self,
        proxies: &[IpAddr],
        target: SocketAddr,
        until: Instant,
        routes: &Routes,
    ) -> Result<TcpStream, Unreached> {
        let reached = in_turn(proxies, self.url.port(), until, |address, _| dial(address, routes)).await;
        let mut stream = reached.map_err(|unreached| match unreached {
            AllUnreached::Local(fault) => Unreached::Local(fault),
            AllUnreached::Addresses(reasons) => {
                let last = reasons.into_iter().next_back();
                let reason = last.map(|(_, reason)| reason).unwrap_or_default();
                let detail = format!("the egress proxy cannot be reached: {reason}");
                Unreached::Local(fault(LocalCause::EgressProxy, detail))
            }
        })?;
        self.ask(&mut stream, target).await?;
        Ok(stream)
    }

    /// Requests a tunnel. On success the stream is that tunnel, with nothing of it read.
    async fn ask(&self, stream: &mut TcpStream, target: SocketAddr) -> Result<(), Unreached> {
        let broken = |error: io::Error| {
            Unreached::Address(format!("the connection to the proxy broke: {}", reason(&error)))
        };
        stream.write_all(&self.question(target)).await.map_err(broken)?;
        match answered_status(stream).await.map_err(broken)?.map_err(Unreached::Address)? {
            200..300 => Ok(()),
            407 => Err(Unreached::Local(fault(
                LocalCause::EgressProxy,
                "the egress proxy rejected the configured credentials (407)",
            ))),
            status => Err(Unreached::Address(format!("the proxy responded with {status}"))),
        }
    }

    fn question(&self, target: SocketAddr) -> Vec<u8> {
        let mut question = format!("CONNECT {target} HTTP/1.1\r\nhost: {target}\r\n").into_bytes();
        if let Some(authorization) = self.url.authorization() {
            question.extend_from_slice(b"proxy-authorization: ");
            question.extend_from_slice(authorization.as_bytes());
            question.extend_from_slice(b"\r\n");
        }
        question.extend_from_slice(b"\r\n");
        question
    }
}

/// Reads the head of the proxy's response, and not a byte more: what follows is the endpoint's. The inner
/// error says what is wrong with the response.
async fn answered_status(stream: &mut TcpStream) -> io::Result<Result<u16, String>> {
    let mut head = Vec::with_capacity(512);
    let mut ahead = [0; 512];
    loop {
        let room = ahead.len().min(HEAD_LIMIT - head.len());
        if room == 0 {
            return Ok(Err(format!("the head of the proxy's response is longer than {HEAD_LIMIT} bytes")));
        }
        let known = head.len();
        let seen = stream.peek(&mut ahead[..room]).await?;
        if seen == 0 {
            return Ok(Err("the proxy closed the connection without a response".to_owned()));
        }
        head.extend_from_slice(&ahead[..seen]);
        let end = end_of_head(&head, known);
        head.truncate(end.unwrap_or(head.len()));
        let taken = head.len() - known;
        stream.read_exact(&mut ahead[..taken]).await?;
        // Judged early, because bytes that are not HTTP may never end.
        let Some(status) = status(&head) else {
            return Ok(Err("the proxy's response is not HTTP".to_owned()));
        };
        if let (Some(status), Some(_)) = (status, end) {
            return Ok(Ok(status));
        }
    }
}

/// Returns where the empty line ends; the bytes before `known` have already been searched.
fn end_of_head(head: &[u8], known: usize) -> Option<usize> {
    let from = known.saturating_sub(3);
    head[from..].windows(4).position(|window| window == b"\r\n\r\n").map(|at| from + at + 4)
}

/// Parses the status of a head. The outer option is `None` if it is not the head of a response, the inner one
/// if it is still too short.
fn status(head: &[u8]) -> Option<Option<u16>> {
    let length = head.len().min(VERSION.len());
    if head[..length] != VERSION[..length] {
        return None;
    }
    let Some(line) = head.get(VERSION.len()..STATUS_END) else {
        return if head.ends_with(b"\r\n\r\n") { None } else { Some(None) };
    };
    let ended = head.get(STATUS_END).is_none_or(|next| b" \r".contains(next));
    match *line {
        [b'0' | b'1', b' ', a @ b'1'..=b'9', b @ b'0'..=b'9', c @ b'0'..=b'9'] if ended => {
            Some(Some([a, b, c].iter().fold(0, |status, digit| status * 10 + u16::from(digit - b'0'))))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_is_parsed_as_soon_as_it_is_complete() {
        for (head, expected) in [
            ("", Some(None)),
            ("HTTP", Some(None)),
            ("HTTP/1.1 20", Some(None)),
            ("HTTP/1.1 200", Some(Some(200))),
            ("HTTP/1.0 502 Bad Gateway\r\n", Some(Some(502))),
            ("HTTP/1.1 407\r\n\r\n", Some(Some(407))),
            ("SSH", None),
            ("HTTP/2 200", None),
            ("HTTP/1.1 2000", None),
            ("HTTP/1.1  200", None),
            ("HTTP/1.1 020 x", None),
            ("HTTP/1.1 abc x", None),
            ("HTTP/1.\r\n\r\n", None),
        ] {
            assert_eq!(status(head.as_bytes()), expected, "{head:?}");
        }
    }

    #[test]
    fn the_end_of_a_head_is_found_across_pieces() {
        let head = b"HTTP/1.1 200 OK\r\n\r\nrest";
        for known in 0..=18 {
            assert_eq!(end_of_head(head, known), Some(19), "{known}");
        }
        assert_eq!(end_of_head(b"HTTP/1.1 200 OK\r\n\r", 0), None);
    }
}
