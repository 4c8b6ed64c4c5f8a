//! Opening a TCP connection to the first of several addresses that takes one.

use std::fmt;
use std::future::Future;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rdev_webhooks_domain::{AttemptFailure, FailureClass};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};

use crate::exchange::{Exchange, Stage};
use crate::failure::{duration, failure, timed_out};

/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 8;
/// How long an address may take if there is another to try.
const MAX_SHARE: Duration = Duration::from_secs(3);

/// Why one address was not reached.
pub(crate) enum Unreached {
    /// Another may be.
    Address(String),
    /// No other would be either: the way to all of them is closed.
    Way(String),
}

/// Why none of the addresses was reached.
pub(crate) enum AllUnreached {
    Addresses(Vec<(SocketAddr, String)>),
    Way(String),
}

impl fmt::Display for AllUnreached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Way(reason) => f.write_str(reason),
            Self::Addresses(reasons) => {
                for (index, (address, reason)) in reasons.iter().enumerate() {
                    let separator = if index == 0 { "" } else { "; " };
                    write!(f, "{separator}{address}: {reason}")?;
                }
                Ok(())
            }
        }
    }
}

/// Connects to the addresses of an endpoint themselves.
pub(crate) async fn connect(
    addresses: &[IpAddr],
    port: u16,
    exchange: &Exchange,
) -> Result<TcpStream, AttemptFailure> {
    let connected = in_turn(addresses, port, exchange.deadline, |address, _| dial(address)).await;
    connected.map_err(|reasons| {
        if Instant::now() >= exchange.deadline {
            return timed_out(exchange.limit, Stage::Connect);
        }
        failure(FailureClass::Connect, format!("could not connect to {reasons}"))
    })
}

/// Tries the addresses in turn. Each gets its share of the time left, so that one that never answers
/// leaves some to the next; the last may use all of it. `attempt` is told when its share ends.
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
            Ok(Err(Unreached::Way(reason))) => return Err(AllUnreached::Way(reason)),
            Ok(Err(Unreached::Address(reason))) => reason,
            Err(_) => format!("no answer within {}", duration(share)),
        };
        reasons.push((address, reason));
    }
    Err(AllUnreached::Addresses(reasons))
}

/// Connects to one address.
pub(crate) async fn dial(address: SocketAddr) -> Result<TcpStream, Unreached> {
    let stream = TcpStream::connect(address).await.map_err(|error| Unreached::Address(reason(&error)))?;
    // Not worth a failure: the connection works without.
    let _ = stream.set_nodelay(true);
    Ok(stream)
}

pub(crate) fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}
