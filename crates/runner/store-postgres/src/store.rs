//! [`PostgresCommands`].

use std::fmt;

use rdev_runner_domain::Timestamp;
use rdev_webhooks::Publisher;
use sqlx::{PgPool, Postgres, Transaction};

use crate::error::DbError;
use crate::rows::timestamp;

/// The runner's ports on one Postgres database.
pub struct PostgresCommands {
    pub(crate) pool: PgPool,
    pub(crate) publisher: Publisher,
}

/// A transaction that writes.
pub(crate) struct Writing {
    pub(crate) tx: Transaction<'static, Postgres>,
    pub(crate) now: Timestamp,
}

impl PostgresCommands {
    /// Creates the store on a pool to a database that is [migrated](crate::migrate). The publisher is of the same
    /// database.
    #[must_use]
    pub const fn new(pool: PgPool, publisher: Publisher) -> Self {
        Self { pool, publisher }
    }

    pub(crate) async fn write(&self) -> Result<Writing, DbError> {
        let mut tx = self.pool.begin().await?;
        let now = sqlx::query_scalar!(r#"SELECT rdev_runner.now() AS "now!""#).fetch_one(&mut *tx).await?;
        Ok(Writing { tx, now: timestamp(now) })
    }
}

impl Writing {
    pub(crate) async fn commit(self) -> Result<(), DbError> {
        Ok(self.tx.commit().await?)
    }
}

impl fmt::Debug for PostgresCommands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresCommands").finish_non_exhaustive()
    }
}
