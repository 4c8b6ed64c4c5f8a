//! The store itself.

use std::sync::{Arc, Weak};
use std::time::Duration;

use rdev_keyring::Keyring;
use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::StoreError;
use sqlx::{Sqlite, SqliteConnection, SqlitePool, Transaction};
use tokio::sync::Notify;

use crate::clock::StoreClock;
use crate::files::Lock;
use crate::listing::Listings;
use crate::targets::Targets;
use crate::writer::{JobFuture, Writer};
use crate::{OpenError, SqliteOptions, error, open};

/// All ports over one SQLite database, of which this is the only user.
///
/// Dropping it lets what is being written come to its end; [`close`](Self::close) waits for that.
pub struct SqliteStore {
    pub(crate) writer: Writer,
    /// For the worker, for authentication, and for what is found by its id.
    pub(crate) readers: SqlitePool,
    /// For what a caller of the API may make last.
    pub(crate) listings: Listings,
    pub(crate) clock: Arc<StoreClock>,
    pub(crate) keyring: Arc<Keyring>,
    pub(crate) targets: Arc<Targets>,
    pub(crate) wake: Arc<Notify>,
    /// The writer's, which gives it up when it ends.
    pub(crate) lock: Weak<Lock>,
    pub(crate) timeout: Duration,
}

impl SqliteStore {
    /// Makes or opens the database, brings its schema up to date, and takes up where the last process
    /// ended, however it did. Must be called within a tokio runtime, which the store then lives on.
    ///
    /// # Errors
    ///
    /// [`OpenError`], which is made to be shown: another process has the database, the encryption key
    /// is not the one that it was made with, it is of a newer version, the disk refuses.
    pub async fn open(options: SqliteOptions) -> Result<Self, OpenError> {
        open::open(options).await
    }

    /// Writes what waits, folds the write-ahead log into the database, and gives the database free.
    /// From then on everything fails as unavailable. Closing twice is fine.
    ///
    /// # Errors
    ///
    /// The disk's. All that was answered is safe even then.
    pub async fn close(&self) -> Result<(), StoreError> {
        let closing = async {
            // The log cannot be folded in as long as somebody reads from it.
            self.listings.close().await;
            self.readers.close().await;
            self.writer.close().await
        };
        tokio::time::timeout(self.timeout, closing).await.unwrap_or_else(|late| Err(error::unavailable(late)))
    }

    /// The version of SQLite, for people.
    ///
    /// # Errors
    ///
    /// The database's.
    pub async fn sqlite_version(&self) -> Result<String, StoreError> {
        sqlx::query_scalar("SELECT sqlite_version()").fetch_one(&self.readers).await.map_err(error::database)
    }

    /// Runs a job on the connection that writes, at the time it is given, and answers when what it
    /// did is on disk. A job that fails has changed nothing.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut SqliteConnection, Timestamp) -> JobFuture<'c, T> + Send + 'static,
    ) -> Result<T, StoreError> {
        self.writer.run(job, |_| false).await
    }

    /// As [`Self::write`], and wakes whoever waits for work if the answer says so, once it is on disk.
    pub(crate) async fn write_and_wake<T: Send + 'static>(
        &self,
        job: impl for<'c> FnOnce(&'c mut SqliteConnection, Timestamp) -> JobFuture<'c, T> + Send + 'static,
        wakes: fn(&T) -> bool,
    ) -> Result<T, StoreError> {
        self.writer.run(job, wakes).await
    }

    /// How far time is known to have passed: what is old goes by this, and not by the clock alone.
    pub(crate) async fn seen_at(&self) -> Result<Timestamp, StoreError> {
        let seen_at: Option<i64> = self
            .write(|conn, _| {
                Box::pin(async move {
                    sqlx::query_scalar!("SELECT seen_at FROM clock")
                        .fetch_one(conn)
                        .await
                        .map_err(error::database)
                })
            })
            .await?;
        Ok(seen_at.map_or_else(|| self.clock.now(), Timestamp::from_micros))
    }

    /// One consistent view of the database, for several queries.
    pub(crate) async fn snapshot(&self) -> Result<Transaction<'static, Sqlite>, StoreError> {
        self.readers.begin().await.map_err(error::database)
    }
}
