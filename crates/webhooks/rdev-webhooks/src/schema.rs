//! The schema of the database.

use rdev_webhooks_domain::ports::{Migration, SchemaState};
#[cfg(feature = "postgres")]
use rdev_webhooks_store_postgres as postgres;
#[cfg(feature = "sqlite")]
use rdev_webhooks_store_sqlite as sqlite;

use crate::database::{Location, database_of};
use crate::{Database, DatabaseError, DatabaseKind, OpenError};

/// The reason why a database's schema could not be migrated. The message is for users.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The URL or the pool is not of a database that can be used.
    #[error("the database URL {0}")]
    Database(#[from] DatabaseError),
    /// The migration of Postgres failed.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] postgres::MigrateError),
    /// The migration of the embedded database failed.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
}

/// Migrates a database's schema to this version. Changes nothing if the schema is current, and needs no right to
/// change it then. Safe while processes of the previous version run on the database, while other processes migrate
/// it, and through a pooler.
///
/// On Postgres, all objects are in the schema `rdev_webhooks`; on SQLite, their names begin with `webhooks_`. A
/// database that another tool has migrated, with [`migrations`], is current here too.
///
/// # Errors
///
/// Fails with a [`MigrateError`]: for example if a newer version has migrated the database. Each migration is applied
/// entirely or not at all.
pub async fn migrate<D>(database: D) -> Result<(), MigrateError>
where
    D: TryInto<Database, Error: Into<DatabaseError>>,
{
    match database_of(database)?.0 {
        #[cfg(feature = "postgres")]
        Location::Postgres(address) => Ok(postgres::migrate(address).await?),
        #[cfg(feature = "sqlite")]
        Location::Sqlite(path) => Ok(sqlite::migrate(&path).await?),
    }
}

/// Returns the migrations as SQL, for a tool of the host's own, in the order in which they are applied.
///
/// Each belongs in one transaction. It records itself where [`migrate`] does, so that [`schema_state`] and the system
/// find it; applied twice, it fails and changes nothing. A released migration never changes.
///
/// ```
/// # #[cfg(feature = "postgres")]
/// # fn write() -> std::io::Result<()> {
/// for migration in rdev_webhooks::migrations(rdev_webhooks::DatabaseKind::Postgres) {
///     std::fs::write(format!("migrations/{}.sql", migration.name), &migration.sql)?;
/// }
/// # Ok(())
/// # }
/// ```
#[must_use]
pub fn migrations(kind: DatabaseKind) -> &'static [Migration] {
    match kind {
        #[cfg(feature = "postgres")]
        DatabaseKind::Postgres => postgres::migrations(),
        #[cfg(feature = "sqlite")]
        DatabaseKind::Sqlite => sqlite::migrations(),
    }
}

/// Compares a database's schema with this version's. Changes nothing, and creates no file.
///
/// # Errors
///
/// Fails with an [`OpenError`] if the database cannot be reached or read.
pub async fn schema_state<D>(database: D) -> Result<SchemaState, OpenError>
where
    D: TryInto<Database, Error: Into<DatabaseError>>,
{
    match database_of(database)?.0 {
        #[cfg(feature = "postgres")]
        Location::Postgres(address) => {
            Ok(postgres::schema_state(address).await.map_err(postgres::ConnectError::from)?)
        }
        #[cfg(feature = "sqlite")]
        Location::Sqlite(path) => Ok(sqlite::schema_state(&path).await?),
    }
}
