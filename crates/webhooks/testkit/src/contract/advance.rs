//! Tests of `DeliveryQueue::claim_in_advance`.

use std::num::NonZeroU32;
use std::time::Duration;

use rdev_webhooks_domain::ports::{AdvanceClaim, AdvanceLeases};
use rdev_webhooks_domain::{
    Claim, ClaimShare, DeliveryId, DeliveryStatus, DisabledReason, LeasedDelivery, NewEvent, RateLimit,
    Settled, Trigger, WakeUp, WebhookId, WebhookState,
};

use super::Harness;
use super::scene::{LEASE, Scene, WAKE_UP};
use crate::samples;

impl Scene<'_> {
    /// Leaves a claim of `take` deliveries of each webhook.
    fn claim_in_advance(&self, webhooks: &[WebhookId], take: u32) -> Box<dyn AdvanceClaim> {
        let share = |webhook| ClaimShare { webhook, take, lease_for: LEASE, is_limited: false };
        let shares = webhooks.iter().copied().map(share).collect();
        let claim = Claim { token: samples::token(&self.entropy), shares };
        self.queue.claim_in_advance(claim).expect("the store takes claims in advance")
    }

    /// Publishes events in one batch.
    async fn publish_batch(&self, count: usize) -> Vec<NewEvent> {
        let mut events = Vec::with_capacity(count);
        for _ in 0..count {
            events.push(self.new_event().await);
        }
        self.events.publish(&events).await.unwrap();
        events
    }

    /// Fails if a worker is woken although nothing waits.
    async fn expect_no_wake_up(&self) {
        // An operation of the store that comes later, so that a wake-up would have arrived.
        self.queue.survey().await.unwrap();
        tokio::select! {
            biased;
            wake_up = self.queue.wait_for_work() => panic!("woken for {wake_up:?}"),
            () = std::future::ready(()) => {}
        }
    }
}

async fn leased(claim: &mut Box<dyn AdvanceClaim>) -> Vec<LeasedDelivery> {
    let AdvanceLeases { deliveries, .. } =
        tokio::time::timeout(WAKE_UP, claim.leased()).await.expect("a publication uses the claim");
    deliveries
}

fn in_order(leased: &[LeasedDelivery]) -> Vec<DeliveryId> {
    let mut ids: Vec<_> = leased.iter().map(|one| one.lease.delivery).collect();
    ids.sort_unstable();
    ids
}

/// A publication leases its deliveries by a claim in advance, which returns the same as a claim would, and wakes no
/// worker for them. They are in flight like others.
pub async fn an_advance_claim_leases_new_deliveries(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, other) = (scene.webhook().await, scene.webhook().await);
    scene.quieten().await;
    let mut claim = scene.claim_in_advance(&[one, other], 5);
    let event = NewEvent {
        project: Some("my-project".parse().unwrap()),
        body: "exactly {this é}\n".into(),
        traceparent: "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".parse().ok(),
        ..scene.new_event().await
    };
    let published = scene.publish_one(&event).await;
    assert_eq!(published.deliveries, 2);
    let leases = leased(&mut claim).await;
    let mut expected = [one, other].map(|webhook| DeliveryId::derive(event.id, webhook));
    expected.sort_unstable();
    assert_eq!(in_order(&leases), expected);
    scene.expect_no_wake_up().await;

    for lease in &leases {
        assert_eq!(lease.event_id, event.id);
        assert_eq!(lease.event_type, event.event_type);
        assert_eq!(lease.project, event.project);
        assert_eq!(lease.body, event.body);
        assert_eq!(lease.traceparent, event.traceparent);
        assert_eq!((lease.attempt, lease.automatic_attempts, lease.abandoned_count), (1, 1, 0));
        assert_eq!((lease.trigger, lease.resumes), (Trigger::Automatic, false));
        assert_eq!(lease.target.version, 1);
        assert_eq!(scene.status(lease.lease.delivery).await, DeliveryStatus::InFlight);
    }
    assert!(scene.claim(one, 5).await.is_empty() && scene.claim(other, 5).await.is_empty());
    assert!(scene.settle(&leases[0], Settled::Succeeded).await);
    assert!(!scene.settle(&leases[0], Settled::Succeeded).await);
    scene.settle_held(&leases[1], Settled::RetryAfter(Duration::ZERO)).await;
    let again = scene.claim_one(leases[1].target.webhook_id).await;
    assert_eq!((again.attempt, again.automatic_attempts, again.abandoned_count), (2, 2, 0));
    // A publication uses a claim once.
    scene.publish().await;
    let mut claimed = scene.claim(one, 5).await;
    claimed.extend(scene.claim(other, 5).await);
    assert_eq!(claimed.len(), 2);
    for lease in claimed.iter().chain([&again]) {
        assert!(scene.settle(lease, Settled::Succeeded).await);
    }

    // A lease that its worker left is taken over.
    let mut claim = scene.claim_in_advance(&[one], 5);
    scene.publish().await;
    assert_eq!(leased(&mut claim).await.len(), 1);
    scene.advance(LEASE).await;
    let taken_over = scene.claim_one(one).await;
    assert_eq!((taken_over.attempt, taken_over.abandoned_count), (2, 1));
}

/// A claim in advance takes no more than its shares, and the other new deliveries are announced.
pub async fn what_an_advance_claim_leaves_is_announced(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (one, other) = (scene.webhook().await, scene.webhook().await);
    scene.quieten().await;
    let mut claim = scene.claim_in_advance(&[one], 3);
    let events = scene.publish_batch(4).await;
    let leases = leased(&mut claim).await;
    assert_eq!(leases.len(), 3);
    assert!(leases.iter().all(|lease| lease.target.webhook_id == one));
    match scene.wakes().await {
        WakeUp::Webhooks(named) => assert_eq!(named, [one, other].into()),
        WakeUp::Any => {}
    }
    let mut rest = scene.claim(one, 10).await;
    assert_eq!(rest.len(), 1);
    rest.extend(leases);
    let mut expected: Vec<_> = events.iter().map(|event| DeliveryId::derive(event.id, one)).collect();
    expected.sort_unstable();
    assert_eq!(in_order(&rest), expected);
    assert_eq!(scene.claim(other, 10).await.len(), 4);
}

/// A claim in advance leases the deliveries of its webhooks however many others the publication has deliveries for.
pub async fn an_advance_claim_leases_beside_many_other_webhooks(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for _ in 0..2 * WakeUp::MAX_WEBHOOKS {
        scene.webhook().await;
    }
    let webhook = scene.webhook().await;
    let mut claim = scene.claim_in_advance(&[webhook], 5);
    scene.quieten().await;
    let event = scene.publish().await;
    assert_eq!(in_order(&leased(&mut claim).await), [DeliveryId::derive(event, webhook)]);
    scene.wakes().await;
    let rest = scene.queue.discover(None, 1_000).await.unwrap();
    assert_eq!(rest.due.len(), 2 * WakeUp::MAX_WEBHOOKS);
}

/// A claim in advance leases nothing of a webhook that is disabled or deleted, or whose circuit is open, and no more of a
/// limited webhook than its limits allow.
pub async fn an_advance_claim_leases_nothing_that_may_not_be_sent(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let broken = scene.broken_webhook().await;
    let (disabled, deleted, sendable) = (scene.webhook().await, scene.webhook().await, scene.webhook().await);
    let (paced, capped) = (scene.webhook().await, scene.webhook().await);
    let webhooks = [disabled, deleted, sendable, paced, capped, broken];
    let mut claim = scene.claim_in_advance(&webhooks, 5);
    let since = scene.now().await;
    let by_hand = WebhookState::Disabled { reason: DisabledReason::Manual, since };
    scene.change(disabled, |webhook| webhook.state = by_hand).await;
    scene.delete(deleted).await;
    scene.change(paced, |webhook| webhook.settings.rate_limit = RateLimit::per_second(0.001)).await;
    scene.change(capped, |webhook| webhook.settings.max_in_flight = NonZeroU32::new(1)).await;
    scene.publish_batch(2).await;
    let leases = leased(&mut claim).await;
    let count = |webhook| leases.iter().filter(|lease| lease.target.webhook_id == webhook).count();
    assert_eq!((count(disabled), count(deleted), count(broken)), (0, 0, 0));
    assert_eq!(count(sendable), 2);
    assert!(count(paced) <= 1 && count(capped) <= 1);
}

/// A claim that was withdrawn before a publication leases nothing.
pub async fn a_withdrawn_advance_claim_leases_nothing(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let mut claim = scene.claim_in_advance(&[webhook], 5);
    assert!(claim.withdraw());
    scene.quieten().await;
    scene.publish().await;
    scene.wakes().await;
    assert_eq!(scene.claim(webhook, 5).await.len(), 1);
    // The same without a word.
    drop(scene.claim_in_advance(&[webhook], 5));
    scene.publish().await;
    assert_eq!(scene.claim(webhook, 5).await.len(), 1);
}

/// A publication without deliveries for a claim leaves it to the next one.
pub async fn an_advance_claim_waits_for_its_webhooks(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let unknown = scene.new_webhook().await;
    let mut claim = scene.claim_in_advance(&[unknown.id], 5);
    let other = scene.webhook().await;
    scene.publish().await;
    assert_eq!(scene.claim(other, 5).await.len(), 1);
    scene.create(&unknown).await;
    scene.publish().await;
    let leases = leased(&mut claim).await;
    assert_eq!(leases.iter().map(|lease| lease.target.webhook_id).collect::<Vec<_>>(), [unknown.id]);
}
