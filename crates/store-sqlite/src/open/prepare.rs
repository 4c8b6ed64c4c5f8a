//! What happens to a database before it is served.

use std::path::Path;

use rdev_webhooks_domain::Timestamp;
use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_keyring::{Keyring, OpenError as UnsealError};
use sqlx::migrate::MigrateError;
use sqlx::{Connection, SqliteConnection};

use super::OpenError;
use crate::rows::{micros, webhook};
use crate::sealing;

/// The row of `meta` that tells whether a keyring is the right one.
const KEY_CHECK: &str = "key_check";

/// What is sealed in it: the text itself says nothing, that it opens says all.
const KEY_CHECK_TEXT: &[u8] = b"rdev-webhooks";

/// Brings the schema up to date.
pub(super) async fn migrate(conn: &mut SqliteConnection, path: &Path) -> Result<(), OpenError> {
    let path = path.to_owned();
    let migrator = sqlx::migrate!("../../migrations/sqlite");
    migrator.run(conn).await.map_err(|error| match error {
        MigrateError::VersionMissing(version) => OpenError::Newer { path, version },
        MigrateError::Execute(source) => OpenError::Database { path, source },
        source => OpenError::Migrate { path, source },
    })
}

/// Makes sure that the keyring opens what the database holds; a new database takes it as its own.
pub(super) async fn check_key(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    path: &Path,
) -> Result<(), OpenError> {
    let path = || path.to_owned();
    let failed = |source| OpenError::Database { path: path(), source };
    let associated_data = format!("meta.value {KEY_CHECK}");
    let sealed = sqlx::query_scalar!("SELECT value FROM meta WHERE name = ?1", KEY_CHECK)
        .fetch_optional(&mut *conn)
        .await
        .map_err(failed)?;
    if let Some(sealed) = &sealed {
        let opened = keyring.open(sealed, associated_data.as_bytes());
        opened.map_err(|error| match error {
            UnsealError::UnknownKey { key_id } => OpenError::WrongKey { path: path(), needed: key_id },
            other => OpenError::Secrets { path: path(), reason: other.to_string() },
        })?;
        if !keyring.needs_reseal(sealed) {
            return Ok(());
        }
    }
    let sealed = keyring
        .seal(KEY_CHECK_TEXT, associated_data.as_bytes())
        .map_err(|error| OpenError::sealing(path(), &error))?;
    sqlx::query!("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", KEY_CHECK, sealed)
        .execute(conn)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Seals anew what is not sealed with the primary key, so that the key before it can be dropped from the
/// list. What does not open stays as it is: using it will say so.
pub(super) async fn reseal(conn: &mut SqliteConnection, keyring: &Keyring) -> Result<(), sqlx::Error> {
    let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await?;
    let rows =
        sqlx::query!("SELECT id, headers, secret, previous_secret FROM webhooks WHERE deleted_at IS NULL")
            .fetch_all(&mut *transaction)
            .await?;
    for row in rows {
        let resealed = || -> Result<_, StoreError> {
            let id = webhook::id(&row.id)?;
            let previous = row.previous_secret.as_deref();
            let previous =
                previous.map(|sealed| sealing::reseal(keyring, sealing::PREVIOUS_SECRET, id, sealed));
            Ok((
                sealing::reseal(keyring, sealing::HEADERS, id, &row.headers)?,
                sealing::reseal(keyring, sealing::SECRET, id, &row.secret)?,
                previous.transpose()?.flatten(),
            ))
        };
        let (headers, secret, previous_secret) = match resealed() {
            Ok((None, None, None)) => continue,
            Ok(resealed) => resealed,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a secret cannot be sealed anew");
                continue;
            }
        };
        sqlx::query!(
            "UPDATE webhooks SET headers = coalesce(?2, headers), secret = coalesce(?3, secret),
               previous_secret = coalesce(?4, previous_secret)
             WHERE id = ?1",
            row.id,
            headers,
            secret,
            previous_secret
        )
        .execute(&mut *transaction)
        .await?;
    }
    transaction.commit().await
}

/// Ends the leases that are left: whoever had them is dead, or it would have the lock. The tokens stay, so
/// that whoever takes a delivery over records the attempt that was begun.
pub(super) async fn expire_leases(conn: &mut SqliteConnection, now: Timestamp) -> Result<(), sqlx::Error> {
    let now = micros(now);
    sqlx::query!(
        "UPDATE deliveries
         SET lease_expires_at = min(lease_expires_at, ?1),
           claimable_at = max(due_at, min(lease_expires_at, ?1))
         WHERE status = 'unfinished' AND lease_token IS NOT NULL",
        now
    )
    .execute(&mut *conn)
    .await?;
    // And with them ended the probes of half-open circuits.
    sqlx::query!("UPDATE webhook_health SET open_until = ?1 WHERE probing AND open_until > ?1", now)
        .execute(conn)
        .await?;
    Ok(())
}
