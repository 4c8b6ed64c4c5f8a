//! Measures how fast events are published and delivered, from the first request to the last delivery.

use std::time::Duration;

use super::Bench;
use super::cpu::{Before, Used};
use crate::database::Statement;
use crate::publisher::Published;
use crate::stats::{per_second, percentile};
use crate::{Outcome, say};

pub(super) struct DeliveryRate {
    pub(super) fan_out: usize,
    pub(super) connections: usize,
    pub(super) published: Published,
    pub(super) deliveries: u64,
    /// The number of deliveries that arrived before the last event was accepted.
    pub(super) meanwhile: u64,
    pub(super) p50_us: u32,
    pub(super) p99_us: u32,
    /// The time from the first request to the arrival of the last delivery.
    pub(super) took: Duration,
    pub(super) used: Used,
    pub(super) statements: Vec<Statement>,
}

impl DeliveryRate {
    pub(super) fn per_second(&self) -> f64 {
        per_second(self.deliveries, self.took)
    }
}

pub(super) async fn measure(
    bench: &mut Bench<'_>,
    fan_out: usize,
    connections: usize,
) -> Outcome<DeliveryRate> {
    let duration = bench.options.duration();
    say(&format!("publishing on {connections} connections and delivering, fan-out {fan_out}"));
    let publisher = bench.publisher(fan_out);
    publisher.as_fast_as_answered(connections, duration / 4, u64::MAX).await?;
    bench.ledger.all_arrived(bench.options.patience()).await?;
    bench.database.checkpoint().await?;
    bench.database.forget_statements().await?;

    let first = bench.ledger.mark();
    let before = Before::take(bench).await?;
    let (began_us, arrived) = (bench.ledger.now_us(), bench.ledger.arrived());
    let published = publisher.as_fast_as_answered(connections, duration, u64::MAX).await?;
    let meanwhile = bench.ledger.arrived() - arrived;
    bench.ledger.all_arrived(bench.options.patience()).await?;
    let took = Duration::from_micros(bench.ledger.last_arrival_us().saturating_sub(began_us));
    let used = before.used(bench).await?;
    let statements = bench.database.statements().await?;
    let deliveries = (bench.ledger.mark() - first) as u64;
    let (latencies, _) = bench.ledger.latencies(first);
    Ok(DeliveryRate {
        fan_out,
        connections,
        published,
        deliveries,
        meanwhile,
        p50_us: percentile(&latencies, 50.0),
        p99_us: percentile(&latencies, 99.0),
        took,
        used,
        statements,
    })
}
