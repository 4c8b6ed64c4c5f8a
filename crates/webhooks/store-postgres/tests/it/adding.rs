//! Events that are added inside a caller's transaction.

use rdev_webhooks_domain::feed::ChangePoint;
use rdev_webhooks_domain::ports::{DeliveryFeed, DeliveryQueue, EventRepository, WebhookRepository};
use rdev_webhooks_domain::{Access, DeliveryId, EventKey, NewEvent, Published, WebhookSettings};
use rdev_webhooks_testkit::samples;
use sqlx::{Connection, Executor, PgConnection};

use crate::store::Scene;

const NO_LIMIT: u32 = 1_000;

async fn add(scene: &Scene, conn: &mut PgConnection, event: &NewEvent) -> Published {
    scene.store.add_event(conn, event, NO_LIMIT).await.unwrap().expect("it has few deliveries")
}

#[tokio::test]
async fn an_event_is_committed_or_rolled_back_with_the_caller() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    let event = scene.event().await;
    let mut conn = scene.database.connect().await;
    let mut tx = conn.begin().await.unwrap();
    add(&scene, &mut tx, &event).await;
    tx.rollback().await.unwrap();
    assert!(EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().is_none());

    let mut tx = conn.begin().await.unwrap();
    let published = add(&scene, &mut tx, &event).await;
    assert!(
        EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().is_none(),
        "not before the commit"
    );
    tx.commit().await.unwrap();
    assert_eq!((published.id, published.deliveries, published.duplicate), (event.id, 1, false));
    let leased = scene.store.claim(&scene.claim(webhook.id, 10)).await.unwrap();
    assert_eq!(leased[0].lease.delivery, DeliveryId::derive(event.id, webhook.id));
    assert_eq!(leased[0].body, event.body);
}

#[tokio::test]
async fn it_is_stored_as_a_published_event() {
    let scene = Scene::new().await;
    for events in
        [vec!["*"], vec!["command.*", "*"], vec!["command.completed"], vec!["command.failed"], vec!["a.b"]]
    {
        let mut webhook = samples::webhook(&scene.entropy, scene.now().await);
        webhook.settings = WebhookSettings {
            events: events.iter().map(|pattern| pattern.parse().unwrap()).collect(),
            ..webhook.settings
        };
        scene.store.create(&webhook, &samples::secrets(&scene.entropy)).await.unwrap();
    }
    let published = NewEvent { key: Some("key-1".parse().unwrap()), ..scene.event().await };
    let added =
        NewEvent { id: scene.event().await.id, key: Some("key-2".parse().unwrap()), ..published.clone() };
    let first = scene.store.publish(std::slice::from_ref(&published)).await.unwrap()[0];
    let mut conn = scene.database.connect().await;
    let second = add(&scene, &mut conn, &added).await;
    assert_eq!((first.deliveries, second.deliveries), (3, 3));
    let (one, other) = (published.id.as_uuid(), added.id.as_uuid());
    let same: bool = sqlx::query_scalar(
        "SELECT (SELECT (timestamp, event_type, project, traceparent, body)::text FROM rdev_webhooks.events WHERE id = $1)
              = (SELECT (timestamp, event_type, project, traceparent, body)::text FROM rdev_webhooks.events WHERE id = $2)
            AND (SELECT array_agg((webhook_id, id = rdev_webhooks.delivery_id($1, webhook_id), wake_at, attempts, trigger)::text
                 ORDER BY webhook_id) FROM rdev_webhooks.delivery_queue WHERE event_id = $1)
              = (SELECT array_agg((webhook_id, id = rdev_webhooks.delivery_id($2, webhook_id), wake_at, attempts, trigger)::text
                 ORDER BY webhook_id) FROM rdev_webhooks.delivery_queue WHERE event_id = $2)",
    )
    .bind(one)
    .bind(other)
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert!(same);
}

#[tokio::test]
async fn a_repeated_key_adds_nothing() {
    let scene = Scene::new().await;
    scene.webhook().await;
    let key: EventKey = "key-1".parse().unwrap();
    let event = NewEvent { key: Some(key.clone()), ..scene.event().await };
    let repeat = NewEvent { id: scene.event().await.id, ..event.clone() };
    let mut conn = scene.database.connect().await;
    let first = add(&scene, &mut conn, &event).await;
    let expected = Published { duplicate: true, ..first };
    assert_eq!(add(&scene, &mut conn, &repeat).await, expected);
    assert_eq!(scene.store.publish(&[repeat]).await.unwrap(), [expected], "the API gets the same");
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.events").await, 1);
    // An expired key is taken over.
    scene.execute("UPDATE rdev_webhooks.event_keys SET expires_at = now() - interval '1 second'").await;
    let later = NewEvent { id: scene.event().await.id, ..event };
    assert_eq!(add(&scene, &mut conn, &later).await.id, later.id);
}

#[tokio::test]
async fn too_many_deliveries_leave_the_transaction_usable() {
    let scene = Scene::new().await;
    scene.webhook().await;
    scene.webhook().await;
    let (large, small) = (scene.event().await, scene.event().await);
    let mut conn = scene.database.connect().await;
    let mut tx = conn.begin().await.unwrap();
    assert_eq!(scene.store.add_event(&mut tx, &large, 1).await.unwrap(), None);
    add(&scene, &mut tx, &small).await;
    tx.commit().await.unwrap();
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.events").await, 1);
}

#[tokio::test]
async fn deliveries_of_a_long_transaction_are_found_at_once_and_reported() {
    let scene = Scene::new().await;
    let webhook = scene.webhook().await;
    // A mark is set, and is in use for some seconds.
    scene.publish(1).await;
    scene.store.discover(None, 10).await.unwrap();
    let event = scene.event().await;
    let mut conn = scene.database.connect().await;
    let mut tx = conn.begin().await.unwrap();
    add(&scene, &mut tx, &event).await;
    for statement in [
        "UPDATE rdev_webhooks.delivery_queue SET due_at = due_at - interval '1 minute' WHERE event_id = $1",
        "UPDATE rdev_webhooks.added_events SET added_at = added_at - interval '1 minute' WHERE event_id = $1",
    ] {
        sqlx::query(statement).bind(event.id.as_uuid()).execute(&mut *tx).await.unwrap();
    }
    let before = scene.now().await;
    tx.commit().await.unwrap();
    let delivery = DeliveryId::derive(event.id, webhook.id);
    scene.store.discover(None, 10).await.unwrap();
    let leased = scene.store.claim(&scene.claim(webhook.id, 10)).await.unwrap();
    assert!(leased.iter().any(|one| one.lease.delivery == delivery), "no mark hides it");
    let changes = scene.store.changed(ChangePoint::before(before), 10).await.unwrap();
    assert!(changes.points.iter().any(|point| point.delivery == delivery), "the feed reports it");
    assert_eq!(scene.count("SELECT count(*) FROM rdev_webhooks.added_events").await, 0);
}

#[tokio::test]
async fn callers_wait_only_for_the_same_key() {
    let scene = Scene::new().await;
    scene.webhook().await;
    let key = |key: &str| Some(key.parse::<EventKey>().unwrap());
    let (mut one, mut other) = (scene.database.connect().await, scene.database.connect().await);
    let mut first = one.begin().await.unwrap();
    let event = NewEvent { key: key("key-1"), ..scene.event().await };
    add(&scene, &mut first, &event).await;
    // Others add events, with and without keys, while the first transaction is open.
    add(&scene, &mut other, &scene.event().await).await;
    add(&scene, &mut other, &NewEvent { key: key("key-2"), ..scene.event().await }).await;
    let repeat = NewEvent { id: scene.event().await.id, ..event.clone() };
    let waiting = scene.store.add_event(&mut other, &repeat, NO_LIMIT);
    tokio::pin!(waiting);
    while scene.waiting().await == 0 {
        tokio::select! {
            biased;
            done = &mut waiting => panic!("it did not wait: {done:?}"),
            () = std::future::ready(()) => {}
        }
    }
    first.commit().await.unwrap();
    let published = waiting.await.unwrap().unwrap();
    assert_eq!((published.id, published.duplicate), (event.id, true));
}

#[tokio::test]
async fn a_concurrent_key_fails_a_repeatable_read_as_documented() {
    let scene = Scene::new().await;
    scene.webhook().await;
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let event = NewEvent { key: Some(level.replace(' ', "-").parse().unwrap()), ..scene.event().await };
        let mut conn = scene.database.connect().await;
        let begin = format!("BEGIN ISOLATION LEVEL {level}; SELECT count(*) FROM rdev_webhooks.events");
        conn.execute(sqlx::AssertSqlSafe(begin)).await.unwrap();
        // Without a conflict it works.
        add(&scene, &mut conn, &scene.event().await).await;
        scene.store.publish(std::slice::from_ref(&event)).await.unwrap();
        let repeat = NewEvent { id: scene.event().await.id, ..event };
        let failed = scene.store.add_event(&mut conn, &repeat, NO_LIMIT).await.unwrap_err();
        assert_eq!(failed.as_database_error().unwrap().code().as_deref(), Some("40001"), "{level}");
        conn.execute("ROLLBACK").await.unwrap();
    }
}

#[tokio::test]
async fn no_setting_of_the_session_changes() {
    let scene = Scene::new().await;
    scene.webhook().await;
    let mut conn = scene.database.connect().await;
    let settings = "SELECT string_agg(name || '=' || setting, ',' ORDER BY name) FROM pg_settings
        WHERE name NOT LIKE 'plpgsql.%'";
    let before: String = sqlx::query_scalar(settings).fetch_one(&mut conn).await.unwrap();
    add(&scene, &mut conn, &scene.event().await).await;
    sqlx::query("SELECT rdev_webhooks.publish('command.completed', '{}')").execute(&mut conn).await.unwrap();
    let after: String = sqlx::query_scalar(settings).fetch_one(&mut conn).await.unwrap();
    assert!(before == after);
}

#[tokio::test]
async fn a_role_that_may_only_publish_reads_nothing() {
    let scene = Scene::new().await;
    scene.webhook().await;
    let role = format!("publisher_{}", scene.database.name());
    let mut conn = scene.database.connect().await;
    let grant = format!(
        "CREATE ROLE {role}; GRANT USAGE ON SCHEMA rdev_webhooks TO {role};
         GRANT EXECUTE ON FUNCTION rdev_webhooks.publish TO {role}; SET ROLE {role}"
    );
    conn.execute(sqlx::AssertSqlSafe(grant)).await.unwrap();
    let publish = "SELECT deliveries FROM rdev_webhooks.publish('command.completed', '{}')";
    let deliveries: i32 = sqlx::query_scalar(publish).fetch_one(&mut conn).await.unwrap();
    assert_eq!(deliveries, 1);
    for refused in [
        "SELECT FROM rdev_webhooks.events",
        "SELECT FROM rdev_webhooks.webhooks",
        "SELECT FROM rdev_webhooks.subscriptions",
        "INSERT INTO rdev_webhooks.added_events VALUES (gen_random_uuid(), now())",
        "SELECT rdev_webhooks.add_event(gen_random_uuid(), 'a', NULL, NULL, NULL, now(), NULL, '', 1)",
        "SELECT rdev_webhooks.ensure_partitions(1000)",
        "SELECT rdev_webhooks.drop_partition('events', '20260101')",
    ] {
        let error = sqlx::query(refused).execute(&mut conn).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().as_deref(), Some("42501"), "{refused}");
    }
    conn.execute(sqlx::AssertSqlSafe(format!("RESET ROLE; DROP OWNED BY {role}; DROP ROLE {role}")))
        .await
        .unwrap();
}
