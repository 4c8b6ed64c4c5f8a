//! The deliveries that a publication adds.

use std::collections::BTreeMap;

use rdev_webhooks_domain::{Claim, LeasedDelivery, WakeUp, WebhookId};

/// The number of deliveries that a publication adds to each webhook and that wait for a claim.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDeliveries {
    /// `None` if the webhooks are not known.
    by_webhook: Option<BTreeMap<WebhookId, u32>>,
}

impl NewDeliveries {
    /// Deliveries of any webhook.
    pub const ANY: Self = Self { by_webhook: None };

    /// Counts the deliveries, each given by its webhook.
    #[must_use]
    pub fn count(webhooks: impl IntoIterator<Item = WebhookId>) -> Self {
        let mut counts: BTreeMap<WebhookId, u32> = BTreeMap::new();
        for webhook in webhooks {
            *counts.entry(webhook).or_default() += 1;
        }
        Self { by_webhook: Some(counts) }
    }

    /// Returns what a claim in advance takes of them; `None` if that is nothing, or more than `most` deliveries.
    #[must_use]
    pub fn within(&self, claim: &Claim, most: u32) -> Option<Claim> {
        let counts = self.by_webhook.as_ref()?;
        let mut total = 0_u32;
        let shares = claim.shares.iter().copied().filter(|share| match counts.get(&share.webhook) {
            Some(count) => {
                total = total.saturating_add(*count);
                true
            }
            None => false,
        });
        let claim = Claim { token: claim.token, shares: shares.collect() };
        (!claim.shares.is_empty() && total <= most).then_some(claim)
    }

    /// Removes those that are leased.
    pub fn remove(&mut self, leased: &[LeasedDelivery]) {
        let Some(counts) = &mut self.by_webhook else { return };
        for delivery in leased {
            let webhook = delivery.target.webhook_id;
            if let Some(count) = counts.get_mut(&webhook) {
                *count = count.saturating_sub(1);
                if *count == 0 {
                    counts.remove(&webhook);
                }
            }
        }
    }

    /// Returns what to announce to the workers.
    #[must_use]
    pub fn wake_up(&self) -> Option<WakeUp> {
        match &self.by_webhook {
            None => Some(WakeUp::Any),
            Some(counts) if counts.is_empty() => None,
            Some(counts) => Some(WakeUp::of(counts.keys().copied())),
        }
    }
}
