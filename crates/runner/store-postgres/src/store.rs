//! [`PostgresCommands`].

use std::fmt;

use rdev_runner_domain::Timestamp;
use rdev_runner_domain::ports::{CommandSignals, Signal, SignalStream};
use rdev_runner_store::Signals;
use rdev_webhooks::Publisher;
use sqlx::{PgPool, Postgres, Transaction};

use crate::error::DbError;
use crate::rows::timestamp;

/// The runner's ports on one Postgres database.
pub struct PostgresCommands {
    pub(crate) pool: PgPool,
    pub(crate) publisher: Publisher,
    pub(crate) signals: Signals,
}

/// A transaction that writes.
pub(crate) struct Writing {
    pub(crate) tx: Transaction<'static, Postgres>,
    pub(crate) now: Timestamp,
    signals: Signals,
    /// What is signalled after the commit.
    changes: Vec<Signal>,
}

impl PostgresCommands {
    /// Creates the store on a pool to a database that is [migrated](crate::migrate). The publisher is of the same
    /// database.
    #[must_use]
    pub fn new(pool: PgPool, publisher: Publisher) -> Self {
        Self { pool, publisher, signals: Signals::new() }
    }

    pub(crate) async fn write(&self) -> Result<Writing, DbError> {
        let mut tx = self.pool.begin().await?;
        let now = sqlx::query_scalar!(r#"SELECT rdev_runner.now() AS "now!""#).fetch_one(&mut *tx).await?;
        Ok(Writing { tx, now: timestamp(now), signals: self.signals.clone(), changes: Vec::new() })
    }
}

impl Writing {
    /// Signals a change once it is committed.
    pub(crate) fn signal(&mut self, change: Signal) {
        self.changes.push(change);
    }

    pub(crate) async fn commit(self) -> Result<(), DbError> {
        self.tx.commit().await?;
        self.changes.into_iter().for_each(|change| self.signals.send(change));
        Ok(())
    }
}

impl CommandSignals for PostgresCommands {
    fn subscribe(&self) -> Box<dyn SignalStream> {
        self.signals.subscribe()
    }
}

impl fmt::Debug for PostgresCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCommands").finish_non_exhaustive()
    }
}
