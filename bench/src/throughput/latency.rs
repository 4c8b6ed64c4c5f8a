//! Measures the latency from sending an event to its arrival at the receiver, at a fixed rate that does not
//! depend on the response time.

use super::Bench;
use super::cpu::{Before, Used};
use crate::stats::percentile;
use crate::{Outcome, say};

/// The publisher's connections, enough that no event waits for one before the system is far behind.
const CONNECTIONS: usize = 64;

pub(super) struct Latency {
    pub(super) rate: u32,
    pub(super) events: u64,
    pub(super) p50_us: u32,
    pub(super) p95_us: u32,
    pub(super) p99_us: u32,
    pub(super) max_us: u32,
    pub(super) used: Used,
}

pub(super) async fn measure(bench: &mut Bench<'_>, rate: u32) -> Outcome<Latency> {
    let duration = bench.options.duration();
    say(&format!("end to end at {rate} events a second"));
    let publisher = bench.publisher(1);
    publisher.at_rate(CONNECTIONS, rate, duration / 4).await?;
    bench.ledger.all_arrived(bench.options.patience()).await?;

    let first = bench.ledger.mark();
    let before = Before::take(bench).await?;
    let published = publisher.at_rate(CONNECTIONS, rate, duration).await?;
    bench.ledger.all_arrived(bench.options.patience()).await?;
    let used = before.used(bench).await?;
    let (latencies, _) = bench.ledger.latencies(first);
    Ok(Latency {
        rate,
        events: published.events,
        p50_us: percentile(&latencies, 50.0),
        p95_us: percentile(&latencies, 95.0),
        p99_us: percentile(&latencies, 99.0),
        max_us: percentile(&latencies, 100.0),
        used,
    })
}
