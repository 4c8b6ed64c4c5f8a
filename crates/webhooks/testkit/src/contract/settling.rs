//! Tests of `DeliveryQueue::release` and `DeliveryQueue::settle`.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::{
    Access, DeliveryId, DeliveryState, DeliveryStatus, DisabledReason, FailureClass, FailureReason, LeaseRef,
    Settled, Settlement, Trigger, Webhook, WebhookState,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::deleting::assert_cancelled;
use super::scene::{HOUR, LEASE, MINUTE, Scene, assert_near};
use crate::samples;

const RETRY_NOW: Settled = Settled::RetryAfter(Duration::ZERO);

/// A released claim leaves no trace: the delivery is in its former state, and the next claim begins the same
/// attempt.
pub async fn a_released_delivery_is_claimable_at_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    scene.queue.release(&[leased.lease]).await.unwrap();
    let delivery = scene.delivery(id).await;
    assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Pending, 0));

    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.attempt, leased.automatic_attempts), (1, 1));
    scene.settle_held(&leased, RETRY_NOW).await;
    for _ in 0..3 {
        let leased = scene.claim_one(webhook).await;
        assert_eq!((leased.attempt, leased.automatic_attempts), (2, 2));
        scene.queue.release(&[leased.lease]).await.unwrap();
        let delivery = scene.delivery(id).await;
        assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Retrying, 1));
    }
    assert_eq!(scene.attempts(id).await.len(), 1);

    // Several leases at once, and none at all.
    scene.publish_to(webhook).await;
    let leased = scene.claim(webhook, 10).await;
    let leases: Vec<LeaseRef> = leased.iter().map(|one| one.lease).collect();
    scene.queue.release(&leases).await.unwrap();
    scene.queue.release(&[]).await.unwrap();
    assert_eq!(scene.claim(webhook, 10).await.len(), 2);
}

/// A lost or settled lease is not released. The rest of the batch is released.
pub async fn a_lost_lease_releases_nothing(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let lost = scene.claim_one(webhook).await;
    scene.advance(LEASE).await;
    let held = scene.claim_one(webhook).await;
    let other = scene.webhook().await;
    scene.publish_to(other).await;
    let others = scene.claim_one(other).await;
    let made_up = LeaseRef { delivery: id, token: samples::token(&scene.entropy) };
    let unknown = LeaseRef {
        delivery: DeliveryId::derive(scene.new_event().await.id, webhook),
        token: held.lease.token,
    };
    let leases = [lost.lease, made_up, unknown, others.lease];
    scene.queue.release(&leases).await.unwrap();
    let delivery = scene.delivery(id).await;
    assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::InFlight, 2));
    assert_eq!(scene.claim_one(other).await.attempt, 1);

    scene.settle_held(&held, Settled::RetryAfter(HOUR)).await;
    scene.queue.release(&[held.lease, lost.lease]).await.unwrap();
    let delivery = scene.delivery(id).await;
    assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Retrying, 2));
    assert!(scene.claim(webhook, 1).await.is_empty());
}

/// A claim released after its webhook was deleted leaves no waiting delivery.
pub async fn a_release_after_the_webhook_was_deleted_cancels(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    scene.delete(webhook).await;
    scene.queue.release(&[leased.lease]).await.unwrap();
    let delivery = scene.delivery(id).await;
    assert_cancelled(&delivery.state);
    assert_eq!(delivery.attempts, 0);
    assert!(scene.attempts(id).await.is_empty());
}

/// A delivery ends as its settlement says, with the reason and the time, and stays so. A delivery that was
/// given up without an attempt shows none.
pub async fn a_settlement_ends_the_delivery_as_it_says(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let outcomes = FailureReason::ALL.iter().copied().map(Settled::Failed);
    for settled in outcomes.chain([Settled::Succeeded]) {
        let id = scene.publish_to(webhook).await;
        let leased = scene.claim_one(webhook).await;
        let without_attempt = settled == Settled::Failed(FailureReason::Abandoned);
        let mut settlement = scene.settlement(&leased, settled).await;
        if without_attempt {
            settlement.attempt = None;
        }
        assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);

        let delivery = scene.delivery(id).await;
        let at = delivery.state.finished_at().expect("the delivery is finished");
        assert_near(at, scene.now().await);
        let expected = match settled {
            Settled::Failed(reason) => DeliveryState::Failed { at, reason },
            _ => DeliveryState::Succeeded { at },
        };
        assert_eq!(delivery.state, expected);
        assert_eq!(delivery.attempts, 1);
        let attempts = scene.attempts(id).await.len();
        assert_eq!(attempts, usize::from(!without_attempt));
        scene.advance(HOUR).await;
        assert_eq!(scene.status(id).await, expected.status());
        assert!(scene.claim(webhook, 1).await.is_empty());
    }
    assert_eq!(scene.queue.settle(&[]).await.unwrap(), Vec::<bool>::new());
}

/// A settled lease is over: later and concurrent reports under it change nothing.
pub async fn a_settlement_counts_once(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    for settled in [Settled::Succeeded, Settled::RetryAfter(HOUR)] {
        let id = scene.publish_to(webhook).await;
        let leased = scene.claim_one(webhook).await;
        let settlement = scene.settlement(&leased, settled).await;
        let start = Arc::new(Barrier::new(8));
        let mut reports = JoinSet::new();
        for _ in 0..8 {
            let (queue, start) = (harness.queue(), Arc::clone(&start));
            let batch = [settlement.clone()];
            reports.spawn(async move {
                start.wait().await;
                queue.settle(&batch).await.unwrap()[0]
            });
        }
        let recorded = reports.join_all().await;
        let recorded = recorded.into_iter().filter(|recorded| *recorded);
        assert_eq!(recorded.count(), 1);
        let before = scene.delivery(id).await;
        let failed = Settled::Failed(FailureReason::AttemptsExhausted);
        assert!(!scene.settle(&leased, failed).await);
        assert_eq!(scene.delivery(id).await, before);
        assert_eq!(scene.attempts(id).await.len(), 1);
    }
}

/// A late report counts unless another worker has taken over the delivery.
pub async fn an_expired_lease_that_nobody_took_over_still_counts(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    scene.advance(LEASE + HOUR).await;
    scene.settle_held(&leased, RETRY_NOW).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.attempt, leased.abandoned_count), (2, 0));
    scene.advance(LEASE).await;
    scene.settle_held(&leased, Settled::Succeeded).await;
    assert_eq!(scene.status(id).await, DeliveryStatus::Succeeded);
    assert_eq!(scene.attempts(id).await.len(), 2);
}

/// In a batch, lost leases leave no trace and the rest is recorded. The results are in input order.
pub async fn a_lost_lease_records_nothing(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    for _ in 0..4 {
        scene.publish().await;
    }
    let leased = scene.claim(webhook, 4).await;
    scene.advance(LEASE).await;
    let taken_over = scene.claim(webhook, 2).await;
    assert_eq!((leased.len(), taken_over.len()), (4, 2));
    let is_lost = |lease: LeaseRef| taken_over.iter().any(|one| one.lease.delivery == lease.delivery);

    let mut batch = Vec::new();
    for (n, one) in leased.iter().enumerate() {
        let settled = if n % 2 == 0 { Settled::Succeeded } else { Settled::RetryAfter(HOUR) };
        batch.push(Settlement {
            gone: is_lost(one.lease).then_some(one.target.version),
            ..scene.settlement(one, settled).await
        });
    }
    let unknown = DeliveryId::derive(scene.new_event().await.id, webhook);
    let mut made_up = batch[0].clone();
    made_up.lease.delivery = unknown;
    batch.insert(2, made_up);
    let expected: Vec<bool> =
        batch.iter().map(|one| one.lease.delivery != unknown && !is_lost(one.lease)).collect();
    assert_eq!(scene.queue.settle(&batch).await.unwrap(), expected);

    for one in &leased {
        let delivery = scene.delivery(one.lease.delivery).await;
        let attempts = scene.attempts(delivery.id).await;
        assert_eq!(attempts.len(), 1);
        let failure = attempts[0].outcome.failure.as_ref();
        let abandoned = failure.is_some_and(|failure| failure.class == FailureClass::Abandoned);
        assert_eq!(abandoned, is_lost(one.lease));
        let in_flight = delivery.state.status() == DeliveryStatus::InFlight;
        assert_eq!(in_flight, is_lost(one.lease));
    }
    let stored = scene.webhooks.get(Access::everything(), webhook).await.unwrap().unwrap();
    assert_eq!((stored.state, stored.version), (WebhookState::Enabled, 1));
    for one in &taken_over {
        scene.settle_held(one, Settled::Succeeded).await;
        assert_eq!(scene.attempts(one.lease.delivery).await.len(), 2);
    }
}

/// A retry is due when its wait is over, counted from the recording of the failure, and not before.
pub async fn a_retry_is_due_after_its_wait(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    scene.advance(2 * MINUTE).await;
    let before = scene.now().await;
    scene.settle_held(&leased, Settled::RetryAfter(10 * MINUTE)).await;
    let delivery = scene.delivery(id).await;
    assert_eq!((delivery.state.status(), delivery.attempts), (DeliveryStatus::Retrying, 1));
    let due_at = delivery.state.next_attempt_at().unwrap();
    assert!(due_at + Duration::from_secs(2) >= before + 10 * MINUTE, "{due_at} is early");
    assert_near(due_at, scene.now().await + 10 * MINUTE);

    scene.advance(9 * MINUTE).await;
    assert!(scene.claim(webhook, 1).await.is_empty());
    assert_eq!(scene.status(id).await, DeliveryStatus::Retrying);
    scene.advance(MINUTE).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.attempt, leased.automatic_attempts), (2, 2));
    scene.settle_held(&leased, RETRY_NOW).await;
    assert_eq!(scene.claim_one(webhook).await.attempt, 3);
}

/// An interrupted attempt is in the history, and the delivery is as before the claim: due at once, with the
/// same trigger, with as many attempts left.
pub async fn an_interrupted_attempt_is_recorded_and_costs_nothing(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let id = scene.publish_to(webhook).await;
    let leased = scene.claim_one(webhook).await;
    scene.settle_held(&leased, Settled::Interrupted).await;
    assert_eq!(scene.status(id).await, DeliveryStatus::Retrying);
    assert_eq!(scene.attempts(id).await.len(), 1);
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.attempt, leased.automatic_attempts, leased.abandoned_count), (2, 1, 0));
    scene.settle_held(&leased, Settled::RetryAfter(HOUR)).await;

    // A manual attempt stays manual, and the retry after it stays.
    let retry_at = scene.delivery(id).await.state.next_attempt_at();
    scene.queue.redeliver(Access::everything(), id, &Trigger::Manual.into()).await.unwrap();
    let leased = scene.claim_one(webhook).await;
    scene.settle_held(&leased, Settled::Interrupted).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.trigger, leased.resumes), (Trigger::Manual, true));
    assert_eq!((leased.attempt, leased.automatic_attempts), (4, 1));
    scene.settle_held(&leased, Settled::Resumed).await;
    assert_eq!(scene.delivery(id).await.state.next_attempt_at(), retry_at);

    // A takeover uses up no attempt either, whether it is interrupted or not.
    scene.advance(HOUR).await;
    scene.claim_one(webhook).await;
    scene.advance(LEASE + MINUTE).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.automatic_attempts, leased.abandoned_count), (2, 1));
    scene.settle_held(&leased, Settled::Interrupted).await;
    let leased = scene.claim_one(webhook).await;
    assert_eq!((leased.attempt, leased.automatic_attempts, leased.abandoned_count), (7, 2, 1));
    scene.delete(webhook).await;
    scene.settle_held(&leased, Settled::Interrupted).await;
    assert_cancelled(&scene.delivery(id).await.state);
}

/// A gone endpoint disables its webhook once, and the waiting deliveries are held. A webhook that is already
/// disabled keeps its reason.
pub async fn gone_disables_the_webhook(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let id = scene.webhook().await;
    for _ in 0..3 {
        scene.publish().await;
    }
    let leased = scene.claim(id, 2).await;
    let gone = async |n: usize| {
        let settled = Settled::Failed(FailureReason::Gone);
        let settlement = Settlement {
            gone: Some(leased[n].target.version),
            ..scene.settlement(&leased[n], settled).await
        };
        assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);
        scene.webhooks.get(Access::everything(), id).await.unwrap().unwrap()
    };
    let before = scene.webhooks.get(Access::everything(), id).await.unwrap().unwrap();
    scene.advance(MINUTE).await;
    let disabled = gone(0).await;
    let WebhookState::Disabled { reason, since } = disabled.state else {
        panic!("the webhook is {:?}", disabled.state);
    };
    assert_eq!(reason, DisabledReason::Gone);
    assert_near(since, scene.now().await);
    assert_near(disabled.updated_at, since);
    let expected = Webhook { state: disabled.state, updated_at: disabled.updated_at, version: 2, ..before };
    assert_eq!(disabled, expected);
    assert!(scene.claim(id, 10).await.is_empty());
    assert_eq!(gone(1).await, disabled, "the webhook is disabled once");

    let reason = DisabledReason::Manual;
    let by_hand = WebhookState::Disabled { reason, since };
    scene.change(id, |webhook| webhook.state = WebhookState::Enabled).await;
    let leased = scene.claim_one(id).await;
    let disabled = scene.change(id, |webhook| webhook.state = by_hand).await;
    let settlement = Settlement {
        gone: Some(disabled.version),
        ..scene.settlement(&leased, Settled::Failed(FailureReason::Gone)).await
    };
    assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);
    assert_eq!(scene.webhooks.get(Access::everything(), id).await.unwrap().unwrap(), disabled);
}

/// If a webhook's URL has changed meanwhile, a 410 of the old endpoint does not disable it. The outcome of
/// the delivery is still recorded.
pub async fn gone_says_nothing_of_a_webhook_that_was_changed(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let id = scene.webhook().await;
    let delivery = scene.publish_to(id).await;
    let leased = scene.claim_one(id).await;
    let moved = "https://elsewhere.example/".parse().unwrap();
    let changed = scene.change(id, |webhook| webhook.settings.url = moved).await;
    let settlement = Settlement {
        gone: Some(leased.target.version),
        ..scene.settlement(&leased, Settled::Failed(FailureReason::Gone)).await
    };
    assert_eq!(scene.queue.settle(&[settlement]).await.unwrap(), [true]);
    assert_eq!(scene.status(delivery).await, DeliveryStatus::Failed);
    assert_eq!(scene.webhooks.get(Access::everything(), id).await.unwrap().unwrap(), changed);
    scene.publish_to(id).await;
    scene.claim_one(id).await;
}
