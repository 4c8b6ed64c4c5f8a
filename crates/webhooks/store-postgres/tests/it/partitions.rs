//! Partitions: created ahead, filled from the default, and dropped.

use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, EventRepository};
use rdev_webhooks_domain::{Access, NewEvent, PageRequest, Settled, Timestamp};
use rdev_webhooks_testkit::samples;

use crate::store::{Scene, settlement, since_midnight};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const PARTITIONS: &str = "SELECT count(*) FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent
    WHERE p.relname IN ('events', 'deliveries', 'attempts') AND p.relkind = 'p'";

/// Publishes an event that was accepted at `at`, delivers it, and returns its delivery.
async fn delivered(scene: &Scene, webhook: rdev_webhooks_domain::WebhookId, at: Timestamp) -> NewEvent {
    let event = samples::event(&scene.entropy, at);
    scene.store.publish(std::slice::from_ref(&event)).await.unwrap();
    let leased = scene.store.claim(&scene.claim(webhook, 1)).await.unwrap();
    let mut settled = settlement(&leased[0], Settled::Succeeded);
    settled.attempt = Some(samples::attempt(1, at, 200));
    assert_eq!(scene.store.settle(&[settled]).await.unwrap(), [true]);
    event
}

#[tokio::test]
async fn surrounding_days_and_the_default_have_partitions() {
    let scene = Scene::new().await;
    // Five days and a default, of three tables.
    assert_eq!(scene.count(PARTITIONS).await, 18);
    let webhook = scene.webhook().await;
    let now = scene.now().await;
    for at in [now - 400 * DAY, now - DAY, now, now + DAY, now + 400 * DAY] {
        let event = delivered(&scene, webhook.id, at).await;
        let found =
            EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().unwrap();
        assert_eq!(found.deliveries.succeeded, 1);
    }
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.events_default").await, 2);
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.attempts_default").await, 2);
}

#[tokio::test]
async fn a_claim_returns_bodies_of_events_of_any_day() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let now = scene.now().await;
    // Each claim begins with the partition of the previous one.
    for days in [[now, now], [now, now - DAY], [now - DAY, now - DAY], [now + 400 * DAY, now]] {
        let events = days.map(|at| samples::event(&scene.entropy, at));
        scene.store.publish(&events).await.unwrap();
        let leased = scene.store.claim(&scene.claim(webhook.id, 2)).await.unwrap();
        for event in &events {
            let one = leased.iter().find(|one| one.event_id == event.id).expect("both are claimed");
            assert_eq!((&one.body, &one.event_type), (&event.body, &event.event_type));
        }
    }
}

#[tokio::test]
async fn claims_continue_after_a_partition_is_dropped() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let yesterday = scene.now().await - DAY;
    delivered(&scene, webhook.id, yesterday).await;
    scene
        .execute(
            "DO $$ BEGIN EXECUTE format('DROP TABLE rdev_webhooks.%I',
                to_char(now() AT TIME ZONE 'UTC' - interval '1 day', '\"events_\"YYYYMMDD')); END $$",
        )
        .await;
    delivered(&scene, webhook.id, yesterday).await;
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.events_default").await, 1);
}

#[tokio::test]
async fn rows_move_from_the_default_to_their_days_new_partition() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let late = scene.now().await + 5 * DAY;
    let event = delivered(&scene, webhook.id, late).await;
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.events_default").await, 1);
    // The upkeep did not run for days.
    scene
        .execute(
            "CREATE OR REPLACE FUNCTION rdev_webhooks.now() RETURNS timestamptz LANGUAGE sql STABLE
             AS $$ SELECT pg_catalog.now() + interval '5 days' $$",
        )
        .await;
    scene.store.prune(400 * DAY).await.unwrap();
    for table in ["events_default", "deliveries_default", "attempts_default"] {
        let rows: i64 =
            sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM rdev_webhooks.{table}")))
                .fetch_one(&mut scene.database.connect().await)
                .await
                .unwrap();
        assert_eq!(rows, 0, "{table}");
    }
    assert!(EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().is_some());
    // Five more days, those around the new today.
    assert_eq!(scene.count(PARTITIONS).await, 18 + 15);
}

#[tokio::test]
async fn days_before_the_limit_are_dropped_as_partitions() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let now = scene.now().await;
    let (yesterday, today) =
        (delivered(&scene, webhook.id, now - DAY).await, delivered(&scene, webhook.id, now).await);
    let retention = since_midnight(now);
    let pruned = scene.store.prune(retention).await.unwrap();
    assert_eq!((pruned.events, pruned.deliveries), (1, 1));
    assert_eq!(scene.count(PARTITIONS).await, 15);
    assert!(EventRepository::get(&scene.store, Access::everything(), yesterday.id).await.unwrap().is_none());
    assert!(EventRepository::get(&scene.store, Access::everything(), today.id).await.unwrap().is_some());
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.attempts").await, 1);
    // The upkeep recreates yesterday's partition, as a late event may still have its time.
    scene.store.prune(retention).await.unwrap();
    delivered(&scene, webhook.id, now - DAY).await;
}

#[tokio::test]
async fn a_large_day_is_dropped_without_being_counted() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let now = scene.now().await;
    delivered(&scene, webhook.id, now - DAY).await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.deliveries (id, event_id, webhook_id, finished_at, attempts,
                 automatic_attempts, status, reason)
             SELECT overlay(d.id::text PLACING lpad(to_hex(n), 12, '0') FROM 25)::uuid, event_id,
                 webhook_id, finished_at, 0, 0, 'cancelled', 'requested'
             FROM rdev_webhooks.deliveries d, generate_series(1, 12000) AS n;
             UPDATE pg_class SET reltuples = 5000000 WHERE oid =
                 (SELECT tableoid FROM rdev_webhooks.deliveries LIMIT 1)",
        )
        .await;
    let retention = since_midnight(now);
    let pruned = scene.store.prune(retention).await.unwrap();
    assert_eq!((pruned.events, pruned.deliveries), (1, 5_000_000));
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.deliveries").await, 0);
}

#[tokio::test]
async fn a_day_keeps_only_its_unfinished_deliveries() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let now = scene.now().await;
    delivered(&scene, webhook.id, now - DAY).await;
    let waiting = samples::event(&scene.entropy, now - DAY);
    scene.store.publish(std::slice::from_ref(&waiting)).await.unwrap();
    let retention = since_midnight(now);
    let pruned = scene.store.prune(retention).await.unwrap();
    assert_eq!((pruned.events, pruned.deliveries), (1, 1));
    let leased = scene.store.claim(&scene.claim(webhook.id, 9)).await.unwrap();
    assert_eq!(leased.iter().map(|one| one.event_id).collect::<Vec<_>>(), [waiting.id]);
    assert_eq!(scene.store.settle(&[settlement(&leased[0], Settled::Succeeded)]).await.unwrap(), [true]);
    let page = PageRequest { limit: 9, before: None };
    assert_eq!(
        DeliveryHistory::list(&scene.store, Access::everything(), &Default::default(), page)
            .await
            .unwrap()
            .items
            .len(),
        1
    );
    let pruned = scene.store.prune(retention).await.unwrap();
    assert_eq!((pruned.events, pruned.deliveries), (1, 1));
}
