//! The schema's version, and migration to it.

use std::sync::LazyLock;
use std::time::Duration;

use rdev_webhooks_domain::ports::{Migration, SchemaState, StoreError};
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use crate::address::Address;
use crate::error::{store_error, timed_out};
use crate::pool::server::Server;
use crate::pool::session::{Purpose, Session, local_settings};

static MIGRATIONS: Migrator = sqlx::migrate!();

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MIGRATE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The table of applied migrations, in the driver's own form.
const TABLE: &str = "CREATE SCHEMA IF NOT EXISTS rdev_webhooks;
CREATE TABLE IF NOT EXISTS rdev_webhooks._migrations (
    version             bigint PRIMARY KEY,
    description         text NOT NULL,
    installed_on        timestamptz NOT NULL DEFAULT now(),
    success             boolean NOT NULL,
    checksum            bytea NOT NULL,
    execution_time      bigint NOT NULL
);
";

/// Makes other migrations wait until the end of the transaction: a lock of the session would be lost with a
/// pooler that gives each transaction another session. An old process may hold locks that a migration needs; it
/// fails then rather than make all others wait.
const LOCK: &str = "SET LOCAL lock_timeout = 0;
    SELECT pg_advisory_xact_lock(8242263847364783970);
    SET LOCAL lock_timeout = '30s'";

/// The reason why a database could not be migrated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The URL is not valid. The message does not repeat it, as it may hold a password.
    #[error("the database URL is not a Postgres URL like postgres://user@host/database")]
    Url,
    /// The database was migrated by a newer program.
    #[error("{0}")]
    Schema(SchemaState),
    /// The database could not be reached, or refused a statement.
    #[error("the database could not be migrated")]
    Store(#[source] StoreError),
}

/// Returns the migrations of this program, in the order in which they are applied. [`migrate`] applies the same
/// statements.
pub fn migrations() -> &'static [Migration] {
    static ALL: LazyLock<Vec<Migration>> = LazyLock::new(|| {
        let all = MIGRATIONS.iter().enumerate();
        all.map(|(number, migration)| {
            let table = if number == 0 { TABLE } else { "" };
            let (version, description) = (migration.version, &*migration.description);
            Migration::new(version, description, &migration.checksum, |checksum| {
                format!(
                    "{table}{}\n\nINSERT INTO rdev_webhooks._migrations (version, description, success, checksum, execution_time)\n\
                     VALUES ({version}, '{}', true, decode('{checksum}', 'hex'), 0);\n",
                    migration.sql.as_str().trim_end(),
                    description.replace('\'', "''"),
                )
            })
        })
        .collect()
    });
    &ALL
}

/// Migrates a database's schema to this program's version. May be run at any time, repeatedly, and by several
/// processes at once, also through a pooler: it keeps nothing in the session.
///
/// # Errors
///
/// [`MigrateError`]; each migration is applied entirely or not at all.
pub async fn migrate(address: impl Into<Address>) -> Result<(), MigrateError> {
    let server = Server::new(&address.into()).ok_or(MigrateError::Url)?;
    let mut conn = connect(&server, Purpose::Migrate).await.map_err(MigrateError::Store)?;
    let state = within_connect_timeout(read_state(&mut conn)).await.map_err(MigrateError::Store)?;
    if state != SchemaState::Current {
        let running = async {
            while apply_next(&mut conn).await? {}
            Ok(())
        };
        let timed_out = |_| MigrateError::Store(timed_out(MIGRATE_TIMEOUT));
        tokio::time::timeout(MIGRATE_TIMEOUT, running).await.map_err(timed_out)??;
    }
    // The result of closing the connection does not matter.
    let _ = tokio::time::timeout(CONNECT_TIMEOUT, conn.close()).await;
    Ok(())
}

/// Applies the first migration that the database lacks, and returns whether there was one. Everything is in one
/// transaction, and nothing is a prepared statement, which a pooler might not keep.
async fn apply_next(conn: &mut PgConnection) -> Result<bool, MigrateError> {
    let failed = |error| MigrateError::Store(store_error(error));
    // After a wait for the lock, the next statement sees what was committed meanwhile.
    let mut tx = conn.begin_with("BEGIN ISOLATION LEVEL READ COMMITTED").await.map_err(failed)?;
    let settings = AssertSqlSafe(local_settings(MIGRATE_TIMEOUT));
    sqlx::raw_sql(settings).execute(&mut *tx).await.map_err(failed)?;
    sqlx::raw_sql(LOCK).execute(&mut *tx).await.map_err(failed)?;
    let applied = read_applied(&mut tx).await.map_err(failed)?;
    let state = SchemaState::compare(&applied, migrations());
    let is_lacking = |one: &&Migration| !applied.iter().any(|(version, _)| *version == one.version);
    let next = match state {
        SchemaState::Missing { .. } | SchemaState::Older { .. } => migrations().iter().find(is_lacking),
        _ => None,
    };
    let Some(next) = next else {
        // A pooler would discard the session of a client that leaves in a transaction.
        tx.rollback().await.map_err(failed)?;
        return if state == SchemaState::Current { Ok(false) } else { Err(MigrateError::Schema(state)) };
    };
    sqlx::raw_sql(AssertSqlSafe(next.sql.clone())).execute(&mut *tx).await.map_err(failed)?;
    tx.commit().await.map_err(failed)?;
    Ok(true)
}

/// Compares a database's schema with this program's.
///
/// # Errors
///
/// [`StoreError`] if the database cannot be reached or queried.
pub async fn schema_state(address: impl Into<Address>) -> Result<SchemaState, StoreError> {
    let server =
        Server::new(&address.into()).ok_or_else(|| StoreError::Internal(MigrateError::Url.into()))?;
    let mut conn = connect(&server, Purpose::Inspect).await?;
    let state = within_connect_timeout(read_state(&mut conn)).await;
    let _ = tokio::time::timeout(CONNECT_TIMEOUT, conn.close()).await;
    state
}

async fn connect(server: &Server, purpose: Purpose) -> Result<PgConnection, StoreError> {
    let session = Session::new(purpose, MIGRATE_TIMEOUT);
    let (conn, _) = server.connect(&session, CONNECT_TIMEOUT).await?;
    Ok(conn)
}

async fn within_connect_timeout<T>(
    asking: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, StoreError> {
    tokio::time::timeout(CONNECT_TIMEOUT, asking)
        .await
        .map_err(|_| timed_out(CONNECT_TIMEOUT))?
        .map_err(store_error)
}

/// Returns the state of the schema.
pub(crate) async fn read_state(conn: &mut PgConnection) -> Result<SchemaState, sqlx::Error> {
    Ok(SchemaState::compare(&read_applied(conn).await?, migrations()))
}

/// Returns the version and the checksum of each applied migration.
async fn read_applied(conn: &mut PgConnection) -> Result<Vec<(i64, String)>, sqlx::Error> {
    if !is_there(conn).await? {
        return Ok(Vec::new());
    }
    let applied = "SELECT version, encode(checksum, 'hex') FROM rdev_webhooks._migrations WHERE success";
    let rows = sqlx::raw_sql(applied).fetch_all(conn).await?;
    rows.iter().map(|row| Ok((row.try_get(0)?, row.try_get(1)?))).collect()
}

/// Returns whether the table of migrations exists.
async fn is_there(conn: &mut PgConnection) -> Result<bool, sqlx::Error> {
    let there = "SELECT to_regclass('rdev_webhooks._migrations') IS NOT NULL";
    sqlx::raw_sql(there).fetch_one(conn).await?.try_get(0)
}

/// Returns the state of a schema that is older than this program's; `None` for any other.
pub(crate) async fn read_older(conn: &mut PgConnection) -> Result<Option<SchemaState>, sqlx::Error> {
    let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
    if !is_there(conn).await? {
        return Ok(Some(SchemaState::Missing { known }));
    }
    let newest = "SELECT max(version) FROM rdev_webhooks._migrations WHERE success";
    let found: Option<i64> = sqlx::raw_sql(newest).fetch_one(conn).await?.try_get(0)?;
    Ok(match found {
        None => Some(SchemaState::Missing { known }),
        Some(found) if found < known => Some(SchemaState::Older { found, known }),
        Some(_) => None,
    })
}
