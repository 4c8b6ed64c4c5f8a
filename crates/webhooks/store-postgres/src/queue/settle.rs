//! Recording of attempts.
//!
//! Usually all attempts of a batch have succeeded: for such batches there is a statement on the [fast path](fast_path), at little
//! more than half the cost of the [general] statement.

mod fast_path;
mod general;
mod report;

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Settlement, WebhookId};
use rdev_webhooks_store::Transition;

use uuid::Uuid;

use crate::store::Inner;

/// A recorded settlement, or a decision about a webhook that it caused, with the position of the settlement.
/// Positions count from 1.
struct Recorded {
    n: Option<i64>,
    webhook_id: Option<Uuid>,
    transition: Option<String>,
    /// Since when the webhook has been or was failing.
    failing_since: Option<DateTime<Utc>>,
}

impl Recorded {
    /// Returns the index of the settlement.
    fn index(&self) -> Option<usize> {
        self.n.and_then(|n| usize::try_from(n - 1).ok())
    }

    /// Returns the index if this is a recorded settlement.
    fn settlement(&self) -> Option<usize> {
        self.index().filter(|_| self.transition.is_none())
    }

    /// Returns the webhook if this is the transition.
    fn webhook(&self, transition: &str) -> Option<Uuid> {
        self.webhook_id.filter(|_| self.transition.as_deref() == Some(transition))
    }
}

/// Records a batch of settlements, in one statement that is one transaction.
pub(crate) async fn settle(store: &Inner, settlements: &[Settlement]) -> Result<Vec<bool>, StoreError> {
    // A lease settles once: a repetition in the batch comes too late.
    let mut seen = HashSet::with_capacity(settlements.len());
    let mut order: Vec<usize> =
        (0..settlements.len()).filter(|place| seen.insert(settlements[*place].lease)).collect();
    if order.is_empty() {
        return Ok(Vec::new());
    }
    // All transactions lock rows in one order, so that none deadlock.
    order.sort_unstable_by_key(|place| settlements[*place].lease.delivery);
    let ordered: Vec<&Settlement> = order.iter().map(|place| &settlements[*place]).collect();
    let mut answers = vec![false; settlements.len()];
    let mut rest: Vec<usize> = (0..ordered.len()).collect();
    if let Some(applied) = fast_path::apply(store, ordered.iter().copied()).await? {
        note(&applied, &rest, &order, settlements, &mut answers);
        // The statement has left out the lost leases, and the webhooks whose recovery is to be reported.
        rest.retain(|at| !answers[order[*at]]);
    }
    if !rest.is_empty() {
        let batch: Vec<&Settlement> = rest.iter().map(|at| ordered[*at]).collect();
        let applied = general::apply(store, &batch).await?;
        note(&applied, &rest, &order, settlements, &mut answers);
    }
    Ok(answers)
}

/// Notes the recorded settlements among `answers`, and logs the decisions. The settlements of a statement are those
/// of `order` at the indexes of `batch`.
fn note(
    applied: &[Recorded],
    batch: &[usize],
    order: &[usize],
    settlements: &[Settlement],
    answers: &mut [bool],
) {
    for recorded in applied {
        let place = recorded.index().and_then(|n| batch.get(n)).and_then(|at| order.get(*at)).copied();
        let transition = match recorded.transition.as_deref() {
            None => {
                if let Some(answer) = place.and_then(|place| answers.get_mut(place)) {
                    *answer = true;
                }
                continue;
            }
            Some("opened") => Transition::Opened,
            Some("closed" | "recovered") => Transition::Closed,
            Some("gone") => Transition::Gone,
            Some(_) => continue,
        };
        if let Some(webhook) = recorded.webhook_id {
            transition.log(WebhookId::from_uuid(webhook), place.and_then(|place| settlements.get(place)));
        }
    }
}
