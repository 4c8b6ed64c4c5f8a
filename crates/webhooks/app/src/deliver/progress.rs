//! What the scheduler learns about the deliveries that it handed out.

use std::time::Duration;

use rdev_webhooks_domain::WebhookId;

use super::pool::Action;
use super::standing::Observation;

/// A step of deliveries. Each delivery ends, and later is recorded.
pub(super) enum Progress {
    /// An attempt has ended. Its slot is free; its outcome is not recorded yet.
    Ended(Ended),
    /// Outcomes are recorded.
    Recorded(Recorded),
}

/// The end of an attempt.
pub(super) struct Ended {
    /// The number of its flight.
    pub(super) flight: u64,
    /// How the endpoint responded, if an attempt was made.
    pub(super) observation: Option<Observation>,
    /// True if this host could not make the attempt.
    pub(super) not_attempted: bool,
}

/// Deliveries that are recorded, or whose leases are released.
pub(super) struct Recorded {
    /// The webhook of each.
    pub(super) webhooks: Vec<WebhookId>,
    /// Time until the first of them is due again, if known.
    pub(super) due_in: Option<Duration>,
}

impl Ended {
    pub(super) fn new(flight: u64, action: &Action) -> Self {
        let observation = match action {
            Action::Settle(settlement) => {
                let attempt = settlement.attempt.as_ref();
                attempt.map(|attempt| Observation::new(attempt, settlement.health))
            }
            _ => None,
        };
        Self { flight, observation, not_attempted: matches!(action, Action::NotAttempted(_)) }
    }
}

impl Recorded {
    pub(super) fn with_capacity(capacity: usize) -> Self {
        Self { webhooks: Vec::with_capacity(capacity), due_in: None }
    }

    /// Adds a delivery.
    pub(super) fn add(&mut self, webhook: WebhookId, due_in: Option<Duration>) {
        self.webhooks.push(webhook);
        self.due_in = self.due_in.into_iter().chain(due_in).min();
    }
}
