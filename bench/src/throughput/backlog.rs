//! Measures how fast the worker drains a backlog, and whether it slows down.

use std::time::Duration;

use super::Bench;
use super::cpu::{Before, Used};
use crate::publisher::Published;
use crate::stats::per_second;
use crate::system::MANY;
use crate::{Outcome, say};

/// The number of parts of the backlog with a rate of their own.
const PARTS: u64 = 10;
/// The publisher's connections. The filling is not measured; more connections shorten it.
const CONNECTIONS: usize = 64;
/// The longest duration of the filling.
const LONGEST_FILL: Duration = Duration::from_secs(300);

pub(super) struct Backlog {
    pub(super) filled: Published,
    pub(super) deliveries: u64,
    pub(super) took: Duration,
    /// Deliveries per second in each tenth of the backlog, from the first delivery on.
    pub(super) rates: Vec<f64>,
    pub(super) used: Used,
}

impl Backlog {
    pub(super) fn per_second(&self) -> f64 {
        per_second(self.deliveries, self.took)
    }
}

pub(super) async fn measure(bench: &mut Bench<'_>) -> Outcome<Backlog> {
    let wanted = bench.options.backlog();
    say(&format!("a backlog of {wanted}: publishing it"));
    bench.deployment.stop_worker().await?;
    let first = bench.ledger.mark();
    let publisher = bench.publisher(MANY);
    let filled = publisher.as_fast_as_answered(CONNECTIONS, LONGEST_FILL, wanted / MANY as u64).await?;
    bench.database.checkpoint().await?;
    let deliveries = (bench.ledger.mark() - first) as u64;
    say(&format!("a backlog of {deliveries}: draining it"));

    let arrived_before = bench.ledger.arrived();
    bench.deployment.start_worker().await?;
    let before = Before::take(bench).await?;
    let (rates, took) =
        tokio::time::timeout(bench.options.patience(), watch(bench, arrived_before, deliveries))
            .await
            .map_err(|_| "the backlog is not drained in time")?;
    let used = before.used(bench).await?;
    bench.ledger.all_arrived(bench.options.patience()).await?;
    Ok(Backlog { filled, deliveries, took, rates, used })
}

/// Returns the rate in each part and the total time, from the first delivery on.
async fn watch(bench: &Bench<'_>, arrived_before: u64, deliveries: u64) -> (Vec<f64>, Duration) {
    let ledger = &bench.ledger;
    let mut tick = tokio::time::interval(Duration::from_millis(2));
    let mut rates = Vec::new();
    // The first delivery starts the clock: before it the worker was still starting.
    while ledger.arrived() == arrived_before {
        tick.tick().await;
    }
    let began_us = ledger.now_us();
    let (mut part_began_us, mut part_arrived) = (began_us, ledger.arrived());
    for part in 1..=PARTS {
        let target = arrived_before + deliveries * part / PARTS;
        while ledger.arrived() < target {
            tick.tick().await;
        }
        let (now_us, arrived) = (ledger.now_us(), ledger.arrived());
        rates.push(per_second(arrived - part_arrived, Duration::from_micros(now_us - part_began_us)));
        (part_began_us, part_arrived) = (now_us, arrived);
    }
    (rates, Duration::from_micros(ledger.now_us() - began_us))
}
