//! What the deliveries of a list wait for.

use std::collections::{BTreeSet, HashMap};

use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{
    Access, Delivery, Health, PageRequest, Timestamp, WaitingFor, Webhook, WebhookFilter, WebhookId,
};

use crate::failure::Failure;
use crate::views::ListedDelivery;

/// The webhooks of waiting deliveries and their health, at one moment.
pub(crate) struct Waits {
    webhooks: HashMap<WebhookId, (Webhook, Health)>,
    now: Timestamp,
}

impl Waits {
    /// Loads the webhooks of the deliveries that wait for an attempt, all at once.
    pub(crate) async fn load(
        services: &Services,
        access: &Access,
        deliveries: &[Delivery],
    ) -> Result<Self, Failure> {
        let waiting = deliveries.iter().filter(|delivery| delivery.state.next_attempt_at().is_some());
        let ids: BTreeSet<_> = waiting.map(|delivery| delivery.webhook_id).collect();
        let found = match u32::try_from(ids.len()) {
            Ok(limit @ 1..) => {
                let filter = WebhookFilter { ids: Some(ids), ..WebhookFilter::default() };
                services.webhooks.list(access, &filter, PageRequest { limit, before: None }).await?.items
            }
            _ => Vec::new(),
        };
        let ids: Vec<_> = found.iter().map(|webhook| webhook.id).collect();
        let (healths, now) = services.webhooks.health(&ids).await?;
        let known = ids.into_iter().zip(found.into_iter().zip(healths));
        Ok(Self { webhooks: known.collect(), now })
    }

    /// Returns one of the deliveries as lists show it.
    pub(crate) fn show<'a>(&self, delivery: &'a Delivery) -> ListedDelivery<'a> {
        let webhook = self.webhooks.get(&delivery.webhook_id);
        let waiting =
            webhook.and_then(|(webhook, health)| WaitingFor::new(delivery, webhook, health, self.now));
        ListedDelivery::new(delivery, waiting)
    }
}
