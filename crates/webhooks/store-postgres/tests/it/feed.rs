//! The feed misses no change that becomes visible late.

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::feed::ChangePoint;
use rdev_webhooks_domain::ports::DeliveryFeed;
use sqlx::{Connection, Executor};

use crate::store::{Scene, now};

const END: &str = "
    INSERT INTO rdev_webhooks.deliveries
        (id, event_id, webhook_id, finished_at, attempts, automatic_attempts, status)
    VALUES (gen_random_uuid(), gen_random_uuid(), gen_random_uuid(), rdev_webhooks.now(), 1, 1, 'succeeded')";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_does_not_skip_a_slow_transaction() {
    let scene = Scene::new().await;
    let changed = async |from| scene.store.changed(ChangePoint::before(from), 100).await.unwrap();
    let mut other = scene.database.connect().await;
    other.execute("SET application_name = 'rdev-webhooks'").await.unwrap();
    let mut slow = other.begin().await.unwrap();
    slow.execute(END).await.unwrap();
    let began_at = now(&mut slow).await;
    scene.execute(END).await;

    let changes = changed(Timestamp::EPOCH).await;
    assert_eq!(changes.points.len(), 1);
    assert!(changes.complete_until <= began_at, "{} {began_at}", changes.complete_until);
    assert!(changes.points[0].at > began_at, "the later change is visible first");
    slow.commit().await.unwrap();
    let seen_again = changed(changes.complete_until).await;
    assert_eq!(seen_again.points.len(), 2);
    assert_eq!(seen_again.points[0].at, began_at);

    // Transactions of other programs delay nothing.
    other.execute("SET application_name = 'a report'").await.unwrap();
    let mut report = other.begin().await.unwrap();
    report.execute(END).await.unwrap();
    let began_at = now(&mut report).await;
    let passed = async { while changed(Timestamp::EPOCH).await.complete_until <= began_at {} };
    tokio::time::timeout(std::time::Duration::from_secs(20), passed).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_feed_reads_new_changes_and_not_the_history() {
    let scene = Scene::new().await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.deliveries
                 (id, event_id, webhook_id, finished_at, attempts, automatic_attempts, status)
             SELECT gen_random_uuid(), gen_random_uuid(), gen_random_uuid(),
                 now() - interval '1 hour' + n * interval '1 millisecond', 1, 1, 'succeeded'
             FROM generate_series(1, 40000) n;
             ANALYZE rdev_webhooks.deliveries",
        )
        .await;
    let mut conn = scene.database.connect().await;
    let plan: Vec<String> = sqlx::query_scalar(
        "EXPLAIN (COSTS OFF) SELECT d.finished_at AS at, d.id FROM rdev_webhooks.deliveries d
         WHERE (d.finished_at, d.id) > (now() - interval '1 second', '00000000-0000-0000-0000-000000000000')
         ORDER BY d.finished_at, d.id LIMIT 100",
    )
    .fetch_all(&mut conn)
    .await
    .unwrap();
    // The other partitions are empty; how the plan detects that does not matter.
    let scans: Vec<_> = plan.iter().filter(|line| line.contains("on deliveries_default")).collect();
    assert!(scans.len() == 1 && scans[0].contains("Index Only Scan"), "{plan:#?}");
}
