//! States in words.

use rdev_pages::{Badge, Icon, Tone};
use rdev_webhooks_domain::{
    CancelReason, Circuit, DeliveryState, DeliveryStatus, DisabledReason, FailureClass, FailureReason,
    Health, LastAttempt, Timestamp, Trigger, WaitingFor, Webhook, WebhookState,
};

/// Returns the state of a webhook: whether it is enabled, and how its endpoint does.
pub(crate) fn webhook(webhook: &Webhook, health: &Health, now: Timestamp) -> Badge {
    let badge = |tone, icon, word| Badge { tone, icon, word };
    if webhook.state != WebhookState::Enabled {
        return badge(Tone::Plain, Icon::Off, "Disabled");
    }
    match health.circuit(now) {
        Circuit::Open { .. } => badge(Tone::Bad, Icon::No, "Circuit open"),
        Circuit::HalfOpen => badge(Tone::Warm, Icon::Again, "Probing"),
        Circuit::Closed if health.failing_since.is_some() => badge(Tone::Warm, Icon::Warn, "Failing"),
        Circuit::Closed => badge(Tone::Good, Icon::Ok, "Enabled"),
    }
}

/// Returns why a webhook is disabled.
pub(crate) const fn disabled(reason: DisabledReason) -> &'static str {
    match reason {
        DisabledReason::Manual => "Someone disabled it.",
        DisabledReason::Gone => {
            "Its endpoint responded with 410 Gone, which says that nothing more is wanted."
        }
        DisabledReason::Failing => "All its deliveries failed for too long.",
        DisabledReason::Expired => "Its expiry date has passed.",
    }
}

/// Returns the status of a delivery.
pub(crate) const fn status(status: DeliveryStatus) -> Badge {
    let (tone, icon, word) = match status {
        DeliveryStatus::Pending => (Tone::Plain, Icon::Wait, "Pending"),
        DeliveryStatus::InFlight => (Tone::Calm, Icon::Go, "In flight"),
        DeliveryStatus::Retrying => (Tone::Warm, Icon::Again, "Retrying"),
        DeliveryStatus::Succeeded => (Tone::Good, Icon::Ok, "Succeeded"),
        DeliveryStatus::Failed => (Tone::Bad, Icon::No, "Failed"),
        DeliveryStatus::Cancelled => (Tone::Plain, Icon::Off, "Cancelled"),
    };
    Badge { tone, icon, word }
}

/// Returns what a delivery waits for.
pub(crate) const fn waiting(waiting: WaitingFor) -> &'static str {
    match waiting {
        WaitingFor::WebhookDisabled => "Waits until the webhook is enabled",
        WaitingFor::Circuit => "Waits for the circuit; next probe",
        WaitingFor::Rate => "Waits for the rate limit; at the earliest",
        WaitingFor::Share => "Waits for a worker",
    }
}

/// Returns why a delivery ended without success.
pub(crate) const fn reason(state: &DeliveryState) -> Option<&'static str> {
    match state {
        DeliveryState::Failed { reason, .. } => Some(match reason {
            FailureReason::AttemptsExhausted => "All attempts failed",
            FailureReason::RedeliveryFailed => "The redelivery failed",
            FailureReason::RefusedDestination => "The destination is refused",
            FailureReason::Gone => "410 Gone disabled the webhook",
            FailureReason::Abandoned => "Workers ended while sending it",
        }),
        DeliveryState::Cancelled { reason, .. } => Some(match reason {
            CancelReason::WebhookDeleted => "The webhook was deleted",
            CancelReason::Requested => "On request",
        }),
        _ => None,
    }
}

/// Returns the class of a failure.
pub(crate) const fn class(class: FailureClass) -> &'static str {
    match class {
        FailureClass::Dns => "name not found",
        FailureClass::RefusedDestination => "refused destination",
        FailureClass::Connect => "no connection",
        FailureClass::Tls => "TLS failed",
        FailureClass::Timeout => "timed out",
        FailureClass::Reset => "connection broke",
        FailureClass::Protocol => "not HTTP",
        FailureClass::Status => "refused by status",
        FailureClass::Abandoned => "worker ended",
        _ => "other",
    }
}

/// Returns the reason why an attempt was made.
pub(crate) const fn trigger(trigger: Trigger) -> &'static str {
    match trigger {
        Trigger::Automatic => "automatic",
        Trigger::Manual => "manual",
        Trigger::Replay => "replay",
    }
}

/// Returns the answer to an attempt: the HTTP status, or the class of the failure.
pub(crate) fn answer(attempt: &LastAttempt) -> String {
    match (attempt.status, attempt.failure) {
        (Some(status), None | Some(FailureClass::Status)) => status.to_string(),
        (_, Some(failure)) => class(failure).to_owned(),
        (None, None) => String::new(),
    }
}
