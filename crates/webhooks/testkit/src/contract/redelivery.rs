//! Tests of `DeliveryQueue::redeliver`.

use rdev_access::ports::{KeyRequest, KeyState};
use rdev_access::{Fingerprint, Operation};
use rdev_webhooks_domain::ports::{Entropy, Redelivery};
use rdev_webhooks_domain::{
    Access, Delivery, DeliveryId, DeliveryStatus, DisabledReason, FailureReason, IdempotencyKey,
    RedeliveryRequest, Settled, Trigger, WebhookState,
};
use tokio::task::JoinSet;

use super::scene::{DAY, HOUR, LEASE, MINUTE, Scene};
use super::{Harness, TOLERANCE};
use crate::samples;

/// Redelivers a delivery that allows it. Returns the answered delivery after comparing it with the stored
/// one.
async fn redeliver(scene: &Scene<'_>, id: DeliveryId, trigger: Trigger) -> Delivery {
    let answer = scene.queue.redeliver(Access::everything(), id, &trigger.into()).await.unwrap();
    let Some(Redelivery::Queued(delivery)) = answer else {
        panic!("the redelivery returned {answer:?}");
    };
    assert_eq!(delivery, scene.delivery(id).await);
    let due_at = delivery.state.next_attempt_at().expect("the delivery waits");
    assert!(due_at <= scene.now().await + TOLERANCE, "{due_at} is not now");
    delivery
}

/// A manual attempt before a waiting retry leaves the retry's due time unchanged if it fails, and uses up no
/// attempt of the retry policy. A second request makes no difference.
pub async fn a_redelivery_leaves_the_automatic_retry_alone(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;

    // A first attempt that is already due stays a first attempt.
    let first = redeliver(&scene, id, Trigger::Manual).await;
    assert_eq!(first.state.status(), DeliveryStatus::Pending);
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.trigger, leased.resumes), (Trigger::Automatic, false));
    scene.settle_held(&leased, Settled::RetryAfter(HOUR)).await;
    let retry_at = scene.delivery(id).await.state.next_attempt_at();

    let queued = redeliver(&scene, id, Trigger::Manual).await;
    assert_eq!((queued.state.status(), queued.attempts), (DeliveryStatus::Retrying, 1));
    redeliver(&scene, id, Trigger::Manual).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.trigger, leased.resumes), (Trigger::Manual, true));
    assert_eq!((leased.attempt, leased.automatic_attempts), (2, 1));
    scene.settle_held(&leased, Settled::Resumed).await;

    let delivery = scene.delivery(id).await;
    assert_eq!(delivery.state.status(), DeliveryStatus::Retrying);
    assert_eq!(delivery.state.next_attempt_at(), retry_at, "the retry keeps its due time");
    assert!(scene.claim(webhook, 1).await.is_empty());
    scene.advance(HOUR - MINUTE).await;
    assert!(scene.claim(webhook, 1).await.is_empty());
    scene.advance(MINUTE).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.trigger, leased.resumes), (Trigger::Automatic, false));
    assert_eq!((leased.attempt, leased.automatic_attempts), (3, 2));
    let triggers: Vec<_> = scene.attempts(id).await.iter().map(|one| one.trigger).collect();
    assert_eq!(triggers, [Trigger::Manual, Trigger::Automatic]);

    // After a release, the requested attempt still comes before the retry.
    scene.settle_held(&leased, Settled::RetryAfter(HOUR)).await;
    redeliver(&scene, id, Trigger::Replay).await;
    let leased = scene.claim_one(webhook).await;
    scene.queue.release(&[leased.lease]).await.unwrap();
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.trigger, leased.resumes), (Trigger::Replay, true));
    assert_eq!((leased.attempt, leased.automatic_attempts), (4, 2));
    // If it succeeds, the retry is not needed.
    scene.settle_held(&leased, Settled::Succeeded).await;
    scene.advance(2 * HOUR).await;
    assert!(scene.claim(webhook, 1).await.is_empty());
}

/// A finished delivery is reopened with its attempts, and ends again with one more.
pub async fn a_finished_delivery_can_be_redelivered(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    for (finished, trigger) in
        [(DeliveryStatus::Failed, Trigger::Manual), (DeliveryStatus::Succeeded, Trigger::Replay)]
    {
        let id = scene.delivery_in(finished, webhook).await;
        let event = scene.delivery(id).await.event_id;
        scene.advance(HOUR).await;
        let queued = redeliver(&scene, id, trigger).await;
        assert_eq!((queued.state.status(), queued.attempts), (DeliveryStatus::Pending, 1));
        let counts = scene.events.get(Access::everything(), event).await.unwrap().unwrap().deliveries;
        assert_eq!((counts.pending, counts.total()), (1, 1));
        assert_eq!(scene.attempts(id).await.len(), 1);

        let leased = scene.claim_one(webhook).await;
        assert_eq!(leased.lease.delivery, id);
        assert_eq!((leased.trigger, leased.resumes), (trigger, false));
        assert_eq!((leased.attempt, leased.automatic_attempts), (2, 1));
        assert_eq!(leased.event_id, event);
        let failed = Settled::Failed(FailureReason::RedeliveryFailed);
        scene.settle_held(&leased, failed).await;
        assert_eq!(scene.status(id).await, DeliveryStatus::Failed);
        let attempts = scene.attempts(id).await;
        let made: Vec<_> = attempts.iter().map(|one| (one.number, one.trigger)).collect();
        assert_eq!(made, [(2, trigger), (1, Trigger::Automatic)]);

        redeliver(&scene, id, Trigger::Manual).await;
        let leased = scene.claim_one(webhook).await;
        assert_eq!((leased.attempt, leased.automatic_attempts), (3, 1));
        scene.settle_held(&leased, Settled::Succeeded).await;
        let delivery = scene.delivery(id).await;
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Succeeded, 3));
    }
}

/// A delivery in flight is not redelivered. After the lease of a dead worker has expired, it is not in
/// flight.
pub async fn redelivery_is_refused_in_flight(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    let before = scene.delivery(id).await;
    let answer = scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap();
    assert_eq!(answer, Some(Redelivery::InFlight));
    assert_eq!(scene.delivery(id).await, before);

    scene.advance(LEASE).await;
    redeliver(&scene, id, Trigger::Manual).await;
    let next = scene.claim_one(webhook).await;
    assert_eq!((next.attempt, next.abandoned_count), (2, 1));
    assert!(!scene.settle(&leased, Settled::Succeeded).await);
    scene.settle_held(&next, Settled::Succeeded).await;
}

/// A redelivery to a disabled or deleted webhook sends nothing.
pub async fn redelivery_needs_an_enabled_webhook(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let failed = scene.delivery_in(DeliveryStatus::Failed, webhook).await;
    let retrying = scene.delivery_in(DeliveryStatus::Retrying, webhook).await;
    let since = scene.now().await;
    let reason = DisabledReason::Manual;
    let state = WebhookState::Disabled { reason, since };
    scene.change(webhook, |webhook| webhook.state = state).await;
    for id in [failed, retrying] {
        let before = scene.delivery(id).await;
        let answer = scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap();
        assert_eq!(answer, Some(Redelivery::WebhookDisabled));
        assert_eq!(scene.delivery(id).await, before);
    }
    scene.delete(webhook).await;
    for id in [failed, retrying] {
        let before = scene.delivery(id).await;
        assert!(before.state.finished_at().is_some());
        let answer = scene.queue.redeliver(Access::everything(), id, &Trigger::Replay.into()).await.unwrap();
        assert_eq!(answer, Some(Redelivery::WebhookDeleted));
        assert_eq!(scene.delivery(id).await, before);
    }
}

/// A redelivery wakes a worker of the same process, whether it waits already or begins to wait later.
pub async fn a_redelivery_wakes_a_waiting_worker(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.delivery_in(DeliveryStatus::Failed, webhook).await;
    let ask = async || {
        redeliver(&scene, id, Trigger::Manual).await;
    };
    scene.expect_wake_ups(ask).await;
}

/// A redelivery requested twice under one key is made once, whatever the delivery's state by then, also for
/// concurrent requests. A refused redelivery can be requested again.
pub async fn a_redelivery_is_made_once_under_a_key(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.delivery_in(DeliveryStatus::Retrying, webhook).await;
    let ended = scene.delivery_in(DeliveryStatus::Failed, webhook).await;
    let asked = async |id, key: &KeyRequest| {
        let request = RedeliveryRequest { key: Some(key.key), ..Trigger::Manual.into() };
        scene.queue.redeliver(Access::everything(), id, &request).await.unwrap()
    };
    for id in [id, ended] {
        let key = take_key(&scene, &format!("one {id}")).await;
        // It is refused while the delivery is in flight.
        redeliver(&scene, id, Trigger::Manual).await;
        let leased = scene.claim_one(webhook).await;
        assert_eq!(asked(id, &key).await, Some(Redelivery::InFlight));
        scene.settle_held(&leased, Settled::Failed(FailureReason::RedeliveryFailed)).await;
        let made = scene.delivery(id).await.attempts;

        for status in [DeliveryStatus::Pending, DeliveryStatus::InFlight, DeliveryStatus::Failed] {
            let answer = asked(id, &key).await;
            assert_eq!(answer, Some(Redelivery::Queued(scene.delivery(id).await)));
            assert_eq!(scene.status(id).await, status);
            match status {
                DeliveryStatus::Pending => assert_eq!(scene.claim_one(webhook).await.attempt, made + 1),
                DeliveryStatus::InFlight => {
                    let held = scene
                        .queue
                        .redeliver(Access::everything(), id, &Trigger::Manual.into())
                        .await
                        .unwrap();
                    assert_eq!(held, Some(Redelivery::InFlight), "without the key it is refused");
                    scene.advance(LEASE).await;
                    let leased = scene.claim_one(webhook).await;
                    scene.settle_held(&leased, Settled::Failed(FailureReason::RedeliveryFailed)).await;
                }
                _ => {}
            }
        }
        assert!(scene.claim(webhook, 1).await.is_empty());
        // Only the key identifies the repeat, and only as long as it is kept.
        let other = take_key(&scene, &format!("another {id}")).await;
        assert!(matches!(asked(id, &other).await, Some(Redelivery::Queued(_))));
        let leased = scene.claim_one(webhook).await;
        scene.settle_held(&leased, Settled::Failed(FailureReason::RedeliveryFailed)).await;
        scene.advance(2 * DAY).await;
        let anew = take_key(&scene, &format!("one {id}")).await;
        assert!(matches!(asked(id, &anew).await, Some(Redelivery::Queued(_))));
        let leased = scene.claim_one(webhook).await;
        scene.settle_held(&leased, Settled::Failed(FailureReason::RedeliveryFailed)).await;
    }

    let key = take_key(&scene, "at once").await.key;
    let mut asking = JoinSet::new();
    for _ in 0..8 {
        let queue = harness.queue();
        let request = RedeliveryRequest { key: Some(key), ..Trigger::Manual.into() };
        asking.spawn(async move { queue.redeliver(Access::everything(), ended, &request).await.unwrap() });
    }
    let made = scene.delivery(ended).await.attempts;
    for answer in asking.join_all().await {
        assert!(matches!(answer, Some(Redelivery::Queued(_))), "{answer:?}");
    }
    let leased = scene.claim_one(webhook).await;
    assert_eq!(leased.attempt, made + 1);
    scene.settle_held(&leased, Settled::Succeeded).await;
    let request = RedeliveryRequest { key: Some(key), ..Trigger::Manual.into() };
    let answer = scene.queue.redeliver(Access::everything(), ended, &request).await.unwrap();
    assert_eq!(answer, Some(Redelivery::Queued(scene.delivery(ended).await)));
    assert!(scene.claim(webhook, 1).await.is_empty());
}

async fn take_key(scene: &Scene<'_>, name: &str) -> KeyRequest {
    let entropy: &dyn Entropy = &scene.entropy;
    let request = KeyRequest {
        key: IdempotencyKey::new(None, name.replace(' ', "-").as_bytes()).unwrap(),
        operation: Operation {
            fingerprint: Fingerprint::of(&[]),
            seed: entropy.bytes(),
            at: scene.now().await,
        },
        token: samples::token(&scene.entropy),
        lease_for: LEASE,
        keep_for: DAY,
    };
    let state = scene.idempotency.begin(&request).await.unwrap();
    assert_eq!(state, KeyState::Taken { operation: request.operation, repeats: false });
    request
}
