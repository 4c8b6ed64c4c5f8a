//! The encryption keys that a database needs. For each there is a row in `meta` with a known text, sealed
//! with that key: a keyring that lacks one is detected before anything is served.

use std::path::Path;

use rdev_keyring::{Keyring, OpenError as UnsealError};
use sqlx::SqliteConnection;

use crate::OpenError;

/// The prefix of the rows' names; the key's id follows.
const NAME: &str = "key_check";

/// The sealed text. Its content is public; that it opens proves the key.
const TEXT: &[u8] = b"rdev-webhooks";

const ASSOCIATED_DATA: &[u8] = b"meta.value key_check";

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
        keyring.open(&check.value, ASSOCIATED_DATA).map_err(|error| match error {
            UnsealError::UnknownKey { key_id } => {
                OpenError::WrongKey { path: path.to_owned(), needed: key_id }
            }
            other => OpenError::Secrets { path: path.to_owned(), reason: other.to_string() },
        })?;
        is_noted |= !keyring.needs_reseal(&check.value);
    }
    if is_noted {
        return Ok(());
    }
    let sealed =
        keyring.seal(TEXT, ASSOCIATED_DATA).map_err(|error| OpenError::sealing(path.to_owned(), &error))?;
    let name = format!("{NAME}_{}", keyring.primary_key_id());
    sqlx::query!("INSERT OR REPLACE INTO meta (name, value) VALUES (?1, ?2)", name, sealed)
        .execute(conn)
        .await
        .map_err(failed)?;
    Ok(())
}

/// Records that no value is sealed with another key than the primary one any more.
pub(crate) async fn retire_others(conn: &mut SqliteConnection, keyring: &Keyring) -> Result<(), sqlx::Error> {
    for check in read(conn).await? {
        if keyring.needs_reseal(&check.value) {
            sqlx::query!("DELETE FROM meta WHERE name = ?1", check.name).execute(&mut *conn).await?;
        }
    }
    Ok(())
}

struct Check {
    name: String,
    value: Vec<u8>,
}

async fn read(conn: &mut SqliteConnection) -> Result<Vec<Check>, sqlx::Error> {
    sqlx::query_as!(Check, "SELECT name, value FROM meta WHERE name GLOB 'key_check*'").fetch_all(conn).await
}
