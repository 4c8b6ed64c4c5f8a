//! Pruning with concurrent transactions: one side is a connection of the test, which holds a lock that the
//! other needs.

use std::time::Duration;

use rdev_webhooks_domain::ports::{
    DeliveryHistory, DeliveryQueue, EventRepository, ReplayBegun, ReplayRepository, WebhookRepository,
};
use rdev_webhooks_domain::replay::DeliveryOutcome;
use rdev_webhooks_domain::{
    Access, DeliveryId, DisabledReason, FailureReason, Replay, ReplayId, ReplaySelection, Settled, Timestamp,
    Trigger, WebhookId, WebhookState,
};
use rdev_webhooks_testkit::samples;
use sqlx::Executor;

use crate::store::{Scene, settlement, since_midnight};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const ORPHANS: &str = "SELECT count(*) FROM rdev_webhooks.delivery_queue q
    WHERE NOT EXISTS (SELECT FROM rdev_webhooks.events e WHERE e.id = q.event_id)";

/// Publishes an event that was accepted at `at`, and makes its delivery fail.
async fn failed(scene: &Scene, webhook: WebhookId, at: Timestamp) -> DeliveryId {
    let event = samples::event(&scene.entropy, at);
    scene.store.publish(std::slice::from_ref(&event)).await.unwrap();
    let leased = scene.store.claim(&scene.claim(webhook, 1)).await.unwrap();
    let settled = settlement(&leased[0], Settled::Failed(FailureReason::AttemptsExhausted));
    assert_eq!(scene.store.settle(&[settled]).await.unwrap(), [true]);
    leased[0].lease.delivery
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redelivery_refuses_a_delivery_that_is_being_pruned() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let now = scene.now().await;
    failed(&scene, webhook.id, now - 400 * DAY).await;
    let asked_for = failed(&scene, webhook.id, now - 399 * DAY).await;
    let selection = ReplaySelection {
        webhook_id: webhook.id,
        since: now - 399 * DAY - DAY / 2,
        until: now,
        status: DeliveryOutcome::Failed.into(),
        projects: None,
    };
    let matched = scene.store.count(&selection).await.unwrap();
    assert_eq!(matched.deliveries, 1);
    let replay = Replay::new(ReplayId::from_parts(now, [7; 10]), selection, matched);
    assert_eq!(scene.store.begin(Access::everything(), &replay).await.unwrap(), ReplayBegun::Started);

    // Pruning waits for the first of the two, and has read both.
    let mut held = scene.holding("SELECT FROM rdev_webhooks.deliveries ORDER BY id LIMIT 1 FOR UPDATE").await;
    let store = scene.store.clone();
    let pruning = tokio::spawn(async move { store.prune(300 * DAY).await });
    scene.something_waits().await;
    let redelivered =
        scene.store.redeliver(Access::everything(), asked_for, &Trigger::Manual.into()).await.unwrap();
    assert!(redelivered.is_none(), "{redelivered:?}");
    assert_eq!(scene.store.advance(replay.id).await.unwrap().unwrap().queued, 0);
    held.execute("COMMIT").await.unwrap();
    let pruned = pruning.await.unwrap().unwrap();
    assert_eq!((pruned.events, pruned.deliveries), (2, 2));
    assert_eq!(scene.count(ORPHANS).await, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pruning_skips_a_delivery_that_is_being_redelivered() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let now = scene.now().await;
    let asked_for = failed(&scene, webhook.id, now - 400 * DAY).await;
    // A redelivery has reopened a delivery that is to be pruned, and waits to record it for the feed.
    let mut held =
        scene.holding("LOCK TABLE rdev_webhooks.reopened_deliveries IN SHARE ROW EXCLUSIVE MODE").await;
    let store = scene.store.clone();
    let redelivering = tokio::spawn(async move {
        store.redeliver(Access::everything(), asked_for, &Trigger::Manual.into()).await
    });
    scene.something_waits().await;
    let store = scene.store.clone();
    let pruning = tokio::spawn(async move { store.prune(300 * DAY).await });
    while !pruning.is_finished() && scene.waiting().await < 2 {}
    held.execute("COMMIT").await.unwrap();
    assert!(redelivering.await.unwrap().unwrap().is_some());
    assert_eq!(pruning.await.unwrap().unwrap().events, 0);
    assert_eq!(scene.count(ORPHANS).await, 0);
    assert_eq!(scene.store.claim(&scene.claim(webhook.id, 1)).await.unwrap()[0].lease.delivery, asked_for);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_day_is_kept_during_a_concurrent_redelivery() {
    let scene = Scene::new().await;
    let mut webhook = scene.webhook().await;
    let now = scene.now().await;
    let event = samples::event(&scene.entropy, now - DAY);
    scene.store.publish(std::slice::from_ref(&event)).await.unwrap();
    webhook.version += 1;
    webhook.state = WebhookState::Disabled { reason: DisabledReason::Manual, since: now };
    scene.store.update(&webhook).await.unwrap();

    let mut held = scene
        .holding(
            "UPDATE rdev_webhooks.webhooks SET disabled_reason = NULL, disabled_at = NULL;
         SELECT FROM rdev_webhooks.events FOR KEY SHARE;
         UPDATE rdev_webhooks.delivery_queue SET due_at = due_at - interval '1 second'",
        )
        .await;
    let store = scene.store.clone();
    let pruning = tokio::spawn(async move { store.prune(since_midnight(now)).await });
    while !pruning.is_finished() && scene.waiting().await == 0 {}
    held.execute("COMMIT").await.unwrap();
    let pruned = pruning.await.unwrap().unwrap();
    assert_eq!((pruned.events, pruned.deliveries), (0, 0));
    let leased = scene.store.claim(&scene.claim(webhook.id, 1)).await.unwrap();
    assert_eq!(leased[0].event_id, event.id);
}

/// Old events of a day: many whose deliveries an enabled webhook still awaits, and then one without.
const AWAITED: &str = "
    WITH made AS (
        SELECT n, encode(substring(uuid_send(rdev_webhooks.id_floor(
            date_trunc('day', now()) - interval '3 days' + n * interval '1 second')) FOR 6)
            || '\\x7000'::bytea || '\\x8000'::bytea || substring(int8send(n) FROM 3), 'hex')::uuid AS id
        FROM generate_series(1, 50001) n
    ),
    stored AS (
        INSERT INTO rdev_webhooks.events (id, timestamp, event_type, body)
        SELECT id, now(), 'a.b', '{}' FROM made
    )
    INSERT INTO rdev_webhooks.delivery_queue (id, event_id, webhook_id, due_at)
    SELECT rdev_webhooks.delivery_id(m.id, w.id), m.id, w.id, now()
    FROM made m, rdev_webhooks.webhooks w WHERE m.n <= 50000";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kept_events_do_not_hide_later_ones_from_pruning() {
    let scene = Scene::new().await;
    scene.webhook().await;
    scene.execute(AWAITED).await;
    let first = scene.store.prune(DAY).await.unwrap();
    assert_eq!((first.events, first.has_more), (0, true));
    // Another process continues where that pass ended.
    let next = scene.another().await.prune(DAY).await.unwrap();
    assert_eq!((next.events, next.has_more), (1, false));
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.events").await, 50_000);
}
