//! Measures the upper limit of this machine: a bare hyper client sends requests like those of deliveries to
//! the same receiver, without a system behind it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::Outcome;
use crate::ledger::Ledger;
use crate::receiver::Receiver;
use crate::stats::per_second;

/// The numbers of connections to try: as few as the publisher has, and as many as the worker may have.
const CONNECTIONS: [usize; 2] = [16, 64];

/// The limit before and after all other phases, since others may use the machine too.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    pub(super) before: f64,
    pub(super) after: f64,
}

impl Limits {
    pub(super) fn mean(&self) -> f64 {
        f64::midpoint(self.before, self.after)
    }
}

/// Returns the requests per second with the best number of connections.
pub(super) async fn measure(each: Duration) -> Outcome<f64> {
    // These requests are not published, so they have a ledger of their own.
    let receiver = Receiver::start(Ledger::new(0)).await?;
    let mut best: f64 = 0.0;
    for connections in CONNECTIONS {
        best = best.max(measure_with(receiver.address, connections, each).await?);
    }
    Ok(best)
}

async fn measure_with(receiver: SocketAddr, connections: usize, duration: Duration) -> Outcome<f64> {
    let body = Bytes::from(format!(
        r#"{{"event":"command.started","timestamp":"2025-01-15T10:30:00Z","data":{{"padding":"{:150}"}}}}"#,
        ""
    ));
    let began = Instant::now();
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let body = body.clone();
        tasks.spawn(async move {
            let stream = TcpStream::connect(receiver).await?;
            stream.set_nodelay(true)?;
            let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
            let driver = tokio::spawn(connection);
            let mut requests = 0_u64;
            while began.elapsed() < duration {
                let request = like_a_delivery(receiver, body.clone())?;
                let response = sender.send_request(request).await?;
                if response.status() != 200 {
                    return Err(format!("the receiver answered {}", response.status()).into());
                }
                requests += 1;
            }
            driver.abort();
            Outcome::Ok(requests)
        });
    }
    let mut requests = 0;
    while let Some(ended) = tasks.join_next().await {
        requests += ended??;
    }
    Ok(per_second(requests, began.elapsed()))
}

fn like_a_delivery(receiver: SocketAddr, body: Bytes) -> Outcome<Request<Full<Bytes>>> {
    let request = Request::post("/limit")
        .header("host", receiver.to_string())
        .header("content-type", "application/json")
        .header("user-agent", "rdev-webhooks/0.1.0")
        .header("webhook-id", "evt_01jhmz2m00e9h8z4e6y7gk3t5v")
        .header("webhook-timestamp", "1736937000")
        .header("webhook-signature", "v1,K5oZfzN95Z9UVu1EsfQmfVNQhnkZ2pj9o9NDN/H/pI4=")
        .header("x-rdev-event", "command.started")
        .header("x-rdev-delivery", "dlv_01jhmz2m00e9h8z4e6y7gk3t5v")
        .header("x-rdev-attempt", "1");
    Ok(request.body(Full::new(body))?)
}
