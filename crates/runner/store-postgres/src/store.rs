//! [`PostgresCommands`].

use std::fmt;
use std::sync::Arc;

use rdev_keyring::Keyring;
use rdev_runner_domain::ports::{CommandSignals, Signal, SignalStream};
use rdev_runner_domain::{AgentProvider, Change, CommandId, Pipeline, ProjectName, Timestamp};
use rdev_runner_store::{Signals, publish_change, publish_pipeline};
use rdev_webhooks::Publisher;
use sqlx::{PgPool, Postgres, Transaction};

use crate::error::DbError;
use crate::relay::Relay;
use crate::rows::timestamp;

/// The runner's ports on one Postgres database.
pub struct PostgresCommands {
    pub(crate) pool: PgPool,
    publisher: Publisher,
    signals: Signals,
    relay: Arc<Relay>,
    /// Encrypts the values of credentials.
    pub(crate) keyring: Keyring,
}

/// A transaction that writes.
pub(crate) struct Writing {
    pub(crate) tx: Transaction<'static, Postgres>,
    pub(crate) now: Timestamp,
    signals: Signals,
    relay: Arc<Relay>,
    /// What is signalled after the commit.
    changes: Vec<Signal>,
}

impl PostgresCommands {
    /// Creates the store on a pool to a database that is [migrated](crate::migrate). The publisher is of the same
    /// database.
    #[must_use]
    pub fn new(pool: PgPool, publisher: Publisher, keyring: Keyring) -> Self {
        Self { pool, publisher, signals: Signals::new(), relay: Arc::default(), keyring }
    }

    /// Exchanges signals with the other processes on the database, for ever; it can be dropped at any time. While it
    /// does not run, the changes of other processes are found by polling.
    ///
    /// It listens on a connection of its own. The signals of a process are sent together, after their transactions,
    /// at most 200 times a second: a notification within a transaction would make commits wait for each other.
    pub async fn exchange_signals(&self) {
        self.relay.run(&self.pool, &self.signals).await;
    }

    /// Publishes the event that reports a change, in the transaction of the change.
    pub(crate) async fn publish(
        &self,
        writing: &mut Writing,
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
        writing: &mut Writing,
        pipeline: &Pipeline,
    ) -> Result<(), DbError> {
        publish_pipeline(&self.publisher, &mut writing.tx, pipeline).await
    }

    pub(crate) async fn write(&self) -> Result<Writing, DbError> {
        let mut tx = self.pool.begin().await?;
        let now = sqlx::query_scalar!(r#"SELECT rdev_runner.now() AS "now!""#).fetch_one(&mut *tx).await?;
        Ok(Writing {
            tx,
            now: timestamp(now),
            signals: self.signals.clone(),
            relay: Arc::clone(&self.relay),
            changes: Vec::new(),
        })
    }
}

impl Writing {
    /// Signals a change once it is committed.
    pub(crate) fn signal(&mut self, change: Signal) {
        self.changes.push(change);
    }

    pub(crate) async fn commit(self) -> Result<(), DbError> {
        self.tx.commit().await?;
        for change in self.changes {
            self.signals.send(change);
            self.relay.add(change);
        }
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
