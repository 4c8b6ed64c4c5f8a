//! A publisher on a pool of the host, without a system; another one delivers.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking, and its helpers too")]

use std::time::Duration;

use rdev_webhooks::access::Ids;
use rdev_webhooks::domain::{DestinationPolicy, WebhookSettings};
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks::{
    Event, NewEventType, OpenError, PublishError, Publisher, RdevWebhooks, SchemaState, WorkerOptions,
};
use rdev_webhooks_testkit::eventually;
use rdev_webhooks_testkit::postgres::{PostgresServer, TestDatabase};
use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use sqlx::postgres::PgPoolOptions;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{Executor, PgPool, SqlitePool};

const SOON: Duration = Duration::from_secs(10);

async fn postgres() -> TestDatabase {
    PostgresServer::shared().await.database(async |url| rdev_webhooks::migrate(url).await).await
}

/// Starts a system that delivers, with a webhook of a receiver, and returns both.
async fn deliver(url: &str) -> (RdevWebhooks, Receiver) {
    let keyring = Keyring::new(EncryptionKey::generate([7; 32]));
    let loopback = DestinationPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
    let webhooks = RdevWebhooks::builder(url, keyring).destinations(loopback).open().await.unwrap();
    webhooks.start_worker(WorkerOptions::default());
    let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
    let settings = WebhookSettings::new(receiver.url("/"), vec!["*".parse().unwrap()]);
    webhooks.webhooks().create(settings, None, true, Ids::fresh()).await.unwrap();
    (webhooks, receiver)
}

fn event(event_type: &str, number: u32) -> Event {
    Event::new(event_type).data(format!(r#"{{"n":{number}}}"#))
}

fn is_unknown_type(refused: &Result<rdev_webhooks::Published, PublishError>) -> bool {
    matches!(refused, Err(PublishError::Refused(rdev_webhooks::EventRefused::Invalid(_))))
}

/// Publishes until a type that was just registered is known.
async fn publish_registered(publisher: &Publisher, webhooks: &RdevWebhooks) {
    assert!(is_unknown_type(&publisher.publish(event("order.created", 1)).await));
    let schema = Some(r#"{"required":["n"]}"#.to_owned());
    let new = NewEventType { schema, ..NewEventType::default() };
    webhooks.event_types().put("order.created".parse().unwrap(), new).await.unwrap();
    let is_known = async || {
        let published = publisher.publish(event("order.created", 1)).await;
        (!is_unknown_type(&published)).then_some(())
    };
    eventually("a type that was registered", is_known).await;
    let refused = publisher.publish(Event::new("order.created")).await.unwrap_err();
    assert!(matches!(refused, PublishError::Refused(_)), "{refused:?}");
}

/// Returns the `n` of what was delivered, in order.
async fn delivered(receiver: &Receiver, count: usize) -> Vec<u64> {
    let requests = receiver.wait_for(count, SOON).await;
    let number = |body: &[u8]| {
        let text = String::from_utf8_lossy(body);
        let digits = text.rsplit("\"n\":").next().unwrap().trim_end_matches('}');
        digits.parse().unwrap_or_else(|_| panic!("{text}"))
    };
    let mut all: Vec<_> = requests.iter().map(|request| number(&request.body)).collect();
    all.sort_unstable();
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_one_connection_publishes_on_postgres() {
    let database = postgres().await;
    let pool = PgPoolOptions::new().max_connections(1).connect(&database.url()).await.unwrap();
    let publisher = Publisher::open(&pool).await.unwrap();
    let (webhooks, receiver) = deliver(&database.url()).await;
    publish_registered(&publisher, &webhooks).await;
    let mut tx = pool.begin().await.unwrap();
    publisher.publish_in(&mut tx, event("command.completed", 2)).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = pool.begin().await.unwrap();
    // The event types are read again, through the only connection.
    tokio::time::sleep(Duration::from_millis(600)).await;
    let refused = publisher.publish_in(&mut tx, event("order.paid", 3)).await;
    assert!(is_unknown_type(&refused));
    publisher.clone().publish_in(&mut tx, event("order.created", 4)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(delivered(&receiver, 2).await, [1, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_of_one_connection_publishes_on_sqlite() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/rdev.db", folder.path().display());
    let (webhooks, receiver) = deliver(&url).await;
    let pool = SqlitePoolOptions::new().max_connections(1).connect(&url).await.unwrap();
    let publisher = Publisher::open(&pool).await.unwrap();
    publish_registered(&publisher, &webhooks).await;
    let mut tx = pool.begin().await.unwrap();
    publisher.publish_in(&mut tx, event("command.completed", 2)).await.unwrap();
    tx.rollback().await.unwrap();
    let mut tx = pool.begin_with("BEGIN IMMEDIATE").await.unwrap();
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert!(is_unknown_type(&publisher.publish_in(&mut tx, event("order.paid", 3)).await));
    publisher.publish_in(&mut tx, event("order.created", 4)).await.unwrap();
    tx.commit().await.unwrap();
    assert_eq!(delivered(&receiver, 2).await, [1, 4]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_role_with_the_documented_rights_publishes() {
    let database = postgres().await;
    let mut conn = database.connect().await;
    let role = format!("only_publishes_{}", database.name());
    let grants = format!(
        "CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA rdev_webhooks TO {role};
         GRANT EXECUTE ON FUNCTION rdev_webhooks.add_event TO {role};"
    );
    conn.execute(sqlx::AssertSqlSafe(grants)).await.unwrap();
    let pool = PgPool::connect(&database.url().replacen("postgres@", &format!("{role}@"), 1)).await.unwrap();
    let refused = Publisher::open(&pool).await.unwrap_err();
    assert!(matches!(refused, OpenError::Pool(_)) && !refused.is_away(), "{refused:?}");
    let tables =
        "_migrations, rdev_webhooks.event_types, rdev_webhooks.event_types_version, rdev_webhooks.retention";
    let grants = format!("GRANT SELECT ON rdev_webhooks.{tables} TO {role}");
    conn.execute(sqlx::AssertSqlSafe(grants)).await.unwrap();
    let publisher = Publisher::open(&pool).await.unwrap();
    let keyed = |n| event("command.completed", n).key("order-1");
    let first = publisher.publish(keyed(1)).await.unwrap();
    let repeat = publisher.publish(keyed(2)).await.unwrap();
    assert!(repeat.duplicate && repeat.id == first.id);
    sqlx::query("SELECT FROM rdev_webhooks.webhooks").execute(&pool).await.unwrap_err();
    let lifetime: bool = sqlx::query_scalar(
        "SELECT expires_at - now() BETWEEN '29 days' AND '31 days' FROM rdev_webhooks.event_keys",
    )
    .fetch_one(&mut conn)
    .await
    .unwrap();
    assert!(lifetime, "a key lives as long as the workers record");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_newer_schema_is_accepted_and_none_is_refused() {
    let database = postgres().await;
    let pool = PgPool::connect(&database.url()).await.unwrap();
    let newer =
        "INSERT INTO rdev_webhooks._migrations (version, description, success, checksum, execution_time)
        VALUES (99991231000000, 'from the future', true, '', 0)";
    pool.execute(newer).await.unwrap();
    let publisher = Publisher::open(&pool).await.unwrap();
    publisher.publish(event("command.completed", 1)).await.unwrap();
    pool.execute("DROP SCHEMA rdev_webhooks CASCADE").await.unwrap();
    for refused in [
        Publisher::open(&pool).await.unwrap_err(),
        Publisher::open(SqlitePool::connect("sqlite::memory:").await.unwrap()).await.unwrap_err(),
    ] {
        assert!(matches!(refused, OpenError::Schema(SchemaState::Missing { .. })), "{refused:?}");
        assert!(refused.to_string().contains("`migrate` of the library"), "{refused}");
    }
    let gone = publisher.publish(event("command.completed", 1)).await.unwrap_err();
    assert!(matches!(gone, PublishError::Database(_)), "{gone:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_kind_of_database_is_refused_before_any_statement() {
    let database = postgres().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("rdev.db");
    rdev_webhooks::migrate(rdev_webhooks::Database::sqlite(&file)).await.unwrap();
    let pool = SqlitePool::connect_with(SqliteConnectOptions::new().filename(&file)).await.unwrap();
    let publisher = Publisher::open(pool).await.unwrap();
    let refused = publisher.publish_in(&mut database.connect().await, event("command.completed", 1)).await;
    assert!(matches!(refused, Err(PublishError::OtherDatabase)), "{refused:?}");
}
