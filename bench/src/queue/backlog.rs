//! Measures how long a new delivery waits for its claim while another webhook has a large backlog.

use rdev_webhooks_domain::{Settled, WebhookId};
use serde_json::json;
use tokio::time::Instant;

use super::Sizes;
use super::store::Store;
use crate::report::{Report, grouped};
use crate::stats::{micros, percentile};
use crate::{Outcome, say};

/// The event types of the busy webhook and of the other.
const BUSY: &str = "command.failed";
const QUIET: &str = "command.completed";
/// The most deliveries that one webhook has in flight: the worker claims the busy webhook's share along with
/// the other's.
const TAKE: u32 = 32;
const SAMPLES_PER_ROUND: usize = 100;

/// Creates the two webhooks in both stores, and the backlog in one.
pub(super) async fn fill(plain: &Store, loaded: &Store, sizes: Sizes) -> Outcome<()> {
    say(&format!("a backlog of {} for one webhook", sizes.backlog));
    for store in [plain, loaded] {
        store.webhook(BUSY).await?;
        store.webhook(QUIET).await?;
    }
    loaded.publish(BUSY, sizes.backlog).await
}

/// The due deliveries of the busy webhook when the other gets its new one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Busy {
    /// None.
    Idle,
    /// As many as it may have in flight, the usual state of a busy webhook.
    Share,
    /// The whole backlog.
    Backlog,
}

pub(super) async fn measure(
    report: &mut Report,
    name: &str,
    plain: &Store,
    loaded: &Store,
    sizes: Sizes,
) -> Outcome<()> {
    say("new deliveries of another webhook");
    let turns = [(Busy::Idle, plain), (Busy::Share, plain), (Busy::Backlog, loaded)];
    let mut times = [Vec::new(), Vec::new(), Vec::new()];
    for round in 0..=sizes.rounds {
        for ((busy, store), times) in turns.into_iter().zip(&mut times) {
            for _ in 0..SAMPLES_PER_ROUND {
                let waited = publish_and_claim(store, busy).await?;
                // The first round warms up.
                if round > 0 {
                    times.push(waited);
                }
            }
        }
    }
    report.heading(&format!(
        "{name}: from publishing to claiming, while another webhook has {} due deliveries",
        grouped(sizes.backlog as f64)
    ));
    let [idle, share, backlog] = times.map(|mut times| {
        times.sort_unstable();
        [50.0, 99.0].map(|hundredths| percentile(&times, hundredths))
    });
    for (place, label) in ["p50", "p99"].into_iter().enumerate() {
        let [idle, share, backlog] = [idle, share, backlog].map(|times| f64::from(times[place]) / 1e3);
        report.row(
            label,
            &format!("{:.2} ×", backlog / share),
            &format!(
                "{backlog:.2} ms; {share:.2} ms while it has {TAKE} due, {idle:.2} ms while it has none"
            ),
        );
    }
    let percentiles = |[p50, p99]: [u32; 2]| json!({"p50": p50, "p99": p99});
    report.json(
        &format!("{name}_backlog"),
        json!({"backlog": sizes.backlog, "samples": sizes.rounds * SAMPLES_PER_ROUND,
            "claim_us": {"idle": percentiles(idle), "share": percentiles(share),
                "backlog": percentiles(backlog)}}),
    );
    Ok(())
}

/// Publishes one event and claims its delivery as a worker does: along with the shares of other webhooks with
/// due deliveries.
async fn publish_and_claim(store: &Store, busy: Busy) -> Outcome<u32> {
    if busy == Busy::Share {
        store.publish(BUSY, TAKE as usize).await?;
    }
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
