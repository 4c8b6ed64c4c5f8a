//! Preparation of a database before it is served.

use std::path::Path;
use std::sync::LazyLock;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::{Migration, SchemaState};
use sqlx::SqliteConnection;
use sqlx::migrate::{MigrateError, Migrator};

use super::OpenError;
use crate::rows::micros;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// The table of applied migrations, in the driver's own form.
const TABLE: &str = "CREATE TABLE IF NOT EXISTS webhooks_migrations (
    version BIGINT PRIMARY KEY,
    description TEXT NOT NULL,
    installed_on TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
    success BOOLEAN NOT NULL,
    checksum BLOB NOT NULL,
    execution_time BIGINT NOT NULL
);
";

/// Migrates the schema.
pub(super) async fn migrate(conn: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let path = path.to_owned();
    MIGRATIONS.run(conn).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => OpenError::Newer { path, version },
        MigrateError::Execute(source) => OpenError::Database { path, source },
        source => OpenError::Migrate { path, source },
    })
}

/// Compares the schema with this version's. Writes nothing.
pub async fn read_state(conn: &mut SqliteConnection) -> Result<SchemaState, sqlx::Error> {
    // The table that sqlx.toml names, which does not exist before the first migration.
    let there: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'webhooks_migrations'")
            .fetch_one(&mut *conn)
            .await?;
    let mut applied = Vec::new();
    if there > 0 {
        let select = "SELECT version, lower(hex(checksum)) FROM webhooks_migrations WHERE success";
        applied = sqlx::query_as(select).fetch_all(conn).await?;
    }
    Ok(SchemaState::compare(&applied, migrations()))
}

/// Returns the migrations of this version, in the order in which they are applied.
pub fn migrations() -> &'static [Migration] {
    static ALL: LazyLock<Vec<Migration>> = LazyLock::new(|| {
        let all = MIGRATIONS.iter().enumerate();
        all.map(|(number, migration)| {
            let table = if number == 0 { TABLE } else { "" };
            let (version, description) = (migration.version, &*migration.description);
            Migration::new(version, description, &migration.checksum, |checksum| {
                format!(
                    "{table}{}\n\nINSERT INTO webhooks_migrations (version, description, success, checksum, execution_time)\n\
                     VALUES ({version}, '{}', true, X'{checksum}', 0);\n",
                    migration.sql.as_str().trim_end(),
                    description.replace('\'', "''"),
                )
            })
        })
        .collect()
    });
    &ALL
}

/// Ends the remaining leases: their holders are dead, or they would have the lock. The tokens stay, so that
/// the next claim records the attempt that was begun.
pub(super) async fn expire_leases(conn: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let now = micros(now);
    sqlx::query!(
        "UPDATE webhooks_deliveries
         SET lease_expires_at = min(lease_expires_at, ?1),
           claimable_at = max(due_at, min(lease_expires_at, ?1))
         WHERE status = 'unfinished' AND lease_token IS NOT NULL",
        now
    )
    .execute(&mut *conn)
    .await?;
    // This also ends the probes of half-open circuits, and the requests in progress.
    sqlx::query!(
        "UPDATE webhooks_endpoint_health SET open_until = ?1 WHERE is_probing AND open_until > ?1",
        now
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "UPDATE webhooks_idempotency_keys SET lease_expires_at = ?1
         WHERE response IS NULL AND lease_expires_at > ?1",
        now
    )
    .execute(conn)
    .await?;
    Ok(())
}
