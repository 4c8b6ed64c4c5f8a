//! How the endpoints of webhooks that are shown are doing.

use std::collections::HashMap;

use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Health, Timestamp, WebhookId};

use crate::problem::Problem;
use crate::views::CircuitView;

/// What is known of several webhooks at a moment.
pub(super) struct Circuits {
    known: HashMap<WebhookId, Health>,
    now: Timestamp,
}

impl Circuits {
    pub(super) fn of(&self, id: WebhookId) -> CircuitView {
        CircuitView::new(&self.known.get(&id).copied().unwrap_or_default(), self.now)
    }
}

/// Asks for several at once.
pub(super) async fn circuits(services: &Services, ids: &[WebhookId]) -> Result<Circuits, Problem> {
    let (healths, now) = services.webhooks.health(ids).await?;
    Ok(Circuits { known: ids.iter().copied().zip(healths).collect(), now })
}

/// Asks for one.
pub(super) async fn circuit(services: &Services, id: WebhookId) -> Result<CircuitView, Problem> {
    Ok(circuits(services, &[id]).await?.of(id))
}
