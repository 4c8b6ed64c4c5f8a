//! Tests of `DeliveryHistory::prune` and of everything that it removes.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{Pruned, Updated};
use rdev_webhooks_domain::signing::SigningScheme;
use rdev_webhooks_domain::{
    Access, DeliveryFilter, DeliveryId, DeliveryStatus, DisabledReason, EventFilter, EventId, NewEvent,
    PageRequest, Settled, SigningSecrets, Target, Webhook, WebhookFilter, WebhookId, WebhookState,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::Harness;
use super::deleting::assert_cancelled;
use super::scene::{DAY, HOUR, LEASE, Scene, first};
use crate::samples;

/// Prunes until nothing is left to remove, since a store may stop at a bound.
async fn prune(scene: &Scene<'_>, retention: Duration) -> Pruned {
    let mut all = Pruned::default();
    for _ in 0..100 {
        let pruned = scene.history.prune(retention).await.unwrap();
        if pruned == Pruned::default() {
            return all;
        }
        all.events += pruned.events;
        all.deliveries += pruned.deliveries;
    }
    panic!("pruning does not end");
}

/// Lets everything published so far become old, whole days included, and prunes.
async fn prune_all(scene: &Scene<'_>) -> Pruned {
    scene.advance(DAY + DAY / 2).await;
    prune(scene, Duration::ZERO).await
}

async fn is_there(scene: &Scene<'_>, event: EventId) -> bool {
    scene.events.get(Access::everything(), event).await.unwrap().is_some()
}

/// An unfinished delivery of an enabled webhook is kept at any age, with everything that belongs to it.
pub async fn pruning_keeps_what_is_unfinished(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let mut waiting = Vec::new();
    for status in [DeliveryStatus::InFlight, DeliveryStatus::Retrying, DeliveryStatus::Pending] {
        waiting.push(scene.delivery_in(status, webhook).await);
    }
    // One of the event's two deliveries is finished.
    let (slow, quick) = (scene.webhook().await, scene.webhook().await);
    let event = scene.publish().await;
    let leased = scene.claim_one(quick).await;
    scene.settle_held(&leased, Settled::Succeeded).await;
    // Another one waits for a disabled webhook.
    let disabled = scene.webhook().await;
    let held = scene.publish_to(disabled).await;
    let since = scene.now().await;
    let reason = DisabledReason::Manual;
    let state = WebhookState::Disabled { reason, since };
    scene.change(disabled, |webhook| webhook.state = state).await;

    let pruned = prune_all(&scene).await;
    let expected = Pruned { events: 1, deliveries: 1, has_more: false };
    assert_eq!(pruned, expected);
    assert!(scene.history.get(Access::everything(), held).await.unwrap().is_none());
    for id in &waiting {
        let delivery = scene.delivery(*id).await;
        assert!(is_there(&scene, delivery.event_id).await);
        assert_eq!(scene.attempts(*id).await.len(), usize::from(*id == waiting[1]));
    }
    let counts = scene.events.get(Access::everything(), event).await.unwrap().unwrap().deliveries;
    assert_eq!((counts.pending, counts.succeeded), (2, 1));
    assert_eq!(scene.attempts(DeliveryId::derive(event, quick)).await.len(), 1);
    assert_eq!(scene.claim_one(slow).await.event_id, event);
}

/// A finished event older than the bound is removed with its deliveries, attempts and key. A newer one stays.
pub async fn pruning_removes_what_is_old(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let webhook = scene.webhook().await;
    let keyed = |event: NewEvent| NewEvent {
        key: Some("key".parse().unwrap()),
        target: Target::Webhook(webhook),
        ..event
    };
    let mut old = Vec::new();
    for status in [DeliveryStatus::Succeeded, DeliveryStatus::Failed] {
        old.push(scene.delivery_in(status, webhook).await);
    }
    let event = keyed(scene.new_event().await);
    scene.publish_one(&event).await;
    let leased = scene.claim_one(webhook).await;
    scene.settle_held(&leased, Settled::Succeeded).await;
    old.push(leased.lease.delivery);
    let deleted = scene.webhook().await;
    old.push(scene.delivery_in(DeliveryStatus::Cancelled, deleted).await);
    let unwanted = NewEvent { target: Target::Webhook(deleted), ..scene.new_event().await };
    scene.publish_one(&unwanted).await;
    let new = samples::event(&scene.entropy, scene.now().await + 2 * DAY);
    scene.publish_one(&new).await;
    let leased = scene.claim_one(webhook).await;
    scene.settle_held(&leased, Settled::Succeeded).await;

    // No event is as old as this.
    assert_eq!(prune(&scene, 2 * DAY).await, Pruned::default());
    assert_eq!(scene.deliveries(&DeliveryFilter::default()).await.len(), 5);
    assert!(scene.publish_one(&keyed(scene.new_event().await)).await.duplicate);

    let pruned = prune_all(&scene).await;
    let expected = Pruned { events: 5, deliveries: 4, has_more: false };
    assert_eq!(pruned, expected);
    for id in old {
        assert!(scene.history.get(Access::everything(), id).await.unwrap().is_none());
        assert!(scene.attempts(id).await.is_empty());
    }
    for id in [event.id, unwanted.id] {
        assert!(!is_there(&scene, id).await);
    }
    let page: PageRequest<EventId> = first(10);
    let events = scene.events.list(Access::everything(), &EventFilter::default(), page).await.unwrap();
    let left: Vec<_> = events.items.iter().map(|record| record.event.id).collect();
    assert_eq!(left, [new.id]);
    let deliveries = scene.deliveries(&DeliveryFilter::default()).await;
    assert_eq!(deliveries.len(), 1);
    assert_eq!(deliveries[0].id, leased.lease.delivery);
    assert_eq!(scene.attempts(leased.lease.delivery).await.len(), 1);
    assert!(scene.webhooks.get(Access::everything(), webhook).await.unwrap().is_some());

    let again = scene.publish_one(&keyed(scene.new_event().await)).await;
    assert!(!again.duplicate, "the key is free again");
    assert_eq!(again.deliveries, 1);
}

/// A delivery whose worker died after its webhook was deleted is cancelled, however new it is. A delivery
/// that a worker may still be sending is left alone.
pub async fn pruning_cancels_what_a_dead_worker_left_of_a_deleted_webhook(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, alive) = (scene.webhook().await, scene.webhook().await);
    let left = scene.publish_to(webhook).await;
    assert_eq!(scene.claim(webhook, 1).await.len(), 1);
    let sent = scene.publish_to(webhook).await;
    let sending = scene.claim_for(webhook, 1, DAY).await;
    let dead = scene.publish_to(alive).await;
    assert_eq!(scene.claim(alive, 1).await.len(), 1);
    scene.delete(webhook).await;
    scene.advance(LEASE).await;

    assert_eq!(prune(&scene, 2 * DAY).await, Pruned::default());
    let delivery = scene.delivery(left).await;
    assert_cancelled(&delivery.state);
    assert_eq!(delivery.attempts, 1);
    assert_eq!(scene.status(sent).await, DeliveryStatus::InFlight);
    scene.settle_held(&sending[0], Settled::Succeeded).await;
    assert_eq!(scene.status(sent).await, DeliveryStatus::Succeeded);
    // The delivery of an enabled webhook waits to be taken over.
    assert_eq!(scene.claim_one(alive).await.lease.delivery, dead);
}

/// Events published while their webhook is deleted leave no waiting delivery after pruning.
pub async fn nothing_waits_for_good_for_a_deleted_webhook(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    for _ in 0..5 {
        let webhook = scene.webhook().await;
        publish_while_deleting(&scene, webhook).await;
        prune(&scene, 2 * DAY).await;
        let of_webhook = DeliveryFilter { webhook: Some(webhook), ..DeliveryFilter::default() };
        for delivery in scene.deliveries(&of_webhook).await {
            assert_cancelled(&delivery.state);
        }
        assert!(scene.claim(webhook, 100).await.is_empty());
        let discovery = scene.queue.discover(None, 10).await.unwrap();
        assert!(discovery.due.is_empty() && discovery.next_due_in.is_none());
    }
}

/// A replay is removed when it and all its queued deliveries ended as long ago as a removed event.
pub async fn pruning_removes_replays_that_ended_long_ago(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let (webhook, busy) = (scene.webhook().await, scene.webhook().await);
    let completed = scene.begin(scene.all_failed(webhook).await).await;
    scene.failed(webhook, 1).await;
    let running = scene.begin(scene.all_failed(webhook).await).await;
    scene.failed(busy, 1).await;
    let cancelled = scene.begin(scene.all_failed(busy).await).await;
    scene.replays.advance(cancelled).await.unwrap();
    scene.replays.cancel(Access::everything(), cancelled).await.unwrap();

    let there = async || {
        let mut there = Vec::new();
        for id in [completed, running, cancelled] {
            there.push(scene.replays.get(Access::everything(), id).await.unwrap().is_some());
        }
        there
    };
    prune(&scene, DAY).await;
    assert_eq!(there().await, [true, true, true]);
    prune_all(&scene).await;
    assert_eq!(there().await, [false, true, true], "its queued deliveries still wait");
    let leased = scene.claim_one(busy).await;
    scene.settle_held(&leased, Settled::Succeeded).await;
    scene.replays.advance(cancelled).await.unwrap();
    prune_all(&scene).await;
    assert_eq!(there().await, [false, true, false]);
}

async fn publish_while_deleting(scene: &Scene<'_>, webhook: WebhookId) {
    let start = Arc::new(Barrier::new(5));
    let mut tasks = JoinSet::new();
    for _ in 0..4 {
        let mut events = Vec::new();
        for _ in 0..10 {
            events.push(scene.new_event().await);
        }
        let (repository, start) = (scene.harness.events(), Arc::clone(&start));
        tasks.spawn(async move {
            start.wait().await;
            for event in events {
                repository.publish(&[event]).await.unwrap();
            }
        });
    }
    let webhooks = scene.harness.webhooks();
    tasks.spawn(async move {
        start.wait().await;
        let deleted = webhooks.delete(Access::everything(), webhook, None).await.unwrap();
        assert_eq!(deleted, Updated::Applied);
    });
    tasks.join_all().await;
}

/// A rotated-out secret is removed once it no longer signs, and no other secret is. The webhook stays
/// unchanged.
pub async fn pruning_forgets_secrets_that_sign_no_more(harness: &dyn Harness) {
    let scene = Scene::new(harness);
    let until = scene.now().await + HOUR;
    for scheme in [SigningScheme::HmacSha256, SigningScheme::Ed25519] {
        let secret = || samples::secret(&scene.entropy, scheme);
        let secrets = SigningSecrets::new(secret()).rotated(secret(), Some(until));
        let mut webhook =
            samples::with_settings(scene.new_webhook().await, |settings| settings.signing = scheme);
        webhook.set_public_keys(&secrets);
        scene.webhooks.create(&webhook, &secrets).await.unwrap();
        scene.history.prune(DAY).await.unwrap();
        assert_eq!(
            scene.webhooks.get(Access::everything(), webhook.id).await.unwrap().as_ref(),
            Some(&webhook)
        );
    }
    let newest =
        scene.webhooks.list(Access::everything(), &WebhookFilter::default(), first(10)).await.unwrap().items;
    scene.advance(2 * HOUR).await;
    scene.history.prune(DAY).await.unwrap();
    let pruned =
        scene.webhooks.list(Access::everything(), &WebhookFilter::default(), first(10)).await.unwrap().items;
    let forgotten = newest.into_iter().map(|webhook| Webhook { previous_secret: None, ..webhook });
    assert_eq!(pruned, forgotten.collect::<Vec<_>>());
    let id = pruned[0].id;
    scene.publish_to(id).await;
    let signing = scene.claim_one(id).await.target.secrets.clone();
    assert_eq!(signing.previous, None);
    assert_eq!(signing.current.public_key(), pruned[0].public_key);
}
