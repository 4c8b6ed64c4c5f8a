//! Preparation of a database before it is served.

use std::path::Path;

use rdev_webhooks_domain::Timestamp;
use sqlx::SqliteConnection;
use sqlx::migrate::{MigrateError, Migrator};

use super::OpenError;
use crate::rows::micros;

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Migrates the schema.
pub(super) async fn migrate(conn: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let path = path.to_owned();
    MIGRATIONS.run(conn).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => OpenError::Newer { path, version },
        MigrateError::Execute(source) => OpenError::Database { path, source },
        source => OpenError::Migrate { path, source },
    })
}

/// Returns whether the schema is this version's. Unlike [`migrate`] it writes nothing.
pub(super) async fn is_current(conn: &mut SqliteConnection) -> Result<bool, sqlx::Error> {
    // The table that sqlx.toml names, which does not exist before the first migration.
    let there: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_schema WHERE name = 'webhooks_migrations'")
            .fetch_one(&mut *conn)
            .await?;
    if there == 0 {
        return Ok(false);
    }
    let found: Option<i64> = sqlx::query_scalar("SELECT max(version) FROM webhooks_migrations WHERE success")
        .fetch_one(conn)
        .await?;
    Ok(found == MIGRATIONS.iter().map(|migration| migration.version).max())
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
