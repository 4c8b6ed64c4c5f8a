//! A database that becomes unavailable and returns.

use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, EventRepository, StoreError};
use rdev_webhooks_domain::{Access, DeliveryFilter, PageRequest, Settled};
use rdev_webhooks_testkit::postgres::PostgresServer;
use sqlx::Executor;
use tokio::time::Instant;

use crate::store::{Scene, is_unavailable, settlement};

const SOON: Duration = Duration::from_secs(30);

/// Retries until the attempt succeeds; every failure on the way must be a temporary one.
pub(crate) async fn recovers<T>(mut attempt: impl AsyncFnMut() -> Result<T, StoreError>) -> T {
    let deadline = Instant::now() + SOON;
    loop {
        match attempt().await {
            Ok(done) => return done,
            failed => assert!(is_unavailable(&failed), "not a temporary failure: {:?}", failed.err()),
        }
        assert!(Instant::now() < deadline, "the store does not recover");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_connections_are_replaced() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    scene.publish(3).await;
    for _ in 0..3 {
        scene
            .execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
                 WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            .await;
        let event = scene.event().await;
        let published = recovers(async || scene.store.publish(std::slice::from_ref(&event)).await).await;
        assert_eq!(published[0].id, event.id);
        let claim = scene.claim(webhook.id, 1);
        let leased = recovers(async || scene.store.claim(&claim).await).await;
        let settled = [settlement(&leased[0], Settled::Succeeded)];
        assert_eq!(recovers(async || scene.store.settle(&settled).await).await, [true]);
        recovers(async || scene.store.check().await).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_crash_loses_no_answered_write() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |options| options.acquire_timeout = Duration::from_millis(500)).await;
    let webhook = scene.webhook().await;
    let published = scene.publish(10).await;
    let leased = scene.store.claim(&scene.claim(webhook.id, 4)).await.unwrap();
    let settled: Vec<_> = leased.iter().map(|one| settlement(one, Settled::Succeeded)).collect();
    scene.store.settle(&settled).await.unwrap();

    server.stop_immediate().await;
    let began = Instant::now();
    assert!(is_unavailable(&scene.store.check().await));
    assert!(is_unavailable(&scene.store.discover(None, 10).await));
    assert!(began.elapsed() < SOON, "connect waits for an absent server");

    server.restart().await;
    recovers(async || scene.store.check().await).await;
    for event in &published {
        assert!(EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().is_some());
    }
    let rest = recovers(async || scene.store.claim(&scene.claim(webhook.id, 100)).await).await;
    assert_eq!(rest.len(), 6);
    assert_eq!(scene.store.settle(&settled).await.unwrap(), [false; 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_stops_waiting_for_a_lock() {
    let scene = Scene::with(|options| options.statement_timeout = Duration::from_millis(300)).await;
    let mut conn = scene.database.connect().await;
    sqlx::raw_sql("BEGIN; LOCK TABLE rdev_webhooks.delivery_queue IN ACCESS EXCLUSIVE MODE")
        .execute(&mut conn)
        .await
        .unwrap();
    scene.webhook().await;
    let event = scene.event().await;
    let refused = scene.store.publish(std::slice::from_ref(&event)).await;
    assert!(is_unavailable(&refused), "{refused:?}");
    sqlx::raw_sql("ROLLBACK").execute(&mut conn).await.unwrap();
    let published = recovers(async || scene.store.publish(std::slice::from_ref(&event)).await).await;
    assert_eq!(published[0].deliveries, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_listings_do_not_make_the_store_unready() {
    let scene = Scene::with(|options| {
        options.pools.listing = 1;
        options.acquire_timeout = Duration::from_secs(1);
    })
    .await;
    let mut held = scene.holding("LOCK TABLE rdev_webhooks.deliveries IN ACCESS EXCLUSIVE MODE").await;
    let store = scene.store.clone();
    let page = PageRequest { limit: 9, before: None };
    let listing = tokio::spawn(async move {
        DeliveryHistory::list(&store, Access::everything(), &DeliveryFilter::default(), page).await
    });
    scene.something_waits().await;
    scene.store.check().await.unwrap();
    held.execute("COMMIT").await.unwrap();
    listing.await.unwrap().unwrap();
}
