//! The schema of the database.

use rdev_runner_store::{SchemaError, compare};
use sqlx::SqlitePool;
pub use sqlx::migrate::MigrateError;
use sqlx::migrate::Migrator;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Applies the migrations that the database lacks.
///
/// # Errors
///
/// Fails if a migration does, or if the database has migrations that this program does not have.
pub async fn migrate(pool: &SqlitePool) -> Result<(), MigrateError> {
    MIGRATIONS.run(pool).await
}

/// Checks that the database has exactly the migrations of this program. Writes nothing.
///
/// # Errors
///
/// [`SchemaError`] says what differs.
pub async fn check_schema(pool: &SqlitePool) -> Result<(), SchemaError> {
    let table = "SELECT count(*) FROM sqlite_schema WHERE name = 'runner_migrations'";
    let tables: i64 = sqlx::query_scalar(table).fetch_one(pool).await?;
    let mut applied: Vec<(i64, Vec<u8>)> = Vec::new();
    if tables > 0 {
        let select = "SELECT version, checksum FROM runner_migrations WHERE success ORDER BY version";
        applied = sqlx::query_as(select).fetch_all(pool).await?;
    }
    compare(&MIGRATIONS, &applied)
}
