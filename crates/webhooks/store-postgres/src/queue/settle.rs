//! Recording of attempts.
//!
//! Usually all attempts of a batch have succeeded: for such batches there is a statement on the [fast path](fast_path), at little
//! more than half the cost of the [general] statement.

mod fast_path;
mod general;

use std::collections::HashSet;

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::{Settlement, WebhookId};

use uuid::Uuid;

use crate::store::Inner;
use crate::transitions::Transition;

/// A recorded settlement, or a decision about a webhook that it caused, with the position of the settlement.
/// Positions count from 1.
struct Recorded {
    n: Option<i64>,
    webhook_id: Option<Uuid>,
    transition: Option<String>,
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
    let ordered = || order.iter().map(|place| &settlements[*place]);
    let applied = match fast_path::apply(store, ordered()).await? {
        Some(applied) => applied,
        None => general::apply(store, ordered()).await?,
    };
    let mut answers = vec![false; settlements.len()];
    for Recorded { n, webhook_id, transition } in applied {
        // WITH ORDINALITY counts from 1.
        let place = n.and_then(|n| usize::try_from(n - 1).ok()).and_then(|n| order.get(n)).copied();
        let Some(webhook_id) = webhook_id else {
            if let Some(answer) = place.and_then(|place| answers.get_mut(place)) {
                *answer = true;
            }
            continue;
        };
        let transition = match transition.as_deref() {
            Some("opened") => Transition::Opened,
            Some("closed") => Transition::Closed,
            _ => Transition::Gone,
        };
        transition.log(WebhookId::from_uuid(webhook_id), place.and_then(|place| settlements.get(place)));
    }
    Ok(answers)
}
