//! Tests of deleted webhooks.

use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Barrier;

use rdev_webhooks_domain::ports::Updated;
use rdev_webhooks_domain::{
    Access, CancelReason, DeliveryState, DeliveryStatus, Settled, Webhook, WebhookFilter,
};
use tokio::task::JoinSet;

use super::Harness;
use super::scene::{DAY, LEASE, Scene, first};
use crate::samples;

/// Deleting a webhook cancels its waiting deliveries, keeps finished ones and every attempt, and affects no
/// other webhook.
pub async fn deleting_a_webhook_cancels_what_waits_and_keeps_the_history(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (id, other) = (scene.webhook().await, scene.webhook().await);
    let succeeded = scene.delivery_in(DeliveryStatus::Succeeded, id).await;
    let failed = scene.delivery_in(DeliveryStatus::Failed, id).await;
    let retrying = scene.delivery_in(DeliveryStatus::Retrying, id).await;
    let pending = scene.delivery_in(DeliveryStatus::Pending, id).await;
    let others = scene.publish_to(other).await;
    let kept = [scene.delivery(succeeded).await, scene.delivery(failed).await];

    scene.delete(id).await;
    assert_eq!(scene.webhooks.get(Access::everything(), id).await.unwrap(), None);
    let filter = WebhookFilter::default();
    let listed = scene.webhooks.list(Access::everything(), &filter, first(10)).await.unwrap();
    assert_eq!(listed.items.iter().map(|one| one.id).collect::<Vec<_>>(), [other]);

    for (cancelled, attempts) in [(retrying, 1), (pending, 0)] {
        let delivery = scene.delivery(cancelled).await;
        assert_cancelled(&delivery.state);
        assert_eq!(delivery.attempts, attempts);
        assert_eq!(scene.attempts(cancelled).await.len(), attempts as usize);
    }
    assert_eq!([scene.delivery(succeeded).await, scene.delivery(failed).await], kept);
    assert_eq!(scene.attempts(failed).await.len(), 1);

    scene.advance(2 * DAY).await;
    assert!(scene.claim(id, 10).await.is_empty());
    assert_eq!(scene.claim_one(other).await.lease.delivery, others);
    let again = scene.webhooks.delete(Access::everything(), id, None).await.unwrap();
    assert_eq!(again, Updated::NotFound, "a webhook is deleted only once");
    assert_eq!(scene.receivers(scene.publish().await).await, [other]);
}

#[track_caller]
pub(super) fn assert_cancelled(state: &DeliveryState) {
    let expected = CancelReason::WebhookDeleted;
    assert!(matches!(state, DeliveryState::Cancelled { reason, .. } if *reason == expected), "{state:?}");
}

/// The outcome of an attempt in flight during the deletion of its webhook is recorded: after a failure the
/// delivery is cancelled, after a success it has succeeded.
pub async fn a_failure_after_the_webhook_was_deleted_cancels(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let id = scene.webhook().await;
    scene.publish().await;
    scene.publish().await;
    let leased = scene.claim(id, 2).await;
    scene.delete(id).await;
    for one in &leased {
        assert_eq!(scene.status(one.lease.delivery).await, DeliveryStatus::InFlight);
    }
    scene.settle_held(&leased[0], Settled::RetryAfter(Duration::ZERO)).await;
    let delivery = scene.delivery(leased[0].lease.delivery).await;
    assert_cancelled(&delivery.state);
    assert_eq!(scene.attempts(delivery.id).await.len(), 1);

    scene.settle_held(&leased[1], Settled::Succeeded).await;
    let delivered = leased[1].lease.delivery;
    assert_eq!(scene.status(delivered).await, DeliveryStatus::Succeeded);
    assert_eq!(scene.attempts(delivered).await.len(), 1);
    scene.advance(LEASE).await;
    assert!(scene.claim(id, 10).await.is_empty());
}

/// A deletion for another version is refused, and the webhook continues as before.
pub async fn a_deletion_of_another_version_is_refused(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let id = scene.webhook().await;
    scene.change(id, |webhook| webhook.settings.description = Some("second".to_owned())).await;
    for versions in [vec![], vec![1], vec![0, 1, 3]] {
        let refused = scene.webhooks.delete(Access::everything(), id, Some(&versions)).await.unwrap();
        assert_eq!(refused, Updated::VersionMismatch);
    }
    scene.publish_to(id).await;
    assert_eq!(scene.claim_one(id).await.target.version, 2, "it receives deliveries as before");
    assert_eq!(
        scene.webhooks.delete(Access::everything(), id, Some(&[7, 2])).await.unwrap(),
        Updated::Applied
    );
    assert_eq!(scene.webhooks.delete(Access::everything(), id, Some(&[2])).await.unwrap(), Updated::NotFound);
}

/// Of concurrent updates and a deletion for one version, one is applied.
pub async fn a_deletion_and_updates_of_a_version_apply_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for _ in 0..8 {
        let webhook = scene.new_webhook().await;
        scene.create(&webhook).await;
        let id = webhook.id;
        let start = Arc::new(Barrier::new(4));
        let mut tasks = JoinSet::new();
        for nth in 0..4 {
            let (webhooks, start) = (harness.webhooks(), Arc::clone(&start));
            let next = samples::with_settings(Webhook { version: 2, ..webhook.clone() }, |settings| {
                settings.description = Some(format!("{nth}"));
            });
            tasks.spawn(async move {
                start.wait().await;
                match nth {
                    0 | 1 => webhooks.delete(Access::everything(), id, Some(&[1])).await.unwrap(),
                    _ => webhooks.update(&next).await.unwrap(),
                }
            });
        }
        let answers = tasks.join_all().await;
        let applied = answers.iter().filter(|answer| **answer == Updated::Applied).count();
        assert_eq!(applied, 1, "{answers:?}");
        let refused = match scene.webhooks.get(Access::everything(), id).await.unwrap() {
            Some(_) => Updated::VersionMismatch,
            None => Updated::NotFound,
        };
        assert!(answers.iter().all(|answer| [Updated::Applied, refused].contains(answer)), "{answers:?}");
    }
}
