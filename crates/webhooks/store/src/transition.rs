//! Decisions about a webhook that a recorded attempt causes, for the log.

use rdev_webhooks_domain::{Settlement, WebhookId};

/// A decision, logged once it is committed. A failed probe leaves the circuit open, which is not logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transition {
    /// The circuit opened.
    Opened,
    /// The circuit closed.
    Closed,
    /// The webhook was disabled because its endpoint is gone.
    Gone,
}

impl Transition {
    /// Logs the decision, with the attempt that caused it.
    pub fn log(self, webhook: WebhookId, cause: Option<&Settlement>) {
        let attempt = cause.and_then(|settlement| settlement.attempt.as_ref());
        let delivery = cause.map(|settlement| tracing::field::display(settlement.lease.delivery));
        let status = attempt.and_then(|attempt| attempt.outcome.status());
        let failure = attempt.and_then(|attempt| attempt.outcome.failure.as_ref());
        let (class, detail) =
            (failure.map(|failure| failure.class.as_str()), failure.map(|failure| &*failure.detail));
        match self {
            Self::Opened => tracing::warn!(%webhook, delivery, status, class, detail, "circuit opened"),
            Self::Closed => tracing::info!(%webhook, "circuit closed"),
            Self::Gone => {
                tracing::warn!(%webhook, delivery, status, reason = "gone", "webhook disabled");
            }
        }
    }
}
