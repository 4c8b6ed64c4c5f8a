//! Connections for listings, separate from those of the worker and of authentication.

use std::ops::AsyncFnOnce;

use rdev_webhooks_domain::ports::StoreError;
use tokio::runtime::Handle;
use tokio_util::task::TaskTracker;

use super::{Pool, PooledConnection};
use crate::error::DbError;

/// The connections that serve listings.
pub(crate) struct Listings {
    pool: Pool,
    /// For requests to the server to cancel the statement of a listing.
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

    /// Runs the statements of a listing. If the call is dropped, as when the caller gives up, the server
    /// cancels them and their connection is closed.
    pub(crate) async fn run<T>(
        &self,
        work: impl AsyncFnOnce(&mut PooledConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, StoreError> {
        self.pool
            .run(async |conn| {
                let mut busy = Busy { listings: self, backend: Some(conn.backend()) };
                let done = work(conn).await;
                busy.backend = None;
                done
            })
            .await
    }

    /// Like [`Self::run`] for work that also fails by what it reads.
    pub(crate) async fn run_checked<T>(
        &self,
        work: impl AsyncFnOnce(&mut PooledConnection) -> Result<T, DbError>,
    ) -> Result<T, StoreError> {
        self.run(async move |conn| match work(conn).await {
            Ok(done) => Ok(Ok(done)),
            Err(DbError::Store(error)) => Ok(Err(error)),
            Err(DbError::Driver(error)) => Err(error),
        })
        .await?
    }
}

/// A server process whose statement has not ended while this value exists.
struct Busy<'a> {
    listings: &'a Listings,
    backend: Option<i32>,
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        let (Some(backend), Ok(runtime)) = (self.backend.take(), Handle::try_current()) else {
            return;
        };
        let other = self.listings.other.clone();
        let cancelling = async move {
            // If this fails, the server notices that its client has disconnected.
            let _ = other
                .run(async |other| {
                    sqlx::query("SELECT pg_cancel_backend($1)").bind(backend).execute(&mut **other).await
                })
                .await;
        };
        self.listings.tasks.spawn_on(cancelling, &runtime);
    }
}
