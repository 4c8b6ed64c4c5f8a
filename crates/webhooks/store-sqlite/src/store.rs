//! [`SqliteStore`]: opening, closing and access to the connections.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::endpoint_cache::EndpointCache;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_store::{AdvanceClaims, WakeUps};
use sqlx::pool::PoolConnection;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};

use crate::clock::StoreClock;
use crate::files::Lock;
use crate::listing::Listings;
use crate::writer::{JobFuture, Writer};
use crate::{OpenError, SqliteOptions, error, open};

/// All ports on one SQLite database, used by this store alone.
///
/// Dropping it lets the current writes finish; [`close`](Self::close) waits for them.
pub struct SqliteStore {
    pub(crate) writer: Writer,
    /// Connections for the worker, for authentication, and for look-ups by id.
    pub(crate) readers: SqlitePool,
    /// Connections for listings, whose length callers of the API determine.
    pub(crate) listings: Listings,
    pub(crate) clock: Arc<StoreClock>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) endpoints: Arc<EndpointCache>,
    pub(crate) wake_ups: Arc<WakeUps>,
    pub(crate) advance_claims: Arc<AdvanceClaims>,
    /// The writer's lock, which the writer releases when it ends.
    pub(crate) lock: Weak<Lock>,
    pub(crate) timeout: Duration,
}

impl SqliteStore {
    /// Creates or opens the database, migrates its schema, and continues where the last process ended, in
    /// whatever way it ended. Must be called within a tokio runtime, which the store then uses.
    ///
    /// # Errors
    ///
    /// [`OpenError`], whose messages are meant for users: another process uses the database, the encryption
    /// key is not the database's, the database is of a newer version, or the disk reports an error.
    pub async fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        open::open(options).await
    }

    /// Completes the waiting writes, folds the write-ahead log into the database, and releases the database.
    /// Every later call fails as unavailable. Closing twice is harmless.
    ///
    /// # Errors
    ///
    /// Fails if the disk does. Even then every write that was answered is safe.
    pub async fn close(&self) -> Result<(), StoreError> {
        let closing = async {
            // The log cannot be folded in while a reader uses it.
            self.listings.close().await;
            self.readers.close().await;
            self.writer.close().await
        };
        tokio::time::timeout(self.timeout, closing).await.unwrap_or_else(|late| Err(error::unavailable(late)))
    }

    /// Returns the version of SQLite, as text for humans.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be read.
    pub async fn sqlite_version(&self) -> Result<String, StoreError> {
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&self.readers).await.map_err(error::database)
    }

    /// Runs a job on the writing connection, passing it the time, and returns once its changes are on disk. A
    /// job that fails has changed nothing.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut SqliteConnection, Timestamp) -> JobFuture<'c, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(job, |_| false).await
    }

    /// Like [`Self::write`]; also wakes the waiting worker if the result asks for it, once the changes are on
    /// disk.
    pub(crate) async fn write_and_wake<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut SqliteConnection, Timestamp) -> JobFuture<'c, T> + Send + 'static,
        wakes: fn(&T) -> bool,
    ) -> Result<T, StoreError> {
        self.writer.run(job, wakes).await
    }

    /// Returns up to when time has certainly passed. The retention measures ages by this, not by the clock
    /// alone.
    pub(crate) async fn seen_at(&self) -> Result<Timestamp, StoreError> {
        let seen_at: Option<i64> = self
            .write(|conn, _| {
                Box::pin(async move {
                    Ok(sqlx::query_scalar!("SELECT seen_at FROM webhooks_clock").fetch_one(conn).await?)
                })
            })
            .await?;
        Ok(seen_at.map_or_else(|| self.clock.now(), Timestamp::from_micros))
    }

    /// Returns a connection for reads.
    pub(crate) async fn reader(&self) -> Result<PoolConnection<Sqlite>, StoreError> {
        self.readers.acquire().await.map_err(error::database)
    }

    /// Returns one consistent view of the database, for several queries.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.readers.begin().await.map_err(error::database)
    }
}
