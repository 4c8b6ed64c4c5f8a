//! The encryption of secrets at rest.

use rdev_keyring::{Keyring, RotationReport};

use crate::database::{Location, database_of};
use crate::{Database, DatabaseError, OpenError};

/// Re-encrypts everything in a database with the keyring's primary key, while processes serve on it, and
/// returns a report. Afterwards, if everything could be read, the other keys are no longer needed.
///
/// It can be interrupted at any moment and started again. The processes that serve meanwhile must have both
/// keys, the new one first: a value that one of them encrypts with the old key meanwhile makes another run
/// necessary.
///
/// # Errors
///
/// Fails with an [`OpenError`]. Nothing has changed if the keyring lacks a key that the database is known to
/// need.
pub async fn rekey<D>(database: D, keyring: &Keyring) -> Result<RotationReport, OpenError>
where
    D: TryInto<Database, Error: Into<DatabaseError>>,
{
    match database_of(database)?.0 {
        #[cfg(feature = "postgres")]
        Location::Postgres(address) => Ok(rdev_webhooks_store_postgres::rekey(address, keyring).await?),
        #[cfg(feature = "sqlite")]
        Location::Sqlite(path) => Ok(rdev_webhooks_store_sqlite::rekey(&path, keyring).await?),
    }
}

/// Returns whether the embedded database at a path was never served, so that no encryption key belongs to it.
///
/// # Errors
///
/// Fails if the file cannot be read.
#[cfg(feature = "sqlite")]
pub async fn is_unsealed(path: &std::path::Path) -> Result<bool, OpenError> {
    Ok(rdev_webhooks_store_sqlite::is_unsealed(path).await?)
}
