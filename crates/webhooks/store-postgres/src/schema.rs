//! The schema's version, and migration to it.

use std::fmt;
use std::time::Duration;

use rdev_webhooks_domain::ports::StoreError;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnection;
use sqlx::{Connection, Executor};

use crate::error::{store_error, timed_out};
use crate::pool::server::Server;
use crate::pool::session::{Purpose, Session};

static MIGRATIONS: Migrator = sqlx::migrate!();

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
const MIGRATE_TIMEOUT: Duration = Duration::from_secs(15 * 60);

/// The schema of a database, compared with this program's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// They are the same.
    Current,
    /// The database lacks some migrations, or all.
    Older {
        /// The database's version; `None` if it was never migrated.
        found: Option<i64>,
        /// This program's version.
        known: i64,
    },
    /// The database was migrated by a newer program.
    Newer {
        /// The database's version.
        found: i64,
        /// This program's version.
        known: i64,
    },
}

impl fmt::Display for SchemaState {
    /// Says how to resolve the difference.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const MIGRATE: &str = "run `rdev-webhooks migrate --database-url postgres://…`";
        match self {
            Self::Current => f.write_str("the database's schema is current"),
            Self::Older { found: None, known } => write!(
                f,
                "the database has no rdev webhooks schema yet, but this program requires version {known}: {MIGRATE}"
            ),
            Self::Older { found: Some(found), known } => write!(
                f,
                "the database's schema has version {found}, but this program requires version {known}: {MIGRATE} of this program's release"
            ),
            Self::Newer { found, known } => write!(
                f,
                "the database's schema has version {found}, but this program supports version {known}: a newer release has migrated it (`rdev-webhooks migrate --database-url …`); run that release here too"
            ),
        }
    }
}

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
    /// A migration does not fit the contents of the database.
    #[error("the database does not match the migrations")]
    Mismatch(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Migrates a database's schema to this program's version. May be run at any time, repeatedly, and by several
/// processes at once.
///
/// # Errors
///
/// [`MigrateError`]; each migration is applied entirely or not at all.
pub async fn migrate(url: &str) -> Result<(), MigrateError> {
    let server = Server::parse(url).ok_or(MigrateError::Url)?;
    let mut conn = connect(&server, Purpose::Migrate).await.map_err(MigrateError::Store)?;
    let state = within_connect_timeout(read_state(&mut conn)).await.map_err(MigrateError::Store)?;
    if matches!(state, SchemaState::Newer { .. }) {
        return Err(MigrateError::Schema(state));
    }
    // An old process may hold locks that a migration needs: fail rather than make all others wait.
    let running = async {
        conn.execute("SET lock_timeout = '30s'").await?;
        MIGRATIONS.run(&mut conn).await
    };
    let timed_out = |_| MigrateError::Store(timed_out(MIGRATE_TIMEOUT));
    let migrated = tokio::time::timeout(MIGRATE_TIMEOUT, running).await.map_err(timed_out)?;
    migrated.map_err(|error| match error {
        sqlx::migrate::MigrateError::Execute(error)
        | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => MigrateError::Store(store_error(error)),
        other => MigrateError::Mismatch(other.into()),
    })?;
    // The result of closing the connection does not matter.
    let _ = tokio::time::timeout(CONNECT_TIMEOUT, conn.close()).await;
    Ok(())
}

/// Compares a database's schema with this program's.
///
/// # Errors
///
/// [`StoreError`] if the database cannot be reached or queried.
pub async fn schema_state(url: &str) -> Result<SchemaState, StoreError> {
    let server = Server::parse(url).ok_or_else(|| StoreError::Internal(MigrateError::Url.into()))?;
    let mut conn = connect(&server, Purpose::Browse).await?;
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
    read_version(conn).await.map(SchemaState::of)
}

/// Returns the version of the last migration. The driver's table of migrations is named literally, because
/// this function must not create one.
pub(crate) async fn read_version(conn: &mut PgConnection) -> Result<Option<i64>, sqlx::Error> {
    let exists: bool = sqlx::query_scalar("SELECT to_regclass('rdev_webhooks._migrations') IS NOT NULL")
        .fetch_one(&mut *conn)
        .await?;
    if !exists {
        return Ok(None);
    }
    sqlx::query_scalar("SELECT max(version) FROM rdev_webhooks._migrations WHERE success")
        .fetch_one(&mut *conn)
        .await
}

impl SchemaState {
    pub(crate) fn of(found: Option<i64>) -> Self {
        let known = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        match found {
            Some(found) if found == known => Self::Current,
            Some(found) if found > known => Self::Newer { found, known },
            found => Self::Older { found, known },
        }
    }
}
