//! The circuits of the webhooks in a response.

use std::collections::HashMap;

use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Health, Timestamp, Webhook, WebhookId};

use crate::failure::Failure;
use crate::views::{CircuitView, WebhookView};

/// The health of several webhooks at one moment.
pub(super) struct Circuits {
    known: HashMap<WebhookId, Health>,
    now: Timestamp,
}

impl Circuits {
    /// Returns the circuit of one of the webhooks.
    pub(super) fn of(&self, id: WebhookId) -> CircuitView {
        CircuitView::new(&self.known.get(&id).copied().unwrap_or_default(), self.now)
    }

    /// Returns one of the webhooks as the API shows it.
    pub(super) fn show<'a>(&self, webhook: &'a Webhook) -> WebhookView<'a> {
        WebhookView::new(webhook, self.of(webhook.id), self.now)
    }
}

/// Loads the health of several webhooks at once.
pub(super) async fn circuits(services: &Services, ids: &[WebhookId]) -> Result<Circuits, Failure> {
    let (healths, now) = services.webhooks.health(ids).await?;
    Ok(Circuits { known: ids.iter().copied().zip(healths).collect(), now })
}
