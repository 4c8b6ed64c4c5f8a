//! The schema of the database.

use sqlx::PgPool;
pub use sqlx::migrate::MigrateError;
use sqlx::migrate::Migrator;

static MIGRATIONS: Migrator = sqlx::migrate!();

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

/// Applies the migrations that the database lacks.
///
/// # Errors
///
/// Fails if a migration does, or if the database has migrations that this program does not have.
pub async fn migrate(pool: &PgPool) -> Result<(), MigrateError> {
    MIGRATIONS.run(pool).await
}

/// Checks that the database has exactly the migrations of this program. Writes nothing.
///
/// # Errors
///
/// [`SchemaError`] says what differs.
pub async fn check_schema(pool: &PgPool) -> Result<(), SchemaError> {
    let table = "SELECT count(*) FROM pg_catalog.pg_tables WHERE schemaname = 'rdev_runner' AND tablename = '_migrations'";
    let tables: i64 = sqlx::query_scalar(table).fetch_one(pool).await?;
    let mut applied: Vec<(i64, Vec<u8>)> = Vec::new();
    if tables > 0 {
        let select = "SELECT version, checksum FROM rdev_runner._migrations WHERE success ORDER BY version";
        applied = sqlx::query_as(select).fetch_all(pool).await?;
    }
    for known in MIGRATIONS.iter() {
        match applied.iter().find(|(version, _)| *version == known.version) {
            None => return Err(SchemaError::Older(known.version)),
            Some((version, checksum)) if **checksum != *known.checksum => {
                return Err(SchemaError::Newer(*version));
            }
            Some(_) => {}
        }
    }
    let unknown =
        applied.iter().find(|(version, _)| MIGRATIONS.iter().all(|known| known.version != *version));
    unknown.map_or(Ok(()), |(version, _)| Err(SchemaError::Newer(*version)))
}
