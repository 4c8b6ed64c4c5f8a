//! Which encryption keys a database needs. For each there is a row in `meta` that holds a known text, sealed with
//! it: so a keyring that lacks one is found out before anything is served.

use std::path::Path;

use rdev_keyring::{Keyring, OpenError as UnsealError};
use sqlx::SqliteConnection;

use crate::OpenError;

/// What the rows' names begin with; the key's id follows.
const NAME: &str = "key_check";

/// What is sealed: the text itself says nothing, that it opens says all.
const TEXT: &[u8] = b"rdev-webhooks";

const ASSOCIATED_DATA: &[u8] = b"meta.value key_check";

/// Makes sure that the keyring has every key that the database needs, and notes that from now on it needs the
/// primary one; a new database takes it as its own.
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

/// Notes that nothing is sealed with another key than the primary one any more.
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
