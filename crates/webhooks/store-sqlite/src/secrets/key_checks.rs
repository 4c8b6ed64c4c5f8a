//! The encryption keys that a database needs. For each there is a row with a known text, sealed with that
//! key: a keyring that lacks one is detected before anything is served.

use std::path::Path;

use rdev_keyring::{Keyring, OpenError as UnsealError, key_check};
use sqlx::SqliteConnection;

use crate::OpenError;

/// Checks that the keyring has every key that the database needs, and records that the database needs the
/// primary key from now on; a new database takes it as its own.
pub(crate) async fn admit(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    path: &Path,
) -> Result<(), OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let mut is_noted = false;
    for check in read(conn).await.map_err(failed)? {
        key_check::verify(keyring, &check.key_check).map_err(|error| match error {
            UnsealError::UnknownKey { key_id } => {
                OpenError::WrongKey { path: path.to_owned(), needed: key_id }
            }
            other => OpenError::Secrets { path: path.to_owned(), reason: other.to_string() },
        })?;
        is_noted |= !keyring.needs_reseal(&check.key_check);
    }
    if is_noted {
        return Ok(());
    }
    let sealed = key_check::seal(keyring).map_err(|error| OpenError::sealing(path.to_owned(), &error))?;
    let key_id = keyring.primary_key_id().as_bytes().to_vec();
    sqlx::query!(
        "INSERT OR REPLACE INTO webhooks_encryption_keys (key_id, key_check) VALUES (?1, ?2)",
        key_id,
        sealed
    )
    .execute(conn)
    .await
    .map_err(failed)?;
    Ok(())
}

/// Records that no value is sealed with another key than the primary one any more.
pub(crate) async fn retire_others(conn: &mut SqliteConnection, keyring: &Keyring) -> Result<(), sqlx::Error> {
    for check in read(conn).await? {
        if keyring.needs_reseal(&check.key_check) {
            sqlx::query!("DELETE FROM webhooks_encryption_keys WHERE key_id = ?1", check.key_id)
                .execute(&mut *conn)
                .await?;
        }
    }
    Ok(())
}

struct Check {
    key_id: Vec<u8>,
    key_check: Vec<u8>,
}

async fn read(conn: &mut SqliteConnection) -> Result<Vec<Check>, sqlx::Error> {
    sqlx::query_as!(Check, "SELECT key_id, key_check FROM webhooks_encryption_keys").fetch_all(conn).await
}
