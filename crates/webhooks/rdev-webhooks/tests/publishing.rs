//! Publishing through the library, inside and outside the caller's transactions.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking, and its helpers too")]

use std::time::Duration;

use rdev_webhooks::access::Ids;
use rdev_webhooks::domain::{DestinationPolicy, WebhookSettings};
use rdev_webhooks::keyring::{EncryptionKey, Keyring};
use rdev_webhooks::{Database, Event, PublishConnection, PublishError, RdevWebhooks, WorkerOptions};
use rdev_webhooks_testkit::postgres::{PostgresServer, TestDatabase};
use rdev_webhooks_testkit::receiver::{Receiver, Reply, Script};
use sqlx::{Connection, PgConnection, SqliteConnection};
use tempfile::TempDir;

const SOON: Duration = Duration::from_secs(10);

/// A system with a worker, and a webhook of a receiver.
struct System {
    webhooks: RdevWebhooks,
    receiver: Receiver,
}

impl System {
    async fn open(database: Database) -> Self {
        let keyring = Keyring::new(EncryptionKey::generate([7; 32]));
        let builder = RdevWebhooks::builder(database, keyring);
        let loopback = DestinationPolicy::new(vec!["127.0.0.0/8".parse().unwrap()]);
        let webhooks = builder.destinations(loopback).open().await.unwrap();
        webhooks.start_worker(WorkerOptions::default());
        let receiver = Receiver::start(Script::sequence([Reply::status(200)])).await;
        let settings = WebhookSettings::new(receiver.url("/"), vec!["command.*".parse().unwrap()]);
        webhooks.webhooks().create(settings, None, true, Ids::fresh()).await.unwrap();
        Self { webhooks, receiver }
    }

    /// The event of a rolled-back transaction is never delivered, that of a committed one is.
    async fn delivers_what_is_committed<C: Connection>(&self, conn: &mut C)
    where
        for<'c> sqlx::Transaction<'c, C::Database>: PublishConnection,
    {
        let publisher = self.webhooks.publisher();
        let event =
            |n: u32| Event::new("command.completed").project("my-project").data(format!(r#"{{"n":{n}}}"#));
        let mut tx = conn.begin().await.unwrap();
        publisher.publish_in(&mut tx, event(1)).await.unwrap();
        tx.rollback().await.unwrap();
        let mut tx = conn.begin().await.unwrap();
        // What can be wrong with an event leaves the transaction usable.
        let refused = publisher.publish_in(&mut tx, Event::new("command completed").data("[]")).await;
        assert!(matches!(refused, Err(PublishError::Invalid(members)) if members.len() == 2));
        let refused = publisher.publish_in(&mut tx, Event::new("order.created")).await;
        assert!(matches!(refused, Err(PublishError::Refused(_))));
        let published = publisher.publish_in(&mut tx, event(2)).await.unwrap();
        assert_eq!(published.deliveries, 1);
        tx.commit().await.unwrap();
        publisher.publish(event(3)).await.unwrap();
        let requests = self.receiver.wait_for(2, SOON).await;
        let mut bodies: Vec<_> =
            requests.iter().map(|request| String::from_utf8_lossy(&request.body)).collect();
        bodies.sort_by_key(|body| body.rfind(r#""n""#).map(|at| body[at..].to_owned()));
        assert!(
            bodies[0].ends_with(r#""data":{"n":2}}"#) && bodies[1].ends_with(r#""data":{"n":3}}"#),
            "{bodies:?}"
        );
    }
}

async fn postgres() -> (TestDatabase, System) {
    let migrate = async |url: String| rdev_webhooks::migrate(url.parse::<Database>().unwrap()).await;
    let database = PostgresServer::shared().await.database(migrate).await;
    let system = System::open(database.url().parse().unwrap()).await;
    (database, system)
}

async fn sqlite() -> (TempDir, String, System) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}/rdev.db", folder.path().display());
    let system = System::open(url.parse().unwrap()).await;
    (folder, url, system)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_goes_with_the_callers_transaction_on_postgres() {
    let (database, system) = postgres().await;
    let mut conn = PgConnection::connect(&database.url()).await.unwrap();
    system.delivers_what_is_committed(&mut conn).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_event_goes_with_the_callers_transaction_on_sqlite() {
    let (_folder, url, system) = sqlite().await;
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    system.delivers_what_is_committed(&mut conn).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn publishing_without_a_transaction_waits_for_the_systems_writes_on_sqlite() {
    let (_folder, url, system) = sqlite().await;
    let publisher = system.webhooks.publisher();
    let event = || Event::new("command.completed").data("{}");
    let own = publisher.clone();
    let busy = tokio::spawn(async move {
        for _ in 0..200 {
            own.publish(event()).await.unwrap();
        }
    });
    let mut conn = SqliteConnection::connect(&url).await.unwrap();
    for number in 0..200 {
        publisher.publish_in(&mut conn, event()).await.unwrap_or_else(|error| panic!("{number}: {error:?}"));
    }
    // A transaction that has read nothing yet waits, too.
    for number in 0..50 {
        let mut tx = conn.begin().await.unwrap();
        publisher.publish_in(&mut tx, event()).await.unwrap_or_else(|error| panic!("{number}: {error:?}"));
        tx.commit().await.unwrap();
    }
    busy.await.unwrap();
    system.receiver.wait_for(450, Duration::from_secs(30)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_to_another_kind_of_database_is_refused() {
    let (_folder, _url, system) = sqlite().await;
    let (database, _other) = postgres().await;
    let mut conn = PgConnection::connect(&database.url()).await.unwrap();
    let refused = system.webhooks.publisher().publish_in(&mut conn, Event::new("command.completed")).await;
    assert!(matches!(refused, Err(PublishError::OtherDatabase)));
}
