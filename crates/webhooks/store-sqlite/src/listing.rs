//! Connections for listings, separate from those of the worker and of authentication.

use std::ops::{Deref, DerefMut};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdev_webhooks_domain::ports::StoreError;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::error;

/// The number of steps of SQLite's virtual machine between two checks of whether a statement must stop: about
/// 0.2 ms.
const STEPS_BETWEEN_CHECKS: i32 = 10_000;

/// Closed while the write-ahead log is folded into the database: a listing keeps it open.
pub(crate) type Gate = Arc<RwLock<()>>;

/// The connections that serve listings.
pub(crate) struct Listings {
    pool: SqlitePool,
    gate: Gate,
    /// Time limit of the statements of one listing.
    timeout: Duration,
}

impl Listings {
    pub(crate) fn new(pool: SqlitePool, gate: Gate, timeout: Duration) -> Self {
        Self { pool, gate, timeout }
    }

    /// Returns one consistent view of the database for a listing. Its statement is interrupted when the view
    /// is dropped, as when the caller gives up, or when the timeout has passed.
    pub(crate) async fn begin(&self) -> Result<Listing, StoreError> {
        let mut transaction = self.pool.begin().await.map_err(error::database)?;
        let open = Arc::clone(&self.gate).read_owned().await;
        let stop = StopOnDrop::default();
        let (stopped, deadline) = (Arc::clone(&stop.0), Instant::now() + self.timeout);
        let mut handle = transaction.lock_handle().await.map_err(error::database)?;
        handle.set_progress_handler(STEPS_BETWEEN_CHECKS, move || {
            !stopped.load(Ordering::Relaxed) && Instant::now() < deadline
        });
        drop(handle);
        Ok(Listing { _stop: stop, transaction, _open: open })
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// A view of the database; it dereferences to its connection.
pub(crate) struct Listing {
    // Dropped first: the connection is free only once its statement has ended.
    _stop: StopOnDrop,
    transaction: Transaction<'static, Sqlite>,
    _open: OwnedRwLockReadGuard<()>,
}

impl Deref for Listing {
    type Target = SqliteConnection;

    fn deref(&self) -> &SqliteConnection {
        &self.transaction
    }
}

impl DerefMut for Listing {
    fn deref_mut(&mut self) -> &mut SqliteConnection {
        &mut self.transaction
    }
}

#[derive(Default)]
struct StopOnDrop(Arc<AtomicBool>);

impl Drop for StopOnDrop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqlitePoolOptions;

    use super::*;

    const ENDLESS: &str =
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n";

    async fn one_connection(timeout: Duration) -> Listings {
        let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await.unwrap();
        Listings::new(pool, Gate::default(), timeout)
    }

    async fn run(listings: &Listings, statement: &'static str) -> Result<i64, StoreError> {
        let mut listing = listings.begin().await?;
        sqlx::query_scalar(statement).fetch_one(&mut *listing).await.map_err(error::database)
    }

    #[tokio::test]
    async fn an_abandoned_listing_leaves_its_connection_free() {
        let listings = one_connection(Duration::from_secs(3_600)).await;
        for _ in 0..2 {
            let abandoned = tokio::time::timeout(Duration::from_millis(50), run(&listings, ENDLESS)).await;
            assert!(abandoned.is_err());
            let next = tokio::time::timeout(Duration::from_secs(20), run(&listings, "SELECT 1")).await;
            assert_eq!(next.expect("the connection is still busy").unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_listing_ends_at_its_timeout() {
        let listings = one_connection(Duration::from_millis(50)).await;
        let ended = tokio::time::timeout(Duration::from_secs(20), run(&listings, ENDLESS)).await;
        let error = ended.expect("the listing does not end").unwrap_err();
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }
}
