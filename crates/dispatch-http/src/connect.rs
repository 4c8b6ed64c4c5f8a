//! Opening a TCP connection to the first of several addresses that takes one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use rdev_webhooks_domain::{AttemptFailure, FailureClass};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout};

use crate::exchange::{Exchange, Stage};
use crate::failure::{duration, failure, timed_out};

/// How many addresses of a name are tried.
const MAX_ADDRESSES: usize = 8;
/// How long an address may take if there is another to try.
const MAX_SHARE: Duration = Duration::from_secs(3);

/// Tries the addresses in turn. Each gets its share of the time left, so that one that never answers
/// leaves some to the next; the last may use all of it.
pub(crate) async fn connect(
    addresses: &[IpAddr],
    port: u16,
    exchange: &Exchange,
) -> Result<TcpStream, AttemptFailure> {
    let addresses = &addresses[..addresses.len().min(MAX_ADDRESSES)];
    let mut reasons = Vec::new();
    for (index, address) in addresses.iter().enumerate() {
        let address = SocketAddr::new(*address, port);
        let left = exchange.deadline.saturating_duration_since(Instant::now());
        let others = u32::try_from(addresses.len() - index - 1).unwrap_or(u32::MAX);
        let share = match others {
            0 => left,
            _ => (left / (others + 1)).min(MAX_SHARE),
        };
        match timeout(share, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                // Not worth a failure: the connection works without.
                let _ = stream.set_nodelay(true);
                return Ok(stream);
            }
            Ok(Err(error)) => reasons.push(format!("{address}: {}", reason(&error))),
            Err(_) => reasons.push(format!("{address}: no answer within {}", duration(share))),
        }
    }
    if Instant::now() >= exchange.deadline {
        return Err(timed_out(exchange.limit, Stage::Connect));
    }
    let detail = format!("could not connect to {}", reasons.join("; "));
    Err(failure(FailureClass::Connect, detail))
}

fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::Other => error.to_string(),
        kind => kind.to_string(),
    }
}
