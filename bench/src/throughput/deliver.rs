//! Measures how fast events are published and delivered, from the first request to the last delivery.

use std::time::Duration;

use super::Bench;
use super::cpu::{Before, Used};
use crate::database::Statement;
use crate::publisher::Published;
use crate::stats::per_second;
use crate::{Outcome, say};

pub(super) struct DeliveryRate {
    pub(super) fan_out: usize,
    pub(super) published: Published,
    pub(super) deliveries: u64,
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

pub(super) async fn measure(bench: &mut Bench<'_>, fan_out: usize) -> Outcome<DeliveryRate> {
    let (duration, connections) = (bench.options.duration(), bench.options.connections);
    say(&format!("publishing and delivering, fan-out {fan_out}"));
    let publisher = bench.publisher(fan_out);
    publisher.as_fast_as_answered(connections, duration / 4, u64::MAX).await?;
    bench.ledger.all_arrived(bench.options.patience()).await?;
    bench.database.checkpoint().await?;
    bench.database.forget_statements().await?;

    let first = bench.ledger.mark();
    let before = Before::take(bench).await?;
    let began_us = bench.ledger.now_us();
    let published = publisher.as_fast_as_answered(connections, duration, u64::MAX).await?;
    bench.ledger.all_arrived(bench.options.patience()).await?;
    let took = Duration::from_micros(bench.ledger.last_arrival_us().saturating_sub(began_us));
    let used = before.used(bench).await?;
    let statements = bench.database.statements().await?;
    let deliveries = (bench.ledger.mark() - first) as u64;
    Ok(DeliveryRate { fan_out, published, deliveries, took, used, statements })
}
