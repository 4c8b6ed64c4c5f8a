//! A pool for statements of the host.

use std::future::pending;
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use sqlx::Row;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPool, PgPoolOptions};
use tokio::time::{MissedTickBehavior, interval, timeout};

use crate::address::Address;
use crate::connect_error::ConnectError;
use crate::pool::server::{Server, address as shown};

/// How often [`follow_primary`] asks whether the server takes writes.
const ASK_INTERVAL: Duration = Duration::from_secs(2);

/// How long a connection that is tested may take to answer.
const TEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Returns a pool of connections for statements of the host. Of several hosts of a URL, it connects to the first that
/// takes writes now, and then to those that [`follow_primary`] finds. A connection whose server takes no writes any
/// more is closed before its next use; until [`follow_primary`] has found another host, new connections are still to
/// the old one and cannot write.
///
/// # Errors
///
/// Fails if the URL is not one of Postgres, or if no host takes writes within the time to wait for a connection.
pub async fn host_pool(
    address: &Address,
    max_connections: u32,
    acquire_timeout: Duration,
) -> Result<PgPool, ConnectError> {
    let server = Server::new(address).ok_or(ConnectError::Url)?;
    let host = server.writable_host(acquire_timeout).await.map_err(StoreError::from)?;
    let options = PgPoolOptions::new()
        .max_connections(max_connections)
        .acquire_timeout(acquire_timeout)
        // The test is better than the driver's own, and costs as much.
        .test_before_acquire(false)
        .before_acquire(|conn, _| Box::pin(async move { Ok(takes_writes(conn).await) }));
    Ok(options.connect_lazy_with(host))
}

/// Moves a pool of [`host_pool`] to another host of its URL whenever its own takes no more writes, for ever. It can be
/// dropped at any time.
pub async fn follow_primary(address: &Address, pool: &PgPool) {
    let limit = pool.options().get_acquire_timeout();
    let Some(server) = Server::new(address).filter(Server::has_several_hosts) else { return pending().await };
    let mut ticks = interval(ASK_INTERVAL);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        // A new connection was not tested yet.
        if let Ok(mut conn) = pool.acquire().await
            && takes_writes(&mut conn).await
        {
            continue;
        }
        let Ok(host) = server.writable_host(limit).await else { continue };
        if is_same(&host, &pool.connect_options()) {
            continue;
        }
        tracing::warn!(host = shown(&host), "the database takes writes on another host; moving to it");
        pool.set_connect_options(host);
        while let Some(conn) = pool.try_acquire() {
            // Its server may not answer.
            drop(conn.detach());
        }
    }
}

async fn takes_writes(conn: &mut PgConnection) -> bool {
    let asking = sqlx::raw_sql("SHOW transaction_read_only").fetch_one(conn);
    let answer = timeout(TEST_TIMEOUT, asking).await;
    answer.is_ok_and(|row| row.and_then(|row| row.try_get::<String, _>(0)).is_ok_and(|value| value == "off"))
}

fn is_same(one: &PgConnectOptions, other: &PgConnectOptions) -> bool {
    shown(one) == shown(other)
}
