//! The reason why a delivery waits.

use std::time::Duration;

use crate::{Circuit, Delivery, Health, Timestamp, Webhook, WebhookState};

/// How long a worker may take to claim what the rate allows. Until then the rate is the reason for the wait.
const CLAIMED_WITHIN: Duration = Duration::from_secs(1);

/// What a delivery waits for, apart from the time of its next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingFor {
    /// The webhook is disabled.
    WebhookDisabled,
    /// The circuit of the endpoint is open, or its one probe is in flight.
    Circuit,
    /// The rate of the webhook is spent.
    Rate,
    /// The attempt is due, and the webhook's share of the worker's attempts in flight is used up, or no worker runs.
    Share,
}

impl WaitingFor {
    /// All reasons.
    pub const ALL: [Self; 4] = [Self::WebhookDisabled, Self::Circuit, Self::Rate, Self::Share];

    /// Returns the name in the API.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::WebhookDisabled => "webhook_disabled",
            Self::Circuit => "circuit",
            Self::Rate => "rate",
            Self::Share => "share",
        }
    }

    /// Returns what a delivery of this webhook waits for, and the earliest time of the next attempt if it is known:
    /// with [`Rate`](Self::Rate), others of the webhook may be before it. `spent_until` is the moment up to which the
    /// rate is spent. Returns `None` if the delivery waits for nothing but the time of its next attempt, or for no
    /// attempt.
    #[must_use]
    pub fn new(
        delivery: &Delivery,
        webhook: &Webhook,
        health: &Health,
        spent_until: Option<Timestamp>,
        now: Timestamp,
    ) -> Option<(Self, Option<Timestamp>)> {
        let due_at = delivery.state.next_attempt_at()?;
        if webhook.state != WebhookState::Enabled {
            return Some((Self::WebhookDisabled, None));
        }
        match health.circuit(now) {
            Circuit::Open { until } => Some((Self::Circuit, Some(due_at.max(until)))),
            Circuit::HalfOpen => Some((Self::Circuit, Some(due_at.max(now)))),
            Circuit::Closed => {
                let allowed_at = webhook.settings.rate_limit.and_then(|rate| rate.next_at(spent_until, now));
                match allowed_at.filter(|at| *at > due_at && *at + CLAIMED_WITHIN > now) {
                    Some(at) => Some((Self::Rate, Some(at.max(now)))),
                    None if due_at > now => None,
                    None => Some((Self::Share, None)),
                }
            }
        }
    }
}
