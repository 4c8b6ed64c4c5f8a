//! [`SqliteCommands`].

use std::fmt;
use std::sync::Arc;

use rdev_keyring::Keyring;
use rdev_runner_domain::ports::{Clock, CommandSignals, Signal, SignalStream, StoreError};
use rdev_runner_domain::{AgentProvider, Change, CommandId, Pipeline, ProjectName, Timestamp};
use rdev_runner_store::{Signals, publish_change, publish_pipeline};
use rdev_webhooks::{OpenFiles, Publisher};
use sqlx::{Sqlite, SqlitePool, Transaction};
use tokio::sync::{Mutex, MutexGuard};

use crate::error::DbError;

/// The runner's ports on one SQLite database.
pub struct SqliteCommands {
    pub(crate) pool: SqlitePool,
    files: OpenFiles,
    publisher: Publisher,
    signals: Signals,
    pub(crate) clock: Arc<dyn Clock>,
    /// Encrypts the values of credentials.
    pub(crate) keyring: Keyring,
    /// Held while a transaction of this store writes, so that they wait in turn and not for SQLite's lock.
    turn: Mutex<()>,
}

/// A transaction that writes.
pub(crate) struct Writing<'a> {
    pub(crate) tx: Transaction<'static, Sqlite>,
    pub(crate) now: Timestamp,
    files: &'a OpenFiles,
    signals: &'a Signals,
    /// What is signalled after the commit.
    changes: Vec<Signal>,
    _turn: MutexGuard<'a, ()>,
}

impl SqliteCommands {
    /// Creates the store on a pool to a database that is [migrated](crate::migrate), from
    /// [`Database::pool`](rdev_webhooks::Database::pool) or with its settings. The publisher is of the same database.
    ///
    /// Once the file was replaced, its writes fail as unavailable.
    #[must_use]
    pub fn new(pool: SqlitePool, publisher: Publisher, clock: Arc<dyn Clock>, keyring: Keyring) -> Self {
        let files = OpenFiles::new(pool.connect_options().get_filename());
        Self { pool, files, publisher, signals: Signals::new(), clock, keyring, turn: Mutex::default() }
    }

    /// Publishes the event that reports a change, in the transaction of the change.
    pub(crate) async fn publish(
        &self,
        writing: &mut Writing<'_>,
        command: CommandId,
        project: &ProjectName,
        provider: &AgentProvider,
        change: &Change,
    ) -> Result<(), DbError> {
        publish_change(&self.publisher, &mut writing.tx, command, (project, provider), change).await
    }

    /// Publishes the event that reports the end of a pipeline, in the transaction of the end.
    pub(crate) async fn publish_pipeline(
        &self,
        writing: &mut Writing<'_>,
        pipeline: &Pipeline,
    ) -> Result<(), DbError> {
        publish_pipeline(&self.publisher, &mut writing.tx, pipeline).await
    }

    pub(crate) async fn write(&self) -> Result<Writing<'_>, DbError> {
        let turn = self.turn.lock().await;
        verify(&self.files)?;
        let tx = self.pool.begin_with("BEGIN IMMEDIATE").await?;
        let (now, files, signals) = (self.clock.now(), &self.files, &self.signals);
        Ok(Writing { tx, now, files, signals, changes: Vec::new(), _turn: turn })
    }
}

impl Writing<'_> {
    /// Signals a change once it is committed.
    pub(crate) fn signal(&mut self, change: Signal) {
        self.changes.push(change);
    }

    pub(crate) async fn commit(self) -> Result<(), DbError> {
        verify(self.files)?;
        self.tx.commit().await?;
        self.changes.into_iter().for_each(|change| self.signals.send(change));
        Ok(())
    }
}

/// Checks that what is written is not lost.
fn verify(files: &OpenFiles) -> Result<(), StoreError> {
    files.verify().map_err(|replaced| StoreError::Unavailable(replaced.into()))
}

impl CommandSignals for SqliteCommands {
    fn subscribe(&self) -> Box<dyn SignalStream> {
        self.signals.subscribe()
    }
}

impl fmt::Debug for SqliteCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteCommands").finish_non_exhaustive()
    }
}
