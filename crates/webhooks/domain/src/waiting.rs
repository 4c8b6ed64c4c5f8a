//! The reason why a delivery waits.

use crate::{Circuit, Delivery, Health, Timestamp, Webhook, WebhookState};

/// What a delivery waits for, apart from the time of its next attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WaitingFor {
    /// The webhook is disabled.
    WebhookDisabled,
    /// The circuit of the endpoint is open, or its one probe is in flight.
    Circuit,
    /// The attempt is due, and the webhook has a rate limit.
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

    /// Returns what a delivery of this webhook waits for, and the time of the next attempt if it is known. Returns
    /// `None` if the delivery waits for nothing but the time of its next attempt, or for no attempt.
    #[must_use]
    pub fn new(
        delivery: &Delivery,
        webhook: &Webhook,
        health: &Health,
        now: Timestamp,
    ) -> Option<(Self, Option<Timestamp>)> {
        let due_at = delivery.state.next_attempt_at()?;
        if webhook.state != WebhookState::Enabled {
            return Some((Self::WebhookDisabled, None));
        }
        match health.circuit(now) {
            Circuit::Open { until } => Some((Self::Circuit, Some(due_at.max(until)))),
            Circuit::HalfOpen => Some((Self::Circuit, Some(due_at.max(now)))),
            Circuit::Closed if due_at > now => None,
            Circuit::Closed if webhook.settings.rate_limit.is_some() => Some((Self::Rate, None)),
            Circuit::Closed => Some((Self::Share, None)),
        }
    }
}
