//! Wake-ups of waiting workers.

use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};

use crate::store::Scene;

const SOON: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_wakes_a_worker_in_another_process() {
    let scene = Scene::new().await;
    let worker = scene.another().await;
    scene.webhook().await;
    // Once it listens, it looks for work.
    tokio::time::timeout(SOON, worker.wait_for_work()).await.unwrap();
    for _ in 0..3 {
        let waiting = tokio::spawn({
            let worker = worker.clone();
            async move { worker.wait_for_work().await }
        });
        scene.publish(1).await;
        tokio::time::timeout(SOON, waiting).await.expect("the worker is woken").unwrap();
    }
    worker.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_listens_again_after_its_connection_was_lost() {
    let scene = Scene::new().await;
    let worker = scene.another().await;
    scene.webhook().await;
    tokio::time::timeout(SOON, worker.wait_for_work()).await.unwrap();
    scene
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    // Notifications sent meanwhile may be lost, so it looks once when it listens again.
    tokio::time::timeout(SOON, worker.wait_for_work()).await.expect("the worker looks for work again");
}

#[tokio::test]
async fn without_wake_others_only_the_own_process_is_woken() {
    let scene = Scene::with(|options| options.wake_others = false).await;
    let webhook = scene.webhook().await;
    scene.publish(1).await;
    tokio::time::timeout(SOON, scene.store.wait_for_work()).await.expect("woken in the process");
    let due = scene.store.discover(None, 1).await.unwrap().due;
    assert_eq!(due[0].id, webhook.id);
    // No connection listens or notifies.
    assert_eq!(
        scene
            .count("SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND (query LIKE 'LISTEN%' OR query LIKE '%pg_notify(%') AND pid <> pg_backend_pid()")
            .await,
        0
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_store_holds_no_connection_and_is_unavailable() {
    let scene = Scene::new().await;
    scene.webhook().await;
    scene.publish(5).await;
    scene.store.close().await;
    let refused = scene.store.check().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let held = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
        AND application_name = 'rdev-webhooks'";
    let gone = async {
        // The server notices the end of a connection with a delay.
        while scene.count(held).await > 0 {}
    };
    tokio::time::timeout(SOON, gone).await.expect("the connections are closed");
}
