//! The inbox.

use std::time::Duration;

#[cfg(feature = "postgres")]
use sqlx::PgConnection;
#[cfg(feature = "postgres")]
use sqlx::Postgres;
#[cfg(feature = "sqlite")]
use sqlx::{Sqlite, SqliteConnection};

/// The longest age: nothing is older, and a database cannot subtract much more from the present.
const MAX_AGE: Duration = Duration::from_secs(1_000 * 365 * 24 * 60 * 60);

/// The maximum number of ids that one call of [`Inbox::prune`] deletes, so that its transaction stays short.
pub const PRUNE_BATCH: u32 = 10_000;

#[cfg(feature = "postgres")]
mod postgres {
    pub(super) const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS webhook_inbox (
    source text NOT NULL,
    webhook_id text NOT NULL,
    received_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (source, webhook_id)
);
CREATE INDEX IF NOT EXISTS webhook_inbox_received_at ON webhook_inbox (received_at)";
    pub(super) const INSERT: &str =
        "INSERT INTO webhook_inbox (source, webhook_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    pub(super) const PRUNE: &str = "\
DELETE FROM webhook_inbox WHERE ctid = ANY (ARRAY(
    SELECT ctid FROM webhook_inbox
    WHERE received_at <= clock_timestamp() - make_interval(secs => $1)
    ORDER BY received_at LIMIT $2
    FOR UPDATE SKIP LOCKED
))";
}

#[cfg(feature = "sqlite")]
mod sqlite {
    pub(super) const CREATE: &str = "\
CREATE TABLE IF NOT EXISTS webhook_inbox (
    source TEXT NOT NULL,
    webhook_id TEXT NOT NULL,
    received_at REAL NOT NULL DEFAULT (unixepoch('subsec')),
    PRIMARY KEY (source, webhook_id)
);
CREATE INDEX IF NOT EXISTS webhook_inbox_received_at ON webhook_inbox (received_at)";
    pub(super) const INSERT: &str =
        "INSERT INTO webhook_inbox (source, webhook_id) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    pub(super) const PRUNE: &str = "\
DELETE FROM webhook_inbox WHERE rowid IN (
    SELECT rowid FROM webhook_inbox
    WHERE received_at <= unixepoch('subsec') - $1
    ORDER BY received_at LIMIT $2
)";
}

/// The webhooks that a receiver has handled, in the table `webhook_inbox` of its own database.
///
/// A sender delivers at least once. A receiver that calls [`Inbox::first_time`] in the transaction that does
/// the event's work acts on each webhook effectively once: either both are committed or neither is.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Inbox;

impl Inbox {
    /// Creates the table if it does not exist. `postgres_schema` and `sqlite_schema` return the statements, for
    /// a migration tool.
    ///
    /// # Errors
    ///
    /// Fails with the database's error.
    pub async fn create_table<C: InboxConnection + ?Sized>(conn: &mut C) -> Result<(), sqlx::Error> {
        match conn.as_ref_mut() {
            #[cfg(feature = "postgres")]
            ConnectionRef::Postgres(conn) => sqlx::raw_sql(postgres::CREATE).execute(conn).await.map(drop),
            #[cfg(feature = "sqlite")]
            ConnectionRef::Sqlite(conn) => sqlx::raw_sql(sqlite::CREATE).execute(conn).await.map(drop),
        }
    }

    /// Records a webhook in the transaction, and returns whether this is the first time. `source` names the
    /// sender, since ids of different senders may be equal.
    ///
    /// While another transaction records the same webhook, it waits for the end of that transaction. On
    /// Postgres a transaction with the isolation level `REPEATABLE READ` or `SERIALIZABLE` then fails with
    /// SQLSTATE 40001 if the other one commits: respond with 500, and the sender delivers again. On SQLite, begin
    /// with `BEGIN IMMEDIATE`: a transaction that has read first cannot wait for another one, and fails.
    ///
    /// # Errors
    ///
    /// Fails with the database's error.
    pub async fn first_time<C: InboxConnection + ?Sized>(
        conn: &mut C,
        source: &str,
        webhook_id: &str,
    ) -> Result<bool, sqlx::Error> {
        let inserted = match conn.as_ref_mut() {
            #[cfg(feature = "postgres")]
            ConnectionRef::Postgres(conn) => {
                let insert = sqlx::query(postgres::INSERT).bind(source).bind(webhook_id);
                insert.execute(conn).await?.rows_affected()
            }
            #[cfg(feature = "sqlite")]
            ConnectionRef::Sqlite(conn) => {
                let insert = sqlx::query(sqlite::INSERT).bind(source).bind(webhook_id);
                insert.execute(conn).await?.rows_affected()
            }
        };
        Ok(inserted == 1)
    }

    /// Deletes up to [`PRUNE_BATCH`] ids that were recorded longer ago than `age`, the oldest first, and
    /// returns their number; there may be more if it is [`PRUNE_BATCH`]. A webhook that is delivered again
    /// after its id was deleted counts as new: keep ids for as long as the sender can redeliver (rdev: its
    /// `--retention`, 30 days by default).
    ///
    /// # Errors
    ///
    /// Fails with the database's error.
    pub async fn prune<C: InboxConnection + ?Sized>(conn: &mut C, age: Duration) -> Result<u64, sqlx::Error> {
        let age = age.min(MAX_AGE);
        let deleted = match conn.as_ref_mut() {
            #[cfg(feature = "postgres")]
            ConnectionRef::Postgres(conn) => {
                let delete = sqlx::query(postgres::PRUNE).bind(age.as_secs_f64());
                delete.bind(i64::from(PRUNE_BATCH)).execute(conn).await?.rows_affected()
            }
            #[cfg(feature = "sqlite")]
            ConnectionRef::Sqlite(conn) => {
                let delete = sqlx::query(sqlite::PRUNE).bind(age.as_secs_f64());
                delete.bind(PRUNE_BATCH).execute(conn).await?.rows_affected()
            }
        };
        Ok(deleted)
    }

    /// Returns the statements that create the table on Postgres.
    #[cfg(feature = "postgres")]
    #[must_use]
    pub const fn postgres_schema() -> &'static str {
        postgres::CREATE
    }

    /// Returns the statements that create the table on SQLite.
    #[cfg(feature = "sqlite")]
    #[must_use]
    pub const fn sqlite_schema() -> &'static str {
        sqlite::CREATE
    }
}

/// A connection or a transaction that an [`Inbox`] works on: of Postgres or SQLite.
pub trait InboxConnection: Send {
    /// Returns the connection beneath.
    fn as_ref_mut(&mut self) -> ConnectionRef<'_>;
}

/// A connection to one of the databases.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConnectionRef<'c> {
    /// To Postgres.
    #[cfg(feature = "postgres")]
    Postgres(&'c mut PgConnection),
    /// To SQLite.
    #[cfg(feature = "sqlite")]
    Sqlite(&'c mut SqliteConnection),
}

/// Implements the trait for a connection, and for what contains one.
macro_rules! connections {
    ($database:ident, $connection:ty, $kind:ident) => {
        impl InboxConnection for $connection {
            fn as_ref_mut(&mut self) -> ConnectionRef<'_> {
                ConnectionRef::$kind(self)
            }
        }

        impl InboxConnection for sqlx::Transaction<'_, $database> {
            fn as_ref_mut(&mut self) -> ConnectionRef<'_> {
                ConnectionRef::$kind(self)
            }
        }

        impl InboxConnection for sqlx::pool::PoolConnection<$database> {
            fn as_ref_mut(&mut self) -> ConnectionRef<'_> {
                ConnectionRef::$kind(self)
            }
        }
    };
}

#[cfg(feature = "postgres")]
connections!(Postgres, PgConnection, Postgres);
#[cfg(feature = "sqlite")]
connections!(Sqlite, SqliteConnection, Sqlite);
