//! What deliveries wait for.

use std::collections::HashMap;

use rdev_webhooks_domain::{Delivery, Health, Timestamp, WaitingFor, Webhook, WebhookId};

/// Webhooks, and what their deliveries wait for, at one moment.
#[derive(Debug)]
pub struct Waits {
    pub(super) webhooks: HashMap<WebhookId, (Webhook, Health)>,
    /// The moments up to which rates are spent.
    pub(super) spent_until: HashMap<WebhookId, Timestamp>,
    pub(super) now: Timestamp,
}

impl Waits {
    /// Returns one of the webhooks.
    #[must_use]
    pub fn webhook(&self, id: WebhookId) -> Option<&Webhook> {
        self.webhooks.get(&id).map(|(webhook, _)| webhook)
    }

    /// Returns what a delivery of one of the webhooks waits for, as [`WaitingFor::new`].
    #[must_use]
    pub fn waiting_for(&self, delivery: &Delivery) -> Option<(WaitingFor, Option<Timestamp>)> {
        let id = &delivery.webhook_id;
        let (webhook, health) = self.webhooks.get(id)?;
        WaitingFor::new(delivery, webhook, health, self.spent_until.get(id).copied(), self.now)
    }
}
