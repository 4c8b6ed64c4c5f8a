//! Wrong clocks: a process's, and the database's own.

use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryHistory, EventRepository};
use rdev_webhooks_domain::{Access, Timestamp};
use rdev_webhooks_testkit::{ManualClock, samples};

use crate::store::Scene;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[tokio::test]
async fn a_process_with_a_wrong_clock_uses_the_databases_clock() {
    let scene = Scene::new().await;
    let now = scene.now().await;
    let about = |at: Timestamp| at.since(now).max(now.since(at)) < DAY / 24;
    for own in [now - 31 * DAY, now + 31 * DAY, now - Duration::from_secs(3)] {
        let clock = scene.store.clock(Arc::new(ManualClock::new(own)));
        assert!(about(clock.now()) && clock.now() != own, "{own}");
    }
}

#[tokio::test]
async fn a_step_of_the_databases_clock_removes_nothing() {
    let scene = Scene::new().await;
    let event = samples::event(&scene.entropy, scene.now().await);
    scene.store.publish(std::slice::from_ref(&event)).await.unwrap();
    scene.store.prune(30 * DAY).await.unwrap();
    scene
        .execute(
            "CREATE OR REPLACE FUNCTION rdev_webhooks.now() RETURNS timestamptz LANGUAGE sql STABLE
             AS $$ SELECT pg_catalog.now() + interval '31 days' $$",
        )
        .await;
    for store in [scene.store.clone(), scene.another().await] {
        store.prune(30 * DAY).await.unwrap();
        assert!(EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().is_some());
    }
    // Time that other processes have seen passing counts.
    scene.execute("UPDATE rdev_webhooks.retention SET seen_at = rdev_webhooks.now()").await;
    for _ in 0..2 {
        scene.store.prune(30 * DAY).await.unwrap();
    }
    assert!(EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().is_none());
}
