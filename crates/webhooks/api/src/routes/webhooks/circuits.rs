//! How the endpoints of webhooks that are shown are doing.

use std::collections::HashMap;

use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Health, Timestamp, Webhook, WebhookId};

use crate::problem::Problem;
use crate::views::{CircuitView, WebhookView};

/// What is known of several webhooks at a moment.
pub(super) struct Circuits {
    known: HashMap<WebhookId, Health>,
    now: Timestamp,
}

impl Circuits {
    /// How one of them is doing.
    pub(super) fn of(&self, id: WebhookId) -> CircuitView {
        CircuitView::new(&self.known.get(&id).copied().unwrap_or_default(), self.now)
    }

    /// One of them as it is shown.
    pub(super) fn show<'a>(&self, webhook: &'a Webhook) -> WebhookView<'a> {
        WebhookView::new(webhook, self.of(webhook.id), self.now)
    }
}

/// Asks for all of them at once.
pub(super) async fn circuits(services: &Services, ids: &[WebhookId]) -> Result<Circuits, Problem> {
    let (healths, now) = services.webhooks.health(ids).await?;
    Ok(Circuits { known: ids.iter().copied().zip(healths).collect(), now })
}
