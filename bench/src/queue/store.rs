//! A store, with a worker's operations on it.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::{SystemClock, SystemEntropy};
use rdev_webhooks_domain::ports::{Clock, DeliveryQueue, Entropy, EventRepository, WebhookRepository};
use rdev_webhooks_domain::{
    Claim, ClaimShare, Discovery, EventType, HealthEffect, LeasedDelivery, NewEvent, Settled, Settlement,
    WebhookId,
};
use rdev_webhooks_testkit::samples;

use crate::Outcome;

/// The most events in one commit of the publisher.
const EVENTS_PER_COMMIT: usize = 512;
/// The webhooks per page of the worker's discovery.
const PAGE: u32 = 256;

pub(super) struct Store {
    pub(super) events: Arc<dyn EventRepository>,
    pub(super) queue: Arc<dyn DeliveryQueue>,
    pub(super) webhooks: Arc<dyn WebhookRepository>,
    pub(super) entropy: Arc<dyn Entropy>,
}

/// The duration of a lease, longer than any benchmark holds one.
const LEASE: Duration = Duration::from_secs(10 * 60);

impl Store {
    pub(super) fn entropy() -> Arc<dyn Entropy> {
        Arc::new(SystemEntropy)
    }

    /// Creates a webhook for one event type.
    pub(super) async fn webhook(&self, event_type: &str) -> Outcome<WebhookId> {
        let events = [event_type.parse()?].into();
        let webhook = samples::webhook(&*self.entropy, SystemClock.now());
        let webhook = samples::with_settings(webhook, |settings| settings.events = events);
        self.webhooks.create(&webhook, &samples::secrets(&*self.entropy)).await?;
        Ok(webhook.id)
    }

    /// Publishes events in full batches.
    pub(super) async fn publish(&self, event_type: &str, events: usize) -> Outcome<()> {
        let event_type: EventType = event_type.parse()?;
        let mut left = events;
        while left > 0 {
            let batch: Vec<_> = (0..left.min(EVENTS_PER_COMMIT))
                .map(|_| NewEvent {
                    event_type: event_type.clone(),
                    ..samples::event(&*self.entropy, SystemClock.now())
                })
                .collect();
            self.events.publish(&batch).await?;
            left -= batch.len();
        }
        Ok(())
    }

    pub(super) async fn discover(&self) -> Outcome<Discovery> {
        Ok(self.queue.discover(None, PAGE).await?)
    }

    /// Claims up to `take` deliveries of every discovered webhook.
    pub(super) async fn claim(&self, found: &Discovery, take: u32) -> Outcome<Vec<LeasedDelivery>> {
        let share = |id| ClaimShare { webhook: id, take, lease_for: LEASE, is_limited: false };
        let shares = found.due.iter().map(|due| share(due.id)).collect();
        let claim = Claim { token: samples::token(&*self.entropy), shares };
        Ok(self.queue.claim(&claim).await?)
    }

    /// Settles one attempt per delivery; fails unless each settlement is accepted.
    pub(super) async fn settle(&self, leased: &[LeasedDelivery], settled: Settled) -> Outcome<()> {
        let status = if settled == Settled::Succeeded { 200 } else { 500 };
        let settlements: Vec<_> = leased
            .iter()
            .map(|delivery| Settlement {
                lease: delivery.lease,
                settled,
                attempt: Some(samples::attempt(delivery.attempt, SystemClock.now(), status)),
                gone: None,
                health: HealthEffect::None,
            })
            .collect();
        let applied = self.queue.settle(&settlements).await?;
        if applied.contains(&false) {
            return Err("a settlement was not taken".into());
        }
        Ok(())
    }
}
