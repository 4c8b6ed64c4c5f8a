//! The encryption keys that a database needs. For each there is a row with a known text, sealed with that
//! key: a process whose keyring lacks one detects that before it serves.

use rdev_keyring::{Keyring, OpenError, key_check};
use rdev_webhooks_domain::WebhookId;
use rdev_webhooks_domain::ports::StoreError;
use sqlx::Connection;
use uuid::Uuid;

use super::sealing::SECRET;
use crate::connect_error::ConnectError;
use crate::pool::Pool;

/// The maximum number of tries: another process may record its key between the read and the write, and then
/// both are repeated.
const MAX_TRIES: u32 = 5;

struct Check {
    key_id: Vec<u8>,
    key_check: Vec<u8>,
}

struct Sample {
    id: Uuid,
    secret: Vec<u8>,
}

/// Checks that the keyring has every key that the database needs, and records that the database needs the
/// primary key from now on; a new database takes it as its own.
pub(crate) async fn admit(pool: &Pool, keyring: &Keyring) -> Result<(), ConnectError> {
    check_samples(pool, keyring).await?;
    for _ in 0..MAX_TRIES {
        let checks = pool.run(async |conn| read(conn).await).await?;
        for check in &checks {
            key_check::verify(keyring, &check.key_check).map_err(|error| match error {
                OpenError::UnknownKey { key_id } => ConnectError::WrongKey { needed: key_id },
                other => ConnectError::Store(StoreError::Corrupt {
                    table: key_check::COLUMN.table,
                    column: key_check::COLUMN.column,
                    id: format!("{:02x?}", check.key_id),
                    source: other.into(),
                }),
            })?;
        }
        let is_noted = checks.iter().any(|check| !keyring.needs_reseal(&check.key_check));
        if is_noted || note(pool, keyring, checks.len()).await? {
            return Ok(());
        }
    }
    Err(ConnectError::Store(StoreError::Unavailable(
        "other processes are constantly recording encryption keys".into(),
    )))
}

/// Checks one webhook for each key that sealed a webhook's secret: a process may have sealed with a key that
/// was recorded as retired meanwhile.
async fn check_samples(pool: &Pool, keyring: &Keyring) -> Result<(), ConnectError> {
    let samples = pool
        .run(async |conn| {
            sqlx::query_as!(
                Sample,
                "SELECT DISTINCT ON (substring(secret FROM 2 FOR 4)) id, secret
                 FROM rdev_webhooks.webhooks WHERE deleted_at IS NULL"
            )
            .fetch_all(&mut **conn)
            .await
        })
        .await?;
    for Sample { id, secret } in samples {
        let id = WebhookId::from_uuid(id);
        // A damaged secret affects no other webhook: its use will report it.
        if let Err(OpenError::UnknownKey { key_id }) = SECRET.open(keyring, &id, &secret) {
            return Err(ConnectError::WrongKey { needed: key_id });
        }
    }
    Ok(())
}

/// Records the primary key beside the `others` known ones, and returns whether there were still exactly that
/// many.
async fn note(pool: &Pool, keyring: &Keyring, others: usize) -> Result<bool, ConnectError> {
    let key_id = keyring.primary_key_id();
    let sealed =
        key_check::seal(keyring).map_err(|error| ConnectError::Store(StoreError::Internal(error.into())))?;
    pool.run(async |conn| {
        let mut tx = conn.begin().await?;
        // One at a time: two processes with different keys must not both claim a new database.
        sqlx::query!("LOCK TABLE rdev_webhooks.encryption_keys IN SHARE ROW EXCLUSIVE MODE")
            .execute(&mut *tx)
            .await?;
        if read(&mut tx).await?.len() != others {
            return Ok(false);
        }
        sqlx::query!(
            "INSERT INTO rdev_webhooks.encryption_keys (key_id, key_check) VALUES ($1, $2)",
            key_id.as_bytes(),
            sealed
        )
        .execute(&mut *tx)
        .await?;
        tx.commit().await?;
        Ok(true)
    })
    .await
    .map_err(ConnectError::Store)
}

/// Records that no value is sealed with another key than the primary one any more.
pub(crate) async fn retire_others(pool: &Pool, keyring: &Keyring) -> Result<(), StoreError> {
    let key_id = keyring.primary_key_id();
    pool.run(async |conn| {
        sqlx::query!("DELETE FROM rdev_webhooks.encryption_keys WHERE key_id <> $1", key_id.as_bytes())
            .execute(&mut **conn)
            .await
    })
    .await?;
    Ok(())
}

async fn read(conn: &mut sqlx::PgConnection) -> Result<Vec<Check>, sqlx::Error> {
    sqlx::query_as!(Check, "SELECT key_id, key_check FROM rdev_webhooks.encryption_keys")
        .fetch_all(conn)
        .await
}
