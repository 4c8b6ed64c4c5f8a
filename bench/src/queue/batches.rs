//! Measures how the cost of the main statements to Postgres depends on the size of their batch: a part per
//! call, and a part per delivery.

use serde_json::json;

use super::Sizes;
use super::store::Store;
use crate::database::Database;
use crate::report::Report;
use crate::{Outcome, say};
use rdev_webhooks_domain::Settled;

const TYPE: &str = "command.completed";
const BATCHES: [usize; 4] = [1, 8, 32, 256];
/// The calls per measurement: the kernel counts in hundredths of a second, so fewer would make the error
/// large.
const CALLS: usize = 60;
const DELIVERIES: usize = 300;

/// Processor time of all Postgres processes, in microseconds per call.
#[derive(Debug, Clone, Copy)]
struct Cost {
    batch: usize,
    publish: f64,
    /// Discover, claim and settle.
    deliver: f64,
}

pub(super) async fn measure(
    report: &mut Report,
    database: &mut Database,
    store: &Store,
    sizes: Sizes,
) -> Outcome<()> {
    say("statements by the size of their batch");
    store.webhook(TYPE).await?;
    let mut costs = Vec::new();
    for batch in BATCHES {
        let calls = sizes.rounds * CALLS.max(DELIVERIES / batch);
        // The first run plans the statements and fills the caches.
        cost(database, store, batch, 10).await?;
        costs.push(cost(database, store, batch, calls).await?);
    }
    report.heading("postgres: processor time by the size of a batch, fan-out 1");
    let mut found = Vec::new();
    for Cost { batch, publish, deliver } in costs {
        report.row(
            &format!("{batch} at a time"),
            &format!("{:.0} µs each", (publish + deliver) / batch as f64),
            &format!("{publish:.0} µs to publish all, {deliver:.0} µs to discover, claim and settle all"),
        );
        found.push(json!({"batch": batch, "publish_us": publish, "deliver_us": deliver}));
    }
    report.json("postgres_batches", found);
    Ok(())
}

async fn cost(database: &mut Database, store: &Store, batch: usize, calls: usize) -> Outcome<Cost> {
    database.checkpoint().await?;
    let per_call = |from: f64, to: f64| (to - from) / calls as f64 * 1e6;
    let start = database.cpu_seconds()?;
    for _ in 0..calls {
        store.publish(TYPE, batch).await?;
    }
    let published = database.cpu_seconds()?;
    for _ in 0..calls {
        let found = store.discover().await?;
        let leased = store.claim(&found, u32::try_from(batch)?).await?;
        if leased.len() != batch {
            return Err(format!("{} were claimed, not {batch}", leased.len()).into());
        }
        store.settle(&leased, Settled::Succeeded).await?;
    }
    let delivered = database.cpu_seconds()?;
    Ok(Cost { batch, publish: per_call(start, published), deliver: per_call(published, delivered) })
}
