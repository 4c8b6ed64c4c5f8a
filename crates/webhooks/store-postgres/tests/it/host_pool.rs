//! The pool for statements of the host.

use std::time::Duration;

use rdev_webhooks_store_postgres::{Address, follow_primary, host_pool};
use rdev_webhooks_testkit::postgres::{PostgresServer, Relay};
use sqlx::{Executor, PgPool};
use tokio::time::{interval, timeout};

const SOON: Duration = Duration::from_secs(30);

/// Returns where a statement that writes is executed.
async fn write(pool: &PgPool) -> Result<String, sqlx::Error> {
    let place = "SELECT current_setting('data_directory') || left(pg_current_xact_id()::text, 0)";
    sqlx::query_scalar(place).fetch_one(pool).await
}

/// Writes again and again until it is done by another server than before, and new connections are to this port: those
/// that were idle can write sooner, once their own server is promoted.
async fn moves(pool: &PgPool, before: &str, port: u16) {
    let moving = async {
        let mut ticks = interval(Duration::from_millis(20));
        while pool.connect_options().get_port() != port
            || !write(pool).await.is_ok_and(|place| place != before)
        {
            ticks.tick().await;
        }
    };
    timeout(SOON, moving).await.expect("it moves in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_pool_follows_the_primary() {
    let (old, new) = (PostgresServer::start().await, PostgresServer::start().await);
    let (first, second) = (Relay::to(&old).await, Relay::to(&new).await);
    let url = format!(
        "postgres://postgres@127.0.0.1:{},127.0.0.1:{}/postgres?sslmode=disable",
        first.port(),
        second.port()
    );
    let address = Address::from(url);
    let pool = host_pool(&address, 4, Duration::from_secs(5)).await.unwrap();
    let following = tokio::spawn({
        let (address, pool) = (address.clone(), pool.clone());
        async move { follow_primary(&address, &pool).await }
    });
    let before = write(&pool).await.unwrap();
    old.stop_immediate().await;
    old.restart_as_standby().await;
    moves(&pool, &before, second.port()).await;
    let after = write(&pool).await.unwrap();
    // And back again.
    old.connect("postgres").await.execute("SELECT pg_promote()").await.unwrap();
    new.stop_immediate().await;
    new.restart_as_standby().await;
    moves(&pool, &after, first.port()).await;
    assert_eq!(write(&pool).await.unwrap(), before);
    following.abort();
}
