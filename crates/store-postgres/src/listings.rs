//! Connections for listings, apart from those of the worker and of authentication.

use std::ops::AsyncFnOnce;
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use sqlx::pool::PoolConnection;
use sqlx::{Connection, Postgres};
use tokio::runtime::Handle;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::connect::Pool;

/// How long the server may take to cancel a statement before its connection is closed instead.
const CANCEL_TIMEOUT: Duration = Duration::from_secs(5);

/// The connections that serve listings.
pub(crate) struct Listings {
    pool: Pool,
    /// For telling the server to cancel the statement of one of them.
    other: Pool,
    tasks: TaskTracker,
}

impl Listings {
    pub(crate) fn new(pool: Pool, other: Pool, tasks: TaskTracker) -> Self {
        Self { pool, other, tasks }
    }

    pub(crate) const fn pool(&self) -> &Pool {
        &self.pool
    }

    /// Runs the statements of a listing. The server cancels them when the call is dropped, as it is when the
    /// caller gives up; until then their connection serves nobody else.
    pub(crate) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut PoolConnection<Postgres>) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.pool
            .bounded(async {
                let mut conn = self.pool.pool.acquire().await?;
                let backend = sqlx::query_scalar("SELECT pg_backend_pid()").fetch_one(&mut *conn).await?;
                let mut busy = Busy { listings: self, conn: Some(conn), backend };
                let Some(conn) = &mut busy.conn else {
                    return Err(sqlx::Error::WorkerCrashed);
                };
                let done = work(conn).await;
                // It is free again.
                drop(busy.conn.take());
                done
            })
            .await
    }
}

/// A connection whose statement has not ended as long as it is here.
struct Busy<'a> {
    listings: &'a Listings,
    conn: Option<PoolConnection<Postgres>>,
    backend: i32,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let (Some(conn), Ok(runtime)) = (self.conn.take(), Handle::try_current()) else {
            return;
        };
        let cancelling = cancel(conn, self.backend, self.listings.other.clone());
        self.listings.tasks.spawn_on(cancelling, &runtime);
    }
}

/// Cancels the statement of a connection, and gives the connection back to its pool once it has ended.
async fn cancel(mut conn: PoolConnection<Postgres>, backend: i32, other: Pool) {
    let asked = other
        .run(async |other| {
            sqlx::query("SELECT pg_cancel_backend($1)").bind(backend).execute(&mut **other).await
        })
        .await;
    // The first answer is the statement's error.
    let ended = async { conn.ping().await.is_ok() || conn.ping().await.is_ok() };
    let ended = timeout(CANCEL_TIMEOUT, ended).await.unwrap_or(false);
    if asked.is_err() || !ended {
        conn.close_on_drop();
    }
}
