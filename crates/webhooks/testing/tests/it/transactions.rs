//! What an open transaction has published.

use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks::{Database, DatabaseError, Event, PublishConnection, Publisher, RdevWebhooks};
use rdev_webhooks_testing::{Reply, TestWebhooks, assert_published, published_in};
use rdev_webhooks_testkit::postgres::PostgresServer;
use sqlx::{Connection, PgConnection, PgPool, SqlitePool};

pub(crate) async fn open(database: impl TryInto<Database, Error: Into<DatabaseError>>) -> RdevWebhooks {
    let keyring = Keyring::new(EncryptionKey::generate([7; 32]));
    RdevWebhooks::builder(database, keyring).open().await.unwrap()
}

fn event(number: u32) -> Event {
    Event::new("command.completed")
        .project("shop-1")
        .data(format!(r#"{{"number":{number},"at": {{"a":1}} }}"#))
}

async fn numbers<C: PublishConnection + ?Sized>(conn: &mut C) -> Vec<u64> {
    let mut numbers: Vec<_> = published_in(conn)
        .await
        .iter()
        .map(|event| event.json::<serde_json::Value>()["number"].as_u64().unwrap())
        .collect();
    // Ids of the same millisecond have no order.
    numbers.sort_unstable();
    numbers
}

/// Publishes in an open transaction and looks at it. `publisher` has published event 1 before.
async fn is_seen<C: PublishConnection + ?Sized>(conn: &mut C, publisher: &Publisher) {
    assert_eq!(numbers(conn).await, [0; 0], "what is committed is not of this transaction");
    publisher.publish_in(conn, event(2)).await.unwrap();
    publisher.publish_in(conn, event(3).key("k-3")).await.unwrap();
    let repeated = publisher.publish_in(conn, event(4).key("k-3")).await.unwrap();
    assert!(repeated.duplicate);
    assert_eq!(numbers(conn).await, [2, 3]);

    let found = assert_published!(conn, "command.completed", { "number": 3, "at": {} });
    assert_eq!((found.project.as_deref(), found.key.as_deref()), (Some("shop-1"), Some("k-3")));
    assert_eq!((found.id, found.data.as_str()), (repeated.id, r#"{"number":3,"at": {"a":1} }"#));
    let missing =
        rdev_webhooks_testing::find(conn, "command.failed", &serde_json::json!({ "number": 3 })).await;
    let message = missing.unwrap_err();
    assert!(message.starts_with(r#"no event command.failed with {"number":3} was published"#), "{message}");
    assert!(message.contains("\n  command.completed {\"number\":2"), "{message}");

    let webhooks = TestWebhooks::new();
    let receiver = webhooks.receiver("command.*", Reply::status(200)).await;
    assert_eq!(webhooks.deliver_all_in(conn).await, 2);
    assert_eq!(webhooks.deliver_all_in(conn).await, 0, "each is delivered once");
    publisher.publish_in(conn, event(5)).await.unwrap();
    assert_eq!(webhooks.deliver_all_in(conn).await, 1);
    let requests = receiver.requests();
    assert!(requests.iter().any(|request| request.header("webhook-id") == found.id.to_string()));
}

#[tokio::test]
async fn an_open_transaction_on_postgres_is_seen() {
    let migrate = async |url: String| rdev_webhooks::migrate(url.parse::<Database>().unwrap()).await;
    let database = PostgresServer::shared().await.database(migrate).await;
    let pool = PgPool::connect(&database.url()).await.unwrap();
    let webhooks = open(&pool).await;
    let publisher = webhooks.publisher();
    publisher.publish(event(1)).await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    is_seen(&mut tx, &publisher).await;

    // Savepoints are transactions of their own, and those of others begin and end meanwhile.
    let mut inner = tx.begin().await.unwrap();
    publisher.publish_in(&mut *inner, event(6)).await.unwrap();
    publisher.publish(event(7)).await.unwrap();
    let mut other = PgConnection::connect(&database.url()).await.unwrap();
    let mut open = other.begin().await.unwrap();
    publisher.publish_in(&mut *open, event(8)).await.unwrap();
    assert_eq!(numbers(&mut inner).await, [2, 3, 5, 6]);
    inner.commit().await.unwrap();
    assert_eq!(numbers(&mut tx).await, [2, 3, 5, 6]);
    assert_eq!(numbers(&mut open).await, [8]);
    let mut inner = tx.begin().await.unwrap();
    publisher.publish_in(&mut *inner, event(9)).await.unwrap();
    inner.rollback().await.unwrap();
    assert_eq!(numbers(&mut tx).await, [2, 3, 5, 6]);
    tx.rollback().await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(numbers(&mut conn).await, [0; 0]);
}

#[tokio::test]
async fn an_open_transaction_on_sqlite_is_seen() {
    let folder = tempfile::tempdir().unwrap();
    let pool = SqlitePool::connect_lazy(&format!("sqlite://{}/rdev.db", folder.path().display())).unwrap();
    let webhooks = open(&pool).await;
    let publisher = webhooks.publisher();
    publisher.publish(event(1)).await.unwrap();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    is_seen(&mut tx, &publisher).await;

    let mut inner = tx.begin().await.unwrap();
    publisher.publish_in(&mut *inner, event(6)).await.unwrap();
    assert_eq!(numbers(&mut inner).await, [2, 3, 5, 6]);
    inner.rollback().await.unwrap();
    assert_eq!(numbers(&mut tx).await, [2, 3, 5]);
    tx.rollback().await.unwrap();
    let mut conn = pool.acquire().await.unwrap();
    assert_eq!(numbers(&mut conn).await, [0; 0]);
    publisher.publish(event(2)).await.unwrap();
}

#[tokio::test]
#[should_panic(
    expected = "no event command.completed with {} was published in this transaction; published: nothing"
)]
async fn an_assertion_names_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let pool = SqlitePool::connect_lazy(&format!("sqlite://{}/rdev.db", folder.path().display())).unwrap();
    let _webhooks = open(&pool).await;
    let mut tx = pool.begin().await.unwrap();
    assert_published!(&mut tx, "command.completed");
}
