//! The schema of the database.

use rdev_runner_store::{SchemaError, compare};
use sqlx::PgPool;
pub use sqlx::migrate::MigrateError;
use sqlx::migrate::Migrator;

static MIGRATIONS: Migrator = sqlx::migrate!();

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
    compare(&MIGRATIONS, &applied)
}
