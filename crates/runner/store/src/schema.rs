//! The schema of a database.

use sqlx::migrate::Migrator;

/// The reason why a database cannot be used by this program.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// The database lacks migrations.
    #[error("the database lacks the runner's migration {0}: migrate it first")]
    Older(i64),
    /// The database has a migration that is not this program's.
    #[error(
        "the database has the runner's migration {0}, which is not one of this program: run the release that migrated it"
    )]
    Newer(i64),
    /// The database cannot be read.
    #[error("the database cannot be read")]
    Database(#[from] sqlx::Error),
}

/// Checks that these migrations, with their checksums, are exactly those of the program.
///
/// # Errors
///
/// [`SchemaError`] says what differs.
pub fn compare(migrations: &Migrator, applied: &[(i64, Vec<u8>)]) -> Result<(), SchemaError> {
    for known in migrations.iter() {
        match applied.iter().find(|(version, _)| *version == known.version) {
            None => return Err(SchemaError::Older(known.version)),
            Some((version, checksum)) if **checksum != *known.checksum => {
                return Err(SchemaError::Newer(*version));
            }
            Some(_) => {}
        }
    }
    let unknown =
        applied.iter().find(|(version, _)| migrations.iter().all(|known| known.version != *version));
    unknown.map_or(Ok(()), |(version, _)| Err(SchemaError::Newer(*version)))
}
