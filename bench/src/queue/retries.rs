//! Measures what many retries due much later cost a claim now.

use std::time::Duration;

use rdev_webhooks_domain::Settled;
use serde_json::json;
use tokio::time::Instant;

use super::Sizes;
use super::store::Store;
use crate::report::{Report, grouped};
use crate::stats::{median, micros, per_second, percentile};
use crate::{Outcome, say};

const TYPE: &str = "command.completed";
/// The number of webhooks; each has retries and new deliveries.
const WEBHOOKS: usize = 10;
const MUCH_LATER: Duration = Duration::from_secs(24 * 60 * 60);
/// The most deliveries that the worker has in flight per webhook.
const TAKE: u32 = 32;
const TAKE_WHILE_FILLING: u32 = 256;
const EVENTS_PER_ROUND: usize = 1_000;
/// The events per part of the filling, so that the queue stays short meanwhile.
const EVENTS_PER_FILL: usize = 5_000;

/// Creates the webhooks in both stores, and in one of them retries, as a worker schedules them.
pub(super) async fn fill(plain: &Store, loaded: &Store, sizes: Sizes) -> Outcome<()> {
    say(&format!("{} retries of tomorrow", sizes.retries));
    for store in [plain, loaded] {
        for _ in 0..WEBHOOKS {
            store.webhook(TYPE).await?;
        }
    }
    let mut left = sizes.retries / WEBHOOKS;
    while left > 0 {
        let events = left.min(EVENTS_PER_FILL);
        loaded.publish(TYPE, events).await?;
        let drained = drain(loaded, TAKE_WHILE_FILLING, Settled::RetryAfter(MUCH_LATER)).await?;
        if drained.deliveries != (events * WEBHOOKS) as u64 {
            return Err(format!("{} became retries, of {events} events", drained.deliveries).into());
        }
        left -= events;
    }
    Ok(())
}

/// The cost of emptying the queue of due deliveries.
struct Drained {
    deliveries: u64,
    took: Duration,
    /// The duration of each discovery, in microseconds.
    discoveries: Vec<u32>,
}

async fn drain(store: &Store, take: u32, settled: Settled) -> Outcome<Drained> {
    let began = Instant::now();
    let mut drained = Drained { deliveries: 0, took: Duration::ZERO, discoveries: Vec::new() };
    loop {
        let asked_at = Instant::now();
        let found = store.discover().await?;
        drained.discoveries.push(micros(asked_at.elapsed()));
        if found.due.is_empty() {
            drained.took = began.elapsed();
            return Ok(drained);
        }
        let claimed = store.claim(&found, take).await?;
        store.settle(&claimed, settled).await?;
        drained.deliveries += claimed.len() as u64;
    }
}

pub(super) async fn measure(
    report: &mut Report,
    name: &str,
    plain: &Store,
    loaded: &Store,
    sizes: Sizes,
) -> Outcome<()> {
    say("claiming and settling beside them");
    let mut rates = [Vec::new(), Vec::new()];
    let mut discoveries = [Vec::new(), Vec::new()];
    for round in 0..=sizes.rounds {
        for (place, store) in [plain, loaded].into_iter().enumerate() {
            store.publish(TYPE, EVENTS_PER_ROUND).await?;
            let drained = drain(store, TAKE, Settled::Succeeded).await?;
            // The first round warms up.
            if round > 0 {
                rates[place].push(per_second(drained.deliveries, drained.took));
                discoveries[place].extend(drained.discoveries);
            }
        }
    }
    report.heading(&format!("{name}: {} retries of tomorrow beside", grouped(sizes.retries as f64)));
    let [without, with] = rates.map(median);
    report.row(
        "discover, claim and settle",
        &format!("{:.2} ×", with / without),
        &format!(
            "{}/s without, {}/s with, {} at a time",
            grouped(without),
            grouped(with),
            TAKE as usize * WEBHOOKS
        ),
    );
    let [found_without, found_with] = discoveries.map(|mut times| {
        times.sort_unstable();
        [50.0, 99.0].map(|hundredths| percentile(&times, hundredths))
    });
    for (place, label) in ["discover, p50", "discover, p99"].into_iter().enumerate() {
        let (without, with) = (f64::from(found_without[place]), f64::from(found_with[place]));
        report.row(
            label,
            &format!("{:.2} ×", with / without.max(1.0)),
            &format!("{:.2} ms without, {:.2} ms with", without / 1e3, with / 1e3),
        );
    }
    report.json(
        &format!("{name}_retries"),
        json!({"retries": sizes.retries, "per_second": {"without": without, "with": with},
            "discover_us": {"without": {"p50": found_without[0], "p99": found_without[1]},
                "with": {"p50": found_with[0], "p99": found_with[1]}}}),
    );
    Ok(())
}
