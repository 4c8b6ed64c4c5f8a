//! Opens a TCP connection to the first of several addresses that accepts one.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rdev_webhooks_domain::ports::{LocalCause, LocalFault};
use rdev_webhooks_domain::{DestinationPolicy, FailureClass};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout_at};
use url::Host;

use crate::deadline::Deadline;
use crate::failure::{duration, failure, timed_out};
use crate::fault::{NotConnected, Routes};
use crate::progress::Stage;

/// The receive buffer of a connection, in bytes. A response is read up to some 16 KiB of its body, so an
/// endpoint that sends without end sends no more than this in vain.
const RECEIVE_BUFFER: u32 = 64 * 1_024;
/// The maximum number of addresses of a name that are tried.
const MAX_ADDRESSES: usize = 8;
/// The maximum time for one address if there is another to try.
const MAX_SHARE: Duration = Duration::from_secs(3);

/// The reason why one address was not reached.
pub(crate) enum Unreached {
    /// The address failed; another may be reached.
    Address(String),
    /// This host could not try the address.
    Local(LocalFault),
}

/// The reason why none of the addresses was reached.
pub(crate) enum AllUnreached {
    /// At least one of them failed.
    Addresses(Vec<(SocketAddr, String)>),
    /// None of them could be tried.
    Local(LocalFault),
}

/// The addresses of a host, and why each was not reached. It shows the addresses of a name only if they are
/// public: its readers need not know the operator's network.
pub(crate) struct Reasons<'a>(pub(crate) &'a Host<&'a str>, pub(crate) &'a [(SocketAddr, String)]);

impl fmt::Display for Reasons<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(host, reasons) = self;
        let public = DestinationPolicy::default();
        let is_told =
            |address: &SocketAddr| !matches!(host, Host::Domain(_)) || public.judge(address.ip()).is_ok();
        let mut texts: Vec<_> = reasons
            .iter()
            .map(|(address, reason)| match is_told(address) {
                true => format!("{address}: {reason}"),
                false => format!("{host}:{}: {reason}", address.port()),
            })
            .collect();
        texts.dedup();
        f.write_str(&texts.join("; "))
    }
}

/// Connects to the addresses of an endpoint directly.
pub(crate) async fn connect(
    host: &Host<&str>,
    addresses: &[IpAddr],
    port: u16,
    deadline: &Deadline,
    routes: &Routes,
) -> Result<TcpStream, NotConnected> {
    let connected = in_turn(addresses, port, deadline.at(), |address, _| dial(address, routes)).await;
    connected.map_err(|unreached| match unreached {
        AllUnreached::Local(fault) => fault.into(),
        AllUnreached::Addresses(_) if Instant::now() >= deadline.at() => {
            timed_out(deadline.limit(), Stage::Connect).into()
        }
        AllUnreached::Addresses(reasons) => {
            let detail = format!("could not connect to {}", Reasons(host, &reasons));
            failure(FailureClass::Connect, detail).into()
        }
    })
}

/// Tries the addresses in turn. Each gets its share of the remaining time, so that one that never responds
/// leaves some to the next; the last may use all of it. `attempt` receives the end of its share.
pub(crate) async fn in_turn<Attempt>(
    addresses: &[IpAddr],
    port: u16,
    deadline: Instant,
    attempt: impl Fn(SocketAddr, Instant) -> Attempt,
) -> Result<TcpStream, AllUnreached>
where
    Attempt: Future<Output = Result<TcpStream, Unreached>>,
{
    let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let mut reasons = Vec::new();
    let mut fault = None;
    for (index, address) in addresses.iter().enumerate() {
        let address = SocketAddr::new(*address, port);
        let now = Instant::now();
        let left = deadline.saturating_duration_since(now);
        let others = u32::try_from(addresses.len() - index - 1).unwrap_or(u32::MAX);
        let share = match others {
            0 => left,
            _ => (left / (others + 1)).min(MAX_SHARE),
        };
        let until = now + share;
        let reason = match timeout_at(until, attempt(address, until)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(Unreached::Local(local))) => {
                // The way to the other addresses is the same.
                let leads_on = local.cause != LocalCause::EgressProxy;
                fault = Some(local);
                if leads_on {
                    continue;
                }
                break;
            }
            Ok(Err(Unreached::Address(reason))) => reason,
            Err(_) => format!("no response within {}", duration(share)),
        };
        reasons.push((address, reason));
    }
    match fault {
        Some(fault) if reasons.is_empty() => Err(AllUnreached::Local(fault)),
        _ => Err(AllUnreached::Addresses(reasons)),
    }
}

/// Connects to one address.
pub(crate) async fn dial(address: SocketAddr, routes: &Routes) -> Result<TcpStream, Unreached> {
    let stream = open(address).await.map_err(|error| match routes.fault(&error, address) {
        Some(fault) => Unreached::Local(fault),
        None => Unreached::Address(reason(&error)),
    })?;
    // A failure is ignored: the connection works without it.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

async fn open(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    // A failure is ignored here too.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    socket.connect(address).await
}

pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    /// The kernel enlarges the buffer of a connection that reads much, up to several MiB, unless its size was set.
    #[tokio::test]
    async fn the_receive_buffer_does_not_grow() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut stream = open(listener.local_addr().unwrap()).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        let sending = tokio::spawn(async move {
            let block = vec![0; 1_024 * 1_024];
            while peer.write_all(&block).await.is_ok() {}
        });
        let mut block = vec![0; 1_024 * 1_024];
        for _ in 0..64 {
            stream.read_exact(&mut block).await.unwrap();
        }
        let socket = TcpSocket::from_std_stream(stream.into_std().unwrap());
        // Linux counts its bookkeeping too, and doubles the size.
        assert_eq!(socket.recv_buffer_size().unwrap(), 2 * RECEIVE_BUFFER);
        drop(socket);
        sending.await.unwrap();
    }
}
