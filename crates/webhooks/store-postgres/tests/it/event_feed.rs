//! The feed of events, while transactions commit in another order than they insert.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rdev_webhooks_domain::event_feed::{EventCursor, EventFeedFilter, EventFeedPage, EventFeedRead};
use rdev_webhooks_domain::ports::{EventFeed, EventRepository};
use rdev_webhooks_domain::{Access, EventId};
use rdev_webhooks_store_postgres::PostgresStore;
use rdev_webhooks_testkit::postgres::PostgresServer;
use rdev_webhooks_testkit::{SeededEntropy, eventually, samples, soak};
use sqlx::{Connection, Executor, PgConnection};

use crate::store::Scene;

async fn page(store: &PostgresStore, after: Option<EventCursor>, limit: u32) -> EventFeedPage {
    match store.read(Access::everything(), &EventFeedFilter::default(), after, limit).await.unwrap() {
        EventFeedRead::Page(page) => page,
        other => panic!("the feed cannot be read: {other:?}"),
    }
}

async fn feed(scene: &Scene) -> Vec<EventId> {
    page(&scene.store, None, 1_000).await.events.iter().map(|one| one.event.id).collect()
}

/// Waits until the feed has as many events: other tests' transactions on the server may hold them back.
async fn feed_of(scene: &Scene, count: usize) -> Vec<EventId> {
    let complete = async || {
        let found = feed(scene).await;
        (found.len() >= count).then_some(found)
    };
    eventually("events in the feed", complete).await
}

async fn add(scene: &Scene, conn: &mut PgConnection) -> EventId {
    let event = scene.event().await;
    scene.store.add_event(conn, &event, 1_000).await.unwrap().unwrap().id
}

#[tokio::test]
async fn an_open_transaction_holds_back_later_events() {
    let scene = Scene::new().await;
    let first = scene.publish(1).await[0].id;
    assert_eq!(feed_of(&scene, 1).await, [first]);
    let mut conn = scene.database.connect().await;
    let mut tx = conn.begin().await.unwrap();
    let late = add(&scene, &mut tx).await;
    let next = scene.publish(1).await[0].id;
    // A later transaction that has ended hides no earlier one, however they overlap.
    for _ in 0..3 {
        assert_eq!(feed(&scene).await, [first]);
    }
    let mut other = scene.database.connect().await;
    let mut savepoints = other.begin().await.unwrap();
    savepoints.execute("SAVEPOINT a").await.unwrap();
    let nested = add(&scene, &mut savepoints).await;
    savepoints.execute("RELEASE a; SAVEPOINT b").await.unwrap();
    add(&scene, &mut savepoints).await;
    savepoints.execute("ROLLBACK TO b").await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(feed_of(&scene, 3).await, [first, late, next]);
    let last = scene.publish(1).await[0].id;
    for _ in 0..3 {
        assert_eq!(feed(&scene).await, [first, late, next]);
    }
    savepoints.commit().await.unwrap();
    assert_eq!(feed_of(&scene, 5).await, [first, late, next, nested, last]);
}

/// The newest transaction is not among those that a snapshot counts as running, since none after it has ended.
#[tokio::test]
async fn a_transaction_after_all_that_have_ended_holds_back_too() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    let (mut one, mut other) = (scene.database.connect().await, scene.database.connect().await);
    let mut earlier = one.begin().await.unwrap();
    earlier.execute("SELECT pg_current_xact_id()").await.unwrap();
    let mut later = other.begin().await.unwrap();
    let low = add(&scene, &mut later).await;
    let high = add(&scene, &mut earlier).await;
    earlier.commit().await.unwrap();
    for _ in 0..3 {
        assert_eq!(feed(&scene).await, []);
    }
    later.commit().await.unwrap();
    assert_eq!(feed_of(&scene, 2).await, [low, high]);
}

/// A transaction that has written something else does not hold back events for long.
#[tokio::test]
async fn only_transactions_that_publish_hold_back() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    let (mut one, mut other) = (scene.database.connect().await, scene.database.connect().await);
    let mut writing = one.begin().await.unwrap();
    writing.execute("SELECT pg_current_xact_id(); CREATE TABLE unrelated ()").await.unwrap();
    let first = scene.publish(1).await[0].id;
    assert_eq!(feed_of(&scene, 1).await, [first]);
    let mut publishing = other.begin().await.unwrap();
    let late = add(&scene, &mut publishing).await;
    let last = scene.publish(1).await[0].id;
    for _ in 0..6 {
        assert_eq!(feed(&scene).await, [first]);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    publishing.commit().await.unwrap();
    assert_eq!(feed_of(&scene, 3).await, [first, late, last]);
    // It publishes only now: its number is higher.
    let event = add(&scene, &mut writing).await;
    assert_eq!(feed(&scene).await, [first, late, last]);
    writing.commit().await.unwrap();
    assert_eq!(feed_of(&scene, 4).await, [first, late, last, event]);
}

/// A restored dump has numbers and marks, but its server's transactions have other ids.
#[tokio::test]
async fn marks_of_another_server_do_no_harm() {
    let scene = Scene::new().await;
    let before: Vec<_> = scene.publish(2).await.iter().map(|one| one.id).collect();
    assert_eq!(feed_of(&scene, 2).await.len(), 2);
    scene.execute("DELETE FROM rdev_webhooks.event_feed_marks").await;
    scene
        .execute("INSERT INTO rdev_webhooks.event_feed_marks (xid, position) VALUES ('99999999999', 1), ('99999999999', 1000000)")
        .await;
    assert_eq!(BTreeSet::from_iter(feed_of(&scene, 2).await), BTreeSet::from_iter(before));
    let after = scene.publish(1).await[0].id;
    assert_eq!(feed_of(&scene, 3).await[2], after);
}

#[tokio::test]
async fn events_from_before_the_feed_come_first() {
    let scene = Scene::new().await;
    let mut old: Vec<_> = scene.publish(3).await.iter().map(|one| one.id).collect();
    old.sort_unstable();
    scene.execute("UPDATE rdev_webhooks.events SET position = 0").await;
    scene.execute("DELETE FROM rdev_webhooks.event_feed_marks").await;
    let new = scene.publish(1).await[0].id;
    old.push(new);
    assert_eq!(feed_of(&scene, 4).await, old);
    let (mut after, mut found) = (None, Vec::new());
    while found.len() < 4 {
        let next = page(&scene.store, after, 1).await;
        found.extend(next.events.iter().map(|one| one.event.id));
        after = Some(next.next);
    }
    assert_eq!(found, old);
}

/// Reads little more than a page, wherever the cursor is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_page_is_a_range_of_the_index() {
    let scene = Scene::new().await;
    scene
        .execute(
            "INSERT INTO rdev_webhooks.events (id, timestamp, event_type, project, body)
             SELECT rdev_webhooks.new_id(now()), now(), 'a.b', CASE WHEN n % 1000 = 0 THEN 'rare' END, '{}'
             FROM generate_series(1, 60000) n",
        )
        .await;
    // Other tests' transactions may hold the events back, but not from the statement.
    let mut conn = scene.database.connect().await;
    for analyzed in [false, true] {
        if analyzed {
            scene.execute("ANALYZE rdev_webhooks.events").await;
        }
        for position in [0, 30_000, 59_900] {
            let mut explain = String::from("EXPLAIN (ANALYZE, TIMING OFF) ");
            explain.push_str(include_str!("../../src/events/feed/page.sql"));
            let plan: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(explain))
                .bind(i64::from(position))
                .bind(EventId::floor(rdev_webhooks_domain::Timestamp::EPOCH).as_uuid())
                .bind(60_000_i64)
                .bind(101_i64)
                .bind(None::<String>)
                .bind(None::<Vec<String>>)
                .bind(100_i64)
                .bind(1_000_000_i64)
                .fetch_all(&mut conn)
                .await
                .unwrap();
            let text = plan.join("\n");
            assert!(text.contains("position_id_idx"), "{text}");
            let read = text.split("(actual ").skip(1).map(|text| text.split("rows=").nth(1).unwrap());
            let most = read.map(|text| text.split(|c: char| !c.is_ascii_digit()).next().unwrap());
            let most = most.map(|digits| digits.parse::<u64>().unwrap()).max().unwrap();
            assert!(most < 1_000, "{most} rows at {position}: {text}");
        }
    }
}

/// Consumers that begin again at their last cursor, from time to time within a page, get each event once and in the
/// same order, while some transactions commit late.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn consumers_that_begin_again_get_each_event_once() {
    let batches = soak(40);
    let scene = Arc::new(Scene::new().await);
    let done = Arc::new(AtomicBool::new(false));
    let mut publishing = tokio::task::JoinSet::new();
    for publisher in 0..4_u64 {
        let scene = scene.clone();
        publishing.spawn(async move {
            let entropy = SeededEntropy::new(900 + publisher);
            let mut conn = scene.database.connect().await;
            let mut ids = Vec::new();
            for nth in 0..batches {
                let now = scene.now().await;
                let size = if publisher == 0 { 5 } else { 16 };
                let events: Vec<_> = (0..size).map(|_| samples::event(&entropy, now)).collect();
                ids.extend(events.iter().map(|event| event.id));
                if publisher == 0 {
                    // Commits late, after others have begun and ended.
                    let mut tx = conn.begin().await.unwrap();
                    for event in &events {
                        scene.store.add_event(&mut tx, event, 1_000).await.unwrap();
                        tokio::time::sleep(Duration::from_millis(10)).await;
                    }
                    if nth % 5 == 4 {
                        ids.truncate(ids.len() - 5);
                        tx.rollback().await.unwrap();
                    } else {
                        tx.commit().await.unwrap();
                    }
                } else {
                    scene.store.publish(&events).await.unwrap();
                }
            }
            ids
        });
    }
    let (long, mut conn) = (scene.clone(), scene.database.connect().await);
    publishing.spawn(async move {
        // Stays open: three seconds, or thirty in the long form.
        let mut tx = conn.begin().await.unwrap();
        let first = add(&long, &mut tx).await;
        tokio::time::sleep(Duration::from_secs(soak(3) as u64)).await;
        let last = add(&long, &mut tx).await;
        tx.commit().await.unwrap();
        vec![first, last]
    });
    let consume = async |limit: u32, kept: usize| {
        let store = scene.another().await;
        let (mut after, mut ids) = (None, Vec::new());
        let mut pauses = tokio::time::interval(Duration::from_millis(2));
        loop {
            let ended = done.load(Ordering::SeqCst);
            let page = page(&store, after, limit).await;
            // It dies after some events of the page, and has stored the cursor of the last one.
            let read = page.events.len().min(kept);
            ids.extend(page.events[..read].iter().map(|one| one.event.id));
            let is_whole = read == page.events.len();
            after = Some(if is_whole { page.next } else { page.events[read - 1].cursor });
            if is_whole && !page.has_more {
                if ended && page.events.is_empty() {
                    return ids;
                }
                pauses.tick().await;
            }
        }
    };
    let published = async {
        let ids: Vec<EventId> = publishing.join_all().await.into_iter().flatten().collect();
        // Everything is complete once all transactions have ended.
        feed_until(&scene, ids.len()).await;
        done.store(true, Ordering::SeqCst);
        ids
    };
    let (published, one, other) = tokio::join!(published, consume(7, 3), consume(50, 50));
    assert_eq!(one, other);
    assert_eq!(one.len(), published.len(), "each event once");
    assert_eq!(BTreeSet::from_iter(one), BTreeSet::from_iter(published));
}

/// Waits until the feed shows as many events in all.
async fn feed_until(scene: &Scene, count: usize) {
    let (mut after, mut found) = (None, 0);
    let complete = async || {
        let next = page(&scene.store, after, 1_000).await;
        found += next.events.len();
        after = Some(next.next);
        (found >= count).then_some(())
    };
    eventually("all events in the feed", complete).await;
}
