//! Tests of `DeliveryQueue::cancel`.

use std::sync::Arc;

use rdev_webhooks_domain::ports::{Cancellation, DeliveryQueue, Redelivery};
use rdev_webhooks_domain::{
    Access, CancelReason, Claim, ClaimShare, Delivery, DeliveryId, DeliveryState, DeliveryStatus,
    DisabledReason, FailureClass, Settled, Trigger, WebhookState,
};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{DAY, HOUR, LEASE, Scene, assert_near};
use crate::samples;

/// Cancels a cancellable delivery. Returns the answered delivery after comparing it with the stored one.
async fn cancel(scene: &Scene<'_>, id: DeliveryId) -> Delivery {
    let answer = scene.queue.cancel(Access::everything(), id).await.unwrap();
    let Some(Cancellation::Cancelled(delivery)) = answer else {
        panic!("the cancellation returned {answer:?}");
    };
    assert_eq!(delivery, scene.delivery(id).await);
    let DeliveryState::Cancelled { at, reason: CancelReason::Requested } = delivery.state else {
        panic!("the delivery is not cancelled by request: {:?}", delivery.state);
    };
    assert_near(at, scene.now().await);
    delivery
}

/// A delivery that waits for its first attempt, for a retry or for its webhook to be enabled is cancelled for
/// good and keeps its attempts. No other delivery is cancelled.
pub async fn what_waits_can_be_cancelled(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let retrying = scene.delivery_in(DeliveryStatus::Retrying, webhook).await;
    let pending = scene.delivery_in(DeliveryStatus::Pending, webhook).await;
    let held = scene.publish_to(webhook).await;
    let kept = scene.publish_to(webhook).await;

    assert_eq!(cancel(&scene, retrying).await.attempts, 1);
    assert_eq!(scene.attempts(retrying).await.len(), 1);
    assert_eq!(cancel(&scene, pending).await.attempts, 0);
    let since = scene.now().await;
    let disabled = WebhookState::Disabled { reason: DisabledReason::Manual, since };
    scene.change(webhook, |webhook| webhook.state = disabled).await;
    cancel(&scene, held).await;
    scene.change(webhook, |webhook| webhook.state = WebhookState::Enabled).await;

    scene.advance(2 * DAY).await;
    assert_eq!(scene.claim_one(webhook).await.lease.delivery, kept);
    let event = scene.delivery(pending).await.event_id;
    let counts = scene.events.get(Access::everything(), event).await.unwrap().unwrap().deliveries;
    assert_eq!((counts.cancelled, counts.total()), (1, 1));
    let nobodys = DeliveryId::from_parts(scene.now().await, [7; 10]);
    assert_eq!(scene.queue.cancel(Access::everything(), nobodys).await.unwrap(), None);
}

/// A delivery in flight is not cancelled, and its outcome is recorded.
pub async fn cancelling_is_refused_in_flight(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    let before = scene.delivery(id).await;
    assert_eq!(scene.queue.cancel(Access::everything(), id).await.unwrap(), Some(Cancellation::InFlight));
    assert_eq!(scene.delivery(id).await, before);
    // A delivery that is released unused waits again.
    scene.queue.release(&[leased.lease]).await.unwrap();
    assert_eq!(cancel(&scene, id).await.attempts, 0);

    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!(scene.queue.cancel(Access::everything(), id).await.unwrap(), Some(Cancellation::InFlight));
    scene.settle_held(&leased, Settled::RetryAfter(HOUR)).await;
    assert_eq!(cancel(&scene, id).await.attempts, 1);
}

/// An expired lease does not prevent a cancellation: the attempt is recorded as abandoned, and a later report
/// of its worker comes too late.
pub async fn what_a_dead_worker_left_can_be_cancelled(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    scene.advance(LEASE).await;
    assert_eq!(cancel(&scene, id).await.attempts, 1);
    let recorded = async || {
        let attempts = scene.attempts(id).await;
        let class = |one: &rdev_webhooks_domain::Attempt| one.outcome.failure.as_ref().map(|it| it.class);
        attempts.iter().map(|one| (one.number, one.trigger, class(one))).collect::<Vec<_>>()
    };
    let abandoned = [(1, Trigger::Automatic, Some(FailureClass::Abandoned))];
    assert_eq!(recorded().await, abandoned);

    assert!(!scene.settle(&leased, Settled::Succeeded).await);
    scene.queue.release(&[leased.lease]).await.unwrap();
    assert_eq!(scene.status(id).await, DeliveryStatus::Cancelled);
    assert_eq!(recorded().await, abandoned);
}

/// A finished delivery, however it ended, stays unchanged.
pub async fn what_has_ended_is_not_cancelled(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    for status in [DeliveryStatus::Succeeded, DeliveryStatus::Failed, DeliveryStatus::Cancelled] {
        let id = scene.delivery_in(status, webhook).await;
        let before = scene.delivery(id).await;
        assert_eq!(scene.queue.cancel(Access::everything(), id).await.unwrap(), Some(Cancellation::Ended));
        assert_eq!(scene.delivery(id).await, before);
    }
    let id = scene.publish_to(scene.webhook().await).await;
    cancel(&scene, id).await;
    assert_eq!(scene.queue.cancel(Access::everything(), id).await.unwrap(), Some(Cancellation::Ended));
}

/// A cancelled delivery can be redelivered and keeps its attempts, like any finished delivery.
pub async fn a_cancelled_delivery_can_be_redelivered(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.delivery_in(DeliveryStatus::Retrying, webhook).await;
    cancel(&scene, id).await;
    let answer = scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap();
    assert!(matches!(answer, Some(Redelivery::Queued(_))), "{answer:?}");
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.lease.delivery, leased.attempt), (id, 2));
    assert_eq!((leased.trigger, leased.resumes), (Trigger::Manual, false));
    scene.settle_held(&leased, Settled::Succeeded).await;
    assert_eq!(scene.attempts(id).await.len(), 2);
}

/// Of many deliveries that are claimed and cancelled concurrently, each is either sent or cancelled.
pub async fn concurrent_claims_and_cancellations_share_nothing(harness: &dyn Harness) {
    const DELIVERIES: usize = 60;
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let mut ids = Vec::new();
    for _ in 0..DELIVERIES {
        ids.push(scene.publish_to(webhook).await);
    }
    let claiming = async |queue: Arc<dyn DeliveryQueue>, token| {
        let mut leased = Vec::new();
        for _ in 0..4 {
            let shares = vec![ClaimShare { webhook, take: 5, lease_for: LEASE, is_limited: true }];
            leased.extend(queue.claim(&Claim { token, shares }).await.unwrap());
        }
        leased
    };
    let mut cancelling = JoinSet::new();
    for id in ids.iter().copied() {
        let queue = harness.queue();
        cancelling.spawn(async move { (id, queue.cancel(Access::everything(), id).await.unwrap()) });
    }
    let token = || samples::token(&scene.entropy);
    let (first, second, answers) = tokio::join!(
        claiming(harness.queue(), token()),
        claiming(harness.queue(), token()),
        cancelling.join_all()
    );
    let sent: Vec<_> = first.iter().chain(&second).map(|one| one.lease.delivery).collect();
    for (id, answer) in answers {
        match answer {
            Some(Cancellation::Cancelled(_)) => assert!(!sent.contains(&id), "{id} is cancelled but sent"),
            answer => assert_eq!(answer, Some(Cancellation::InFlight), "{id}"),
        }
    }
    for leased in first.iter().chain(&second) {
        assert_eq!(scene.status(leased.lease.delivery).await, DeliveryStatus::InFlight);
        scene.settle_held(leased, Settled::Succeeded).await;
    }
    for id in ids {
        let ended = if sent.contains(&id) { DeliveryStatus::Succeeded } else { DeliveryStatus::Cancelled };
        assert_eq!(scene.status(id).await, ended);
    }
}
