//! [`SqliteCommands`].

use std::fmt;
use std::sync::Arc;

use rdev_runner_domain::Timestamp;
use rdev_runner_domain::ports::Clock;
use rdev_webhooks::Publisher;
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{Mutex, MutexGuard};

use crate::error::DbError;

/// The runner's ports on one SQLite database.
pub struct SqliteCommands {
    pub(crate) pool: SqlitePool,
    pub(crate) publisher: Publisher,
    clock: Arc<dyn Clock>,
    /// Held while a transaction of this store writes, so that they wait in turn and not for SQLite's lock.
    turn: Mutex<()>,
}

/// A transaction that writes.
pub(crate) struct Writing<'a> {
    pub(crate) tx: Transaction<'static, Sqlite>,
    pub(crate) now: Timestamp,
    _turn: MutexGuard<'a, ()>,
}

impl SqliteCommands {
    /// Creates the store on a pool to a database that is [migrated](crate::migrate). The publisher is of the same
    /// database.
    #[must_use]
    pub fn new(pool: SqlitePool, publisher: Publisher, clock: Arc<dyn Clock>) -> Self {
        Self { pool, publisher, clock, turn: Mutex::default() }
    }

    pub(crate) async fn write(&self) -> Result<Writing<'_>, DbError> {
        let turn = self.turn.lock().await;
        let tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        Ok(Writing { tx, now: self.clock.now(), _turn: turn })
    }
}

impl Writing<'_> {
    pub(crate) async fn commit(self) -> Result<(), DbError> {
        Ok(self.tx.commit().await?)
    }
}

impl fmt::Debug for SqliteCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteCommands").finish_non_exhaustive()
    }
}
