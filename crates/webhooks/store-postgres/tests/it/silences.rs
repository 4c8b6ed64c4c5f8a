//! Silent connections, servers that take no writes, and several hosts.

use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryHistory, DeliveryQueue, EventRepository, StoreError};
use rdev_webhooks_domain::{Access, DeliveryFilter, PageRequest};
use rdev_webhooks_store_postgres::{ConnectError, PostgresOptions, PostgresStore};
use rdev_webhooks_testkit::postgres::{PostgresServer, Relay};
use sqlx::Executor;
use tokio::task::JoinSet;

use crate::outages::recovers;
use crate::store::{Scene, is_unavailable, keyring};

const SOON: Duration = Duration::from_secs(15);

const PAGE: PageRequest<rdev_webhooks_domain::DeliveryId> = PageRequest { limit: 9, before: None };

/// Returns the store's reason for an unusable database.
fn cause(result: Result<(), StoreError>) -> String {
    let error = result.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    std::error::Error::source(&error).unwrap().to_string()
}

async fn list(store: &PostgresStore) -> Result<(), StoreError> {
    DeliveryHistory::list(store, Access::everything(), &DeliveryFilter::default(), PAGE).await.map(|_| ())
}

/// Publishes and lists with all available connections, and returns once all of them wait for a lock.
async fn fill_the_pools(scene: &Scene, store: &PostgresStore) -> (sqlx::PgConnection, JoinSet<()>) {
    let held = scene
        .holding(
            "LOCK TABLE rdev_webhooks.events IN ACCESS EXCLUSIVE MODE;
             LOCK TABLE rdev_webhooks.deliveries IN ACCESS EXCLUSIVE MODE",
        )
        .await;
    let mut calls = JoinSet::new();
    for _ in 0..8 {
        let (store, event) = (store.clone(), scene.event().await);
        calls.spawn(async move {
            let _ = store.publish(std::slice::from_ref(&event)).await;
        });
    }
    for _ in 0..4 {
        let store = store.clone();
        calls.spawn(async move {
            let _ = list(&store).await;
        });
    }
    let all_wait = async { while scene.waiting().await < 12 {} };
    tokio::time::timeout(SOON, all_wait).await.expect("all connections of both pools are usable");
    (held, calls)
}

/// The database stores an event and leases its delivery, but its response is lost: the delivery is claimable as soon as
/// the publication has been repeated, not only when the lease ends.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_leased_in_advance_without_a_response_is_released() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    let webhook = scene.webhook().await.id;
    let relay = Relay::to(&server).await;
    let mut options = PostgresOptions::new(relay.url(scene.database.name()), keyring());
    options.statement_timeout = Duration::from_secs(2);
    let store = PostgresStore::connect(options).await.unwrap();
    let _advance = store.claim_in_advance(scene.claim(webhook, 5)).unwrap();

    let mut held = scene.holding("LOCK TABLE rdev_webhooks.events IN ACCESS EXCLUSIVE MODE").await;
    let event = scene.event().await;
    let publishing = tokio::spawn({
        let store = store.clone();
        async move { store.publish(std::slice::from_ref(&event)).await }
    });
    scene.something_waits().await;
    relay.silence();
    held.execute("COMMIT").await.unwrap();
    let published = publishing.await.unwrap().unwrap();
    assert_eq!(published[0].deliveries, 1);
    let leased = store.claim(&scene.claim(webhook, 5)).await.unwrap();
    assert_eq!(leased.iter().map(|one| one.attempt).collect::<Vec<_>>(), [1]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_recover_from_repeatedly_silent_connections() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    scene.webhook().await;
    let relay = Relay::to(&server).await;
    let mut options = PostgresOptions::new(relay.url(scene.database.name()), keyring());
    options.statement_timeout = Duration::from_secs(2);
    options.browse_timeout = Duration::from_secs(2);
    let store = PostgresStore::connect(options).await.unwrap();
    for _ in 0..3 {
        let (mut held, calls) = fill_the_pools(&scene, &store).await;
        relay.silence();
        held.execute("COMMIT").await.unwrap();
        // No call is answered; each one ends.
        tokio::time::timeout(SOON, calls.join_all()).await.expect("a call ends without an answer");
        let event = scene.event().await;
        recovers(async || store.publish(std::slice::from_ref(&event)).await).await;
        recovers(async || list(&store).await).await;
        recovers(async || store.check().await).await;
    }
    let (mut held, calls) = fill_the_pools(&scene, &store).await;
    held.execute("COMMIT").await.unwrap();
    calls.join_all().await;
    tokio::time::timeout(SOON, store.close()).await.expect("the store closes");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_call_leaves_no_connection_behind() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    let relay = Relay::to(&server).await;
    let store = PostgresStore::connect(PostgresOptions::new(relay.url(scene.database.name()), keyring()))
        .await
        .unwrap();
    for _ in 0..2 {
        let (mut held, mut calls) = fill_the_pools(&scene, &store).await;
        relay.silence();
        calls.shutdown().await;
        held.execute("COMMIT").await.unwrap();
    }
    let event = scene.event().await;
    recovers(async || store.publish(std::slice::from_ref(&event)).await).await;
    recovers(async || list(&store).await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_silent_listener_is_replaced() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    let relay = Relay::to(&server).await;
    let worker = PostgresStore::connect(PostgresOptions::new(relay.url(scene.database.name()), keyring()))
        .await
        .unwrap();
    // Once it listens, it looks for work.
    tokio::time::timeout(SOON, worker.wait_for_work()).await.unwrap();
    relay.silence();
    tokio::time::timeout(2 * SOON, worker.wait_for_work()).await.expect("the store listens again");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_only_database_is_unready_and_readable() {
    let server = PostgresServer::start().await;
    let scene = Scene::on(&server, |_| {}).await;
    scene.store.check().await.unwrap();
    scene.execute("ALTER SYSTEM SET default_transaction_read_only = on").await;
    scene.execute("SELECT pg_reload_conf()").await;
    let event = scene.event().await;
    let refused =
        async { while !is_unavailable(&scene.store.publish(std::slice::from_ref(&event)).await) {} };
    tokio::time::timeout(SOON, refused).await.expect("writes are refused");
    let cause = cause(scene.store.check().await);
    assert!(cause.contains("default_transaction_read_only is on"), "{cause}");
    list(&scene.store).await.unwrap();
    let mut conn = scene.database.connect().await;
    conn.execute("SET default_transaction_read_only = off").await.unwrap();
    conn.execute("ALTER SYSTEM RESET default_transaction_read_only").await.unwrap();
    conn.execute("SELECT pg_reload_conf()").await.unwrap();
    recovers(async || scene.store.publish(std::slice::from_ref(&event)).await).await;
    recovers(async || scene.store.check().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_moves_from_a_demoted_primary_to_the_new_one() {
    let (old, new) = (PostgresServer::start().await, PostgresServer::start().await);
    let scene = Scene::on(&old, |_| {}).await;
    // Both hosts have a database of the same name.
    let migrated = async |url: String| rdev_webhooks_store_postgres::migrate(&url).await;
    let (copied, apart) = (new.database(migrated).await, new.database(migrated).await);
    let copy = format!("CREATE DATABASE {} TEMPLATE {}", scene.database.name(), copied.name());
    apart.connect().await.execute(sqlx::AssertSqlSafe(copy)).await.unwrap();
    let (first, second) = (Relay::to(&old).await, Relay::to(&new).await);
    let url = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/{}?sslmode=disable&target_session_attrs=read-write",
        first.port(),
        second.port(),
        scene.database.name()
    );
    let store = PostgresStore::connect(PostgresOptions::new(url, keyring())).await.unwrap();
    let event = scene.event().await;
    store.publish(std::slice::from_ref(&event)).await.unwrap();
    assert!(EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().is_some());

    old.stop_immediate().await;
    old.restart_as_standby().await;
    // The first check may use a connection that the shutdown has closed.
    let recognized = async { while !cause(scene.store.check().await).contains("standby") {} };
    tokio::time::timeout(SOON, recognized).await.expect("the standby is recognized");
    let event = samples(&scene);
    recovers(async || store.publish(std::slice::from_ref(&event)).await).await;
    recovers(async || store.check().await).await;
    scene.execute("SELECT pg_promote()").await;
    recovers(async || scene.store.check().await).await;
    assert!(EventRepository::get(&scene.store, Access::everything(), event.id).await.unwrap().is_none());
}

fn samples(scene: &Scene) -> rdev_webhooks_domain::NewEvent {
    rdev_webhooks_testkit::samples::event(&scene.entropy, rdev_webhooks_domain::Timestamp::EPOCH)
}

#[tokio::test]
async fn a_refused_connection_is_reported_at_once() {
    let free = tokio::net::TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let mut options = PostgresOptions::new(format!("postgres://me@127.0.0.1:{port}/rdev"), keyring());
    options.acquire_timeout = Duration::from_secs(3600);
    let connecting = tokio::time::timeout(SOON, PostgresStore::connect(options));
    let refused = connecting.await.expect("a refused connection needs no waiting").unwrap_err();
    assert!(refused.is_away(), "{refused:?}");
    let ConnectError::Store(error) = refused else { panic!("{refused:?}") };
    assert_eq!(cause(Err(error)), "connection refused");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_with_a_full_disk_is_unready_until_it_has_room() {
    let scene = Scene::new().await;
    scene.webhook().await;
    scene
        .execute(
            "CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS $$
             BEGIN RAISE 'could not extend file: No space left on device' USING ERRCODE = 'disk_full'; END $$;
             CREATE TRIGGER no_room BEFORE INSERT ON rdev_webhooks.events FOR EACH ROW EXECUTE FUNCTION no_room()",
        )
        .await;
    // On a full server, writing a temporary file fails too.
    let name = scene.database.name();
    let mut conn = scene.database.connect().await;
    conn.execute(sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} SET temp_file_limit = '64kB'")))
        .await
        .unwrap();
    let store = scene.another().await;
    store.check().await.unwrap();
    let event = scene.event().await;
    assert!(is_unavailable(&store.publish(std::slice::from_ref(&event)).await));
    for _ in 0..2 {
        let unfit = store.check().await;
        assert!(is_unavailable(&unfit), "no write has shown free space: {unfit:?}");
    }
    conn.execute(sqlx::AssertSqlSafe(format!("ALTER DATABASE {name} RESET temp_file_limit"))).await.unwrap();
    scene
        .execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .await;
    recovers(async || store.check().await).await;
}
