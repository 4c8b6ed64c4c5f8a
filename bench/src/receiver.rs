//! The endpoint of all webhooks: it responds to every request with 200, and ticks it off in the ledger.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use crate::Outcome;
use crate::connection::Head;
use crate::ledger::Ledger;

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n";

/// A running endpoint. Dropping it stops it.
pub(crate) struct Receiver {
    pub(crate) address: SocketAddr,
    server: JoinHandle<()>,
}

impl Receiver {
    pub(crate) async fn start(ledger: Arc<Ledger>) -> Outcome<Self> {
        Self::start_on(Ipv4Addr::LOCALHOST, ledger).await
    }

    /// Like [`Self::start`], on another address; the unspecified address stands for all addresses of this
    /// machine.
    pub(crate) async fn start_on(address: Ipv4Addr, ledger: Arc<Ledger>) -> Outcome<Self> {
        let listener = TcpListener::bind((address, 0)).await?;
        let address = listener.local_addr()?;
        let server = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                tokio::select! {
                    Ok((stream, _)) = listener.accept() => {
                        connections.spawn(serve(stream, Arc::clone(&ledger)));
                    }
                    Some(_) = connections.join_next() => {}
                }
            }
        });
        Ok(Self { address, server })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(mut stream: TcpStream, ledger: Arc<Ledger>) {
    if stream.set_nodelay(true).is_err() {
        return;
    }
    let mut buffer = Vec::with_capacity(16 * 1024);
    loop {
        let Some(head) = Head::of(&buffer) else {
            match stream.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => continue,
                _ => return,
            }
        };
        let end = head.end + head.length;
        while buffer.len() < end {
            match stream.read_buf(&mut buffer).await {
                Ok(read) if read > 0 => {}
                _ => return,
            }
        }
        match Delivery::of(&buffer[..head.end], &buffer[head.end..end]) {
            Some(Delivery { place, sent_us, webhook }) => ledger.arrive(place, sent_us, webhook),
            None => ledger.stranger(),
        }
        buffer.drain(..end);
        if stream.write_all(ANSWER).await.is_err() {
            return;
        }
    }
}

/// The parts of a request that the ledger needs.
#[derive(Debug, PartialEq, Eq)]
struct Delivery {
    place: usize,
    sent_us: u64,
    webhook: usize,
}

impl Delivery {
    fn of(head: &[u8], body: &[u8]) -> Option<Self> {
        let webhook = number(head.strip_prefix(b"POST /")?)?;
        let place = number(after(body, br#"{"n":"#)?)?;
        let sent_us = number(after(body, br#","t":"#)?)?;
        Some(Self { place: usize::try_from(place).ok()?, sent_us, webhook: usize::try_from(webhook).ok()? })
    }
}

fn after<'a>(text: &'a [u8], mark: &[u8]) -> Option<&'a [u8]> {
    let at = text.windows(mark.len()).position(|window| window == mark)?;
    Some(&text[at + mark.len()..])
}

fn number(text: &[u8]) -> Option<u64> {
    let digits = text.iter().take_while(|byte| byte.is_ascii_digit());
    let mut found = None;
    for digit in digits {
        found = Some(found.unwrap_or(0_u64).checked_mul(10)?.checked_add(u64::from(digit - b'0'))?);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_carries_its_place_its_time_and_its_webhook() {
        let body = br#"{"event":"command.started","timestamp":"2025-01-15T10:30:00Z","data":{"n":120,"t":4500,"x":"y"}}"#;
        let delivery = Delivery::of(b"POST /7 HTTP/1.1\r\n\r\n", body);
        assert_eq!(delivery, Some(Delivery { place: 120, sent_us: 4500, webhook: 7 }));
        assert_eq!(Delivery::of(b"POST /x HTTP/1.1\r\n\r\n", body), None);
        assert_eq!(Delivery::of(b"POST /7 HTTP/1.1\r\n\r\n", b"{}"), None);
    }
}
