//! The encryption keys of the values of credentials, and their rotation.

use std::time::Duration;

use rdev_keyring::{
    Keyring, RESEAL_BATCH_SIZE, Replacement, RotationReport, SealedColumn, SealedStore, SealedValue,
};
pub use rdev_runner_store::KeyError;
use rdev_runner_store::check_samples;
use rdev_runner_store::credentials::{VALUES, sealed_id};
use sqlx::SqlitePool;

/// The pause for other writers between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// The name and the number of a version.
type Key = (String, i64);

/// Checks that the keyring has every key that the values of the database need.
///
/// # Errors
///
/// Fails if a key is missing.
pub async fn check_keys(pool: &SqlitePool, keyring: &Keyring) -> Result<(), KeyError> {
    let samples = sqlx::query_scalar!(
        r#"SELECT min(value) AS "value!: Vec<u8>" FROM runner_credential_versions GROUP BY substr(value, 2, 4)"#
    );
    check_samples(keyring, &samples.fetch_all(pool).await?)
}

/// Encrypts all values again that are not encrypted with the primary key. May be stopped at any moment and repeated.
///
/// # Errors
///
/// Fails if a key is missing, or if the database fails.
pub async fn reseal(pool: &SqlitePool, keyring: &Keyring) -> Result<RotationReport, KeyError> {
    check_keys(pool, keyring).await?;
    rdev_keyring::reseal(&mut Values(pool), keyring, &[VALUES]).await
}

/// The encrypted values of a database.
struct Values<'p>(&'p SqlitePool);

struct Row {
    name: String,
    number: i64,
    value: Vec<u8>,
}

impl SealedStore for Values<'_> {
    type Key = Key;
    type Error = KeyError;

    async fn read(
        &mut self,
        _: SealedColumn,
        keyring: &Keyring,
        after: Option<Key>,
    ) -> Result<Vec<SealedValue<Key>>, KeyError> {
        let key_id = keyring.primary_key_id().as_bytes().to_vec();
        let (name, number) = after.unzip();
        let limit = i64::try_from(RESEAL_BATCH_SIZE).unwrap_or(i64::MAX);
        let rows = sqlx::query_as!(
            Row,
            "SELECT name, number, value FROM runner_credential_versions
             WHERE substr(value, 2, 4) <> ?1 AND (?2 IS NULL OR (name, number) > (?2, ?3))
             ORDER BY name, number LIMIT +?4",
            key_id,
            name,
            number,
            limit
        );
        let value = |Row { name, number, value }| SealedValue {
            id: sealed_id(&name, number),
            sealed: value,
            key: (name, number),
        };
        Ok(rows.fetch_all(self.0).await?.into_iter().map(value).collect())
    }

    async fn replace(
        &mut self,
        _: SealedColumn,
        replacements: Vec<Replacement<Key>>,
    ) -> Result<u64, KeyError> {
        let mut tx = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let mut replaced = 0;
        for Replacement { key: (name, number), sealed, resealed } in replacements {
            replaced += sqlx::query!(
                "UPDATE runner_credential_versions SET value = ?4 WHERE name = ?1 AND number = ?2 AND value = ?3",
                name,
                number,
                sealed,
                resealed
            )
            .execute(&mut *tx)
            .await?
            .rows_affected();
        }
        tx.commit().await?;
        Ok(replaced)
    }

    async fn pause(&mut self) {
        tokio::time::sleep(PAUSE).await;
    }
}
