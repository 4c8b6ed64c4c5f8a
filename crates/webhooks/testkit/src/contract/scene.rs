//! The fixture of the suite's tests.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rdev_access::ports::{ApiKeyRepository, IdempotencyRepository};
use rdev_webhooks_domain::ports::{
    DeliveryHistory, DeliveryQueue, EventRepository, ReplayRepository, Updated, WebhookRepository,
};
use rdev_webhooks_domain::{
    Access, Attempt, Claim, ClaimShare, Delivery, DeliveryFilter, DeliveryId, DeliveryStatus, EventId,
    FailureReason, HealthEffect, LeasedDelivery, NewEvent, Page, PageRequest, Published, Settled, Settlement,
    Target, Timestamp, WakeUp, Webhook, WebhookId,
};

use super::{Harness, TOLERANCE};
use crate::{SeededEntropy, samples};

pub(super) const MINUTE: Duration = Duration::from_secs(60);
pub(super) const HOUR: Duration = Duration::from_secs(60 * 60);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Duration of the suite's leases, unless a test says otherwise.
pub(super) const LEASE: Duration = Duration::from_secs(5 * 60);

/// Deadline for a wake-up.
pub(super) const WAKE_UP: Duration = Duration::from_secs(10);

/// A harness, its ports, and shorthands for common operations.
pub(super) struct Scene<'a> {
    pub(super) harness: &'a dyn Harness,
    pub(super) events: Arc<dyn EventRepository>,
    pub(super) webhooks: Arc<dyn WebhookRepository>,
    pub(super) queue: Arc<dyn DeliveryQueue>,
    pub(super) history: Arc<dyn DeliveryHistory>,
    pub(super) api_keys: Arc<dyn ApiKeyRepository>,
    pub(super) idempotency: Arc<dyn IdempotencyRepository>,
    pub(super) replays: Arc<dyn ReplayRepository>,
    pub(super) entropy: SeededEntropy,
    moments: AtomicU64,
}

impl<'a> Scene<'a> {
    pub(super) fn new(harness: &'a dyn Harness) -> Self {
        Self::seeded(harness, 1)
    }

    pub(super) fn seeded(harness: &'a dyn Harness, seed: u64) -> Self {
        Self {
            harness,
            events: harness.events(),
            webhooks: harness.webhooks(),
            queue: harness.queue(),
            history: harness.history(),
            api_keys: harness.api_keys(),
            idempotency: harness.idempotency(),
            replays: harness.replays(),
            entropy: SeededEntropy::new(seed),
            moments: AtomicU64::new(0),
        }
    }

    pub(super) async fn now(&self) -> Timestamp {
        self.harness.now().await
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.harness.advance(by).await;
    }

    /// Returns about the current time, at least a millisecond after the previous call, so that ids of
    /// successive calls are in order.
    pub(super) async fn moment(&self) -> Timestamp {
        let nth = self.moments.fetch_add(1, Ordering::Relaxed);
        self.now().await + Duration::from_millis(nth)
    }

    /// Returns a webhook for all events, not stored yet.
    pub(super) async fn new_webhook(&self) -> Webhook {
        samples::webhook(&self.entropy, self.moment().await)
    }

    pub(super) async fn create(&self, webhook: &Webhook) {
        let secrets = samples::secrets(&self.entropy);
        let created = self.webhooks.create(webhook, &secrets).await;
        created.expect("a new webhook is stored");
    }

    /// Stores a webhook for all events.
    pub(super) async fn webhook(&self) -> WebhookId {
        let webhook = self.new_webhook().await;
        self.create(&webhook).await;
        webhook.id
    }

    /// Changes a stored webhook and returns the result.
    pub(super) async fn change(&self, id: WebhookId, change: impl FnOnce(&mut Webhook) + Send) -> Webhook {
        let stored = self.webhooks.get(Access::everything(), id).await.unwrap();
        let mut webhook = stored.expect("the webhook exists");
        change(&mut webhook);
        webhook.version += 1;
        webhook.updated_at = self.moment().await;
        let updated = self.webhooks.update(&webhook).await.unwrap();
        assert_eq!(updated, Updated::Applied);
        webhook
    }

    /// Deletes an existing webhook.
    pub(super) async fn delete(&self, id: WebhookId) {
        let deleted = self.webhooks.delete(Access::everything(), id, None).await.unwrap();
        assert_eq!(deleted, Updated::Applied);
    }

    /// Returns an event that is not published yet.
    pub(super) async fn new_event(&self) -> NewEvent {
        samples::event(&self.entropy, self.moment().await)
    }

    pub(super) async fn publish_one(&self, event: &NewEvent) -> Published {
        let published = self.events.publish(std::slice::from_ref(event)).await;
        let published = published.expect("an event is published");
        assert_eq!(published.len(), 1, "one result for one event");
        published[0]
    }

    /// Publishes one event to all subscribers.
    pub(super) async fn publish(&self) -> EventId {
        let event = self.new_event().await;
        self.publish_one(&event).await.id
    }

    /// Publishes one event to one webhook and returns its delivery.
    pub(super) async fn publish_to(&self, webhook: WebhookId) -> DeliveryId {
        let event = NewEvent { target: Target::Webhook(webhook), ..self.new_event().await };
        let published = self.publish_one(&event).await;
        assert_eq!(published.deliveries, 1, "the webhook receives the event");
        DeliveryId::derive(published.id, webhook)
    }

    /// Claims under a new token for [`LEASE`].
    pub(super) async fn claim(&self, webhook: WebhookId, take: u32) -> Vec<LeasedDelivery> {
        self.claim_for(webhook, take, LEASE).await
    }

    pub(super) async fn claim_for(
        &self,
        webhook: WebhookId,
        take: u32,
        lease_for: Duration,
    ) -> Vec<LeasedDelivery> {
        let claim = Claim {
            token: samples::token(&self.entropy),
            shares: vec![ClaimShare { webhook, take, lease_for, is_limited: true }],
        };
        // As in a worker, a discovery finds the deliveries that have become due.
        self.queue.discover(None, 10).await.expect("a discovery succeeds");
        self.queue.claim(&claim).await.expect("a claim succeeds")
    }

    /// Claims the only claimable delivery.
    pub(super) async fn claim_one(&self, webhook: WebhookId) -> LeasedDelivery {
        let mut leased = self.claim(webhook, 10).await;
        assert_eq!(leased.len(), 1, "exactly one delivery can be claimed");
        leased.remove(0)
    }

    /// Returns a worker's settlement: an attempt with a response of 200 or 500, by `settled`. Failures do not
    /// affect the endpoint's health, so that any number of them opens no circuit.
    pub(super) async fn settlement(&self, leased: &LeasedDelivery, settled: Settled) -> Settlement {
        let (status, health) = match settled {
            Settled::Succeeded => (200, HealthEffect::Succeeded),
            _ => (500, HealthEffect::None),
        };
        Settlement {
            lease: leased.lease,
            settled,
            attempt: Some(Attempt {
                trigger: leased.trigger,
                ..samples::attempt(leased.attempt, self.now().await, status)
            }),
            gone: None,
            health,
        }
    }

    /// Settles a delivery. Returns true if the settlement was recorded.
    pub(super) async fn settle(&self, leased: &LeasedDelivery, settled: Settled) -> bool {
        let settlement = self.settlement(leased, settled).await;
        let recorded = self.queue.settle(&[settlement]).await;
        let recorded = recorded.expect("a settlement succeeds");
        assert_eq!(recorded.len(), 1, "one result for one settlement");
        recorded[0]
    }

    /// Settles a delivery under a current lease.
    pub(super) async fn settle_held(&self, leased: &LeasedDelivery, settled: Settled) {
        let recorded = self.settle(leased, settled).await;
        assert!(recorded, "the lease is current");
    }

    /// Creates a delivery to `webhook` in the given state. For a cancelled one it deletes the webhook.
    pub(super) async fn delivery_in(&self, status: DeliveryStatus, webhook: WebhookId) -> DeliveryId {
        let id = self.publish_to(webhook).await;
        match status {
            DeliveryStatus::Pending => {}
            DeliveryStatus::Cancelled => self.delete(webhook).await,
            _ => {
                let leased = self.claim_for(webhook, 1, DAY).await;
                assert_eq!(leased[0].lease.delivery, id, "nothing else was due");
                match status {
                    DeliveryStatus::InFlight => {}
                    DeliveryStatus::Retrying => {
                        self.settle_held(&leased[0], Settled::RetryAfter(DAY)).await;
                    }
                    DeliveryStatus::Succeeded => {
                        self.settle_held(&leased[0], Settled::Succeeded).await;
                    }
                    _ => {
                        let reason = FailureReason::AttemptsExhausted;
                        self.settle_held(&leased[0], Settled::Failed(reason)).await;
                    }
                }
            }
        }
        assert_eq!(self.delivery(id).await.state.status(), status);
        id
    }

    pub(super) async fn delivery(&self, id: DeliveryId) -> Delivery {
        let record = self.history.get(Access::everything(), id).await.unwrap();
        record.expect("the delivery exists").delivery
    }

    pub(super) async fn status(&self, id: DeliveryId) -> DeliveryStatus {
        self.delivery(id).await.state.status()
    }

    /// Returns all attempts of a delivery, the last first.
    pub(super) async fn attempts(&self, id: DeliveryId) -> Vec<Attempt> {
        let page = self.history.attempts(id, first(100)).await.unwrap();
        assert!(!page.has_more, "a test makes fewer attempts");
        page.items
    }

    /// Returns all deliveries that pass a filter, newest first.
    pub(super) async fn deliveries(&self, filter: &DeliveryFilter) -> Vec<Delivery> {
        let page = self.history.list(Access::everything(), filter, first(10_000)).await.unwrap();
        assert!(!page.has_more, "a test makes fewer deliveries");
        page.items
    }

    /// Returns the webhooks that received an event, in the order of their ids.
    pub(super) async fn receivers(&self, event: EventId) -> Vec<WebhookId> {
        let filter = DeliveryFilter { event: Some(event), ..DeliveryFilter::default() };
        let deliveries = self.deliveries(&filter).await;
        let mut webhooks: Vec<_> = deliveries.iter().map(|one| one.webhook_id).collect();
        webhooks.sort_unstable();
        webhooks
    }

    /// Consumes the stored wake-ups, so that the next one comes from a later operation.
    pub(super) async fn quieten(&self) {
        for _ in 0..100 {
            let quiet = tokio::select! {
                biased;
                _ = self.queue.wait_for_work() => false,
                () = std::future::ready(()) => true,
            };
            if quiet {
                return;
            }
        }
        panic!("wait_for_work keeps resolving although nothing happens");
    }

    /// Returns what [`DeliveryQueue::wait_for_work`] announces; fails unless it resolves soon.
    pub(super) async fn wakes(&self) -> WakeUp {
        tokio::time::timeout(WAKE_UP, self.queue.wait_for_work()).await.expect("a waiting worker is woken")
    }

    /// Fails unless `work` wakes a worker, whether it waits already or begins to wait later.
    pub(super) async fn expect_wake_ups(&self, work: impl AsyncFn()) {
        self.quieten().await;
        let queue = Arc::clone(&self.queue);
        let waiting = tokio::spawn(async move { queue.wait_for_work().await });
        // Lets the worker begin to wait. If it does not, the wake-up is kept for it.
        tokio::task::yield_now().await;
        work().await;
        let woken = tokio::time::timeout(WAKE_UP, waiting).await;
        woken.expect("a waiting worker is woken").unwrap();

        self.quieten().await;
        work().await;
        self.wakes().await;
    }
}

/// Requests the first page.
pub(super) const fn first<Id>(limit: u32) -> PageRequest<Id> {
    PageRequest { limit, before: None }
}

/// Reads a list in pages of `limit` and calls `between` after each page but the last. Fails if a page is
/// malformed.
pub(super) async fn all_pages<T, Id: Copy + Ord + Debug>(
    limit: u32,
    id: impl Fn(&T) -> Id,
    fetch: impl AsyncFn(PageRequest<Id>) -> Page<T>,
    between: impl AsyncFn(),
) -> Vec<T> {
    let mut all: Vec<T> = Vec::new();
    let mut request = first(limit);
    loop {
        let page = fetch(request).await;
        assert!(page.items.len() <= limit as usize, "a page is within its limit");
        all.extend(page.items);
        if !page.has_more {
            break;
        }
        request.before = all.last().map(&id);
        assert_eq!(all.len() % limit as usize, 0, "only the last page is not full");
        assert!(all.len() < 10_000, "the list ends");
        between().await;
    }
    let ids: Vec<Id> = all.iter().map(id).collect();
    let newest_first = ids.windows(2).all(|pair| pair[0] > pair[1]);
    assert!(newest_first, "the list is not newest first, or contains duplicates: {ids:?}");
    all
}

/// Fails unless two times are about the same.
#[track_caller]
pub(super) fn assert_near(got: Timestamp, expected: Timestamp) {
    let apart = got.since(expected).max(expected.since(got));
    assert!(apart <= TOLERANCE, "{got} is not about {expected}");
}

/// Fails unless two durations are about the same.
#[track_caller]
pub(super) fn assert_about(got: Option<Duration>, expected: Duration) {
    let got = got.expect("a duration is present");
    assert!(got.abs_diff(expected) <= TOLERANCE, "{got:?} is not about {expected:?}");
}
