//! One webhook has a large backlog: how long does another webhook's new delivery wait to be claimed?

use rdev_webhooks_domain::{Settled, WebhookId};
use serde_json::json;
use tokio::time::Instant;

use super::Sizes;
use super::store::Store;
use crate::report::{Report, grouped};
use crate::stats::{micros, percentile};
use crate::{Outcome, say};

/// What the busy webhook subscribes to, and what the other.
const BUSY: &str = "command.failed";
const QUIET: &str = "command.completed";
/// As many as one webhook may have in flight: the worker claims the busy one's share along with the
/// other's.
const TAKE: u32 = 32;
const SAMPLES_PER_ROUND: usize = 100;

/// Makes the two webhooks in both stores, and the backlog in one.
pub(super) async fn fill(plain: &Store, loaded: &Store, sizes: Sizes) -> Outcome<()> {
    say(&format!("a backlog of {} for one webhook", sizes.backlog));
    for store in [plain, loaded] {
        store.webhook(BUSY).await?;
        store.webhook(QUIET).await?;
    }
    loaded.publish(BUSY, sizes.backlog).await
}

/// Times in microseconds.
#[derive(Default)]
struct Times {
    /// From the answer to the publisher until the claim has answered.
    claimed: Vec<u32>,
}

pub(super) async fn measure(
    report: &mut Report,
    name: &str,
    plain: &Store,
    loaded: &Store,
    sizes: Sizes,
) -> Outcome<()> {
    say("new deliveries of another webhook");
    let mut times = [Times::default(), Times::default()];
    for round in 0..=sizes.rounds {
        for (store, times) in [plain, loaded].into_iter().zip(&mut times) {
            for _ in 0..SAMPLES_PER_ROUND {
                let waited = publish_and_claim(store).await?;
                // The first round warms up.
                if round > 0 {
                    times.claimed.push(waited);
                }
            }
        }
    }
    report.heading(&format!(
        "{name}: from publishing to claiming, another webhook with {} due deliveries",
        grouped(sizes.backlog as f64)
    ));
    let [without, with] = times.map(|mut times| {
        times.claimed.sort_unstable();
        [50.0, 99.0].map(|hundredths| percentile(&times.claimed, hundredths))
    });
    for (place, label) in ["p50", "p99"].into_iter().enumerate() {
        let (without, with) = (without[place], with[place]);
        let ratio = f64::from(with) / f64::from(without.max(1));
        report.row(
            label,
            &format!("{ratio:.2} ×"),
            &format!("{:.2} ms without, {:.2} ms with", f64::from(without) / 1e3, f64::from(with) / 1e3),
        );
    }
    report.json(
        &format!("{name}_backlog"),
        json!({"backlog": sizes.backlog, "samples": sizes.rounds * SAMPLES_PER_ROUND,
            "claim_us": {"without": {"p50": without[0], "p99": without[1]},
                "with": {"p50": with[0], "p99": with[1]}}}),
    );
    Ok(())
}

/// One new delivery, claimed as a worker claims: with the share of whoever else has something due.
async fn publish_and_claim(store: &Store) -> Outcome<u32> {
    store.publish(QUIET, 1).await?;
    let published_at = Instant::now();
    let found = store.discover().await?;
    let claimed = store.claim(&found, TAKE).await?;
    let waited = micros(published_at.elapsed());
    let new: Vec<WebhookId> = claimed
        .iter()
        .filter(|delivery| delivery.event_type.as_str() == QUIET)
        .map(|delivery| delivery.target.webhook_id)
        .collect();
    if new.len() != 1 {
        return Err(format!("the first claim has {} new deliveries, not 1", new.len()).into());
    }
    store.settle(&claimed, Settled::Succeeded).await?;
    Ok(waited)
}
