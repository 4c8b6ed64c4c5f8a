//! Rotation of the encryption key: the sealed values of a database.

use std::path::Path;
use std::time::Duration;

use rdev_access::sealed;
use rdev_keyring::{
    Keyring, RESEAL_BATCH_SIZE, Replacement, RotationReport, SealError, SealedColumn, SealedStore,
    SealedValue,
};
use rdev_webhooks_domain::WebhookId;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use uuid::Uuid;

use super::{key_checks, sealing};
use crate::{OpenError, idempotency};

/// The pause for other writers between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// All sealed columns; the tests compare the list with the schema.
const COLUMNS: &[SealedColumn] =
    &[sealing::HEADERS, sealing::SECRET, sealing::PREVIOUS_SECRET, sealed::OPERATION, sealed::RESPONSE];

/// A row's primary key: the values of its columns, all of them blobs.
type Key = Vec<Vec<u8>>;

/// Reseals all values that are not sealed under the primary key, which the database needs from then on; once
/// all are resealed, it needs no other. May be stopped at any moment and restarted.
pub(crate) async fn reseal(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    path: &Path,
) -> Result<RotationReport, OpenError> {
    key_checks::admit(conn, keyring, path).await?;
    let report = rdev_keyring::reseal(&mut Values(&mut *conn), keyring, COLUMNS).await;
    let report = report.map_err(|error| match error {
        ResealError::Database(source) => OpenError::Database { path: path.to_owned(), source },
        ResealError::Seal(error) => OpenError::sealing(path.to_owned(), &error),
    })?;
    if report.is_complete() {
        let retired = key_checks::retire_others(conn, keyring).await;
        retired.map_err(|source| OpenError::Database { path: path.to_owned(), source })?;
    }
    Ok(report)
}

#[derive(Debug)]
enum ResealError {
    Database(sqlx::Error),
    Seal(SealError),
}

impl From<sqlx::Error> for ResealError {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<SealError> for ResealError {
    fn from(error: SealError) -> Self {
        Self::Seal(error)
    }
}

/// The sealed values of a database.
struct Values<'c>(&'c mut SqliteConnection);

impl SealedStore for Values<'_> {
    type Key = Key;
    type Error = ResealError;

    async fn read(
        &mut self,
        column: SealedColumn,
        keyring: &Keyring,
        after: Option<Key>,
    ) -> Result<Vec<SealedValue<Key>>, ResealError> {
        let (SealedColumn { table, column }, key) = (column, primary_key(column));
        let columns = key.join(", ");
        let behind = match &after {
            None => String::new(),
            Some(_) => format!("AND ({columns}) > ({})", parameters(2, key.len())),
        };
        // A sealed value contains the id of its key after its first byte. A deleted webhook's values are
        // empty.
        let statement = format!(
            "SELECT {columns}, {column} FROM webhooks_{table}
             WHERE length({column}) > 0 AND substr({column}, 2, 4) <> ?1 {behind}
             ORDER BY {columns} LIMIT {RESEAL_BATCH_SIZE}"
        );
        let mut query =
            sqlx::query(AssertSqlSafe(statement)).bind(keyring.primary_key_id().as_bytes().to_vec());
        for part in after.into_iter().flatten() {
            query = query.bind(part);
        }
        let rows = query.fetch_all(&mut *self.0).await?;
        let blob = |row: &SqliteRow, index: usize| row.try_get::<Vec<u8>, _>(index);
        let values = rows.iter().map(|row| {
            let key = (0..key.len()).map(|index| blob(row, index)).collect::<Result<Key, _>>()?;
            Ok(SealedValue { id: id(&key).unwrap_or_default(), sealed: blob(row, key.len())?, key })
        });
        values.collect()
    }

    async fn replace(
        &mut self,
        column: SealedColumn,
        replacements: Vec<Replacement<Key>>,
    ) -> Result<u64, ResealError> {
        let (SealedColumn { table, column }, key) = (column, primary_key(column));
        let (columns, values) = (key.join(", "), parameters(3, key.len()));
        let statement = format!(
            "UPDATE webhooks_{table} SET {column} = ?1 WHERE {column} = ?2 AND ({columns}) = ({values})"
        );
        let mut transaction = self.0.begin_with("BEGIN IMMEDIATE").await?;
        let mut replaced = 0;
        for Replacement { key, sealed, resealed } in replacements {
            let mut query = sqlx::query(AssertSqlSafe(statement.clone())).bind(resealed).bind(sealed);
            for part in key {
                query = query.bind(part);
            }
            replaced += query.execute(&mut *transaction).await?.rows_affected();
        }
        transaction.commit().await?;
        Ok(replaced)
    }

    async fn pause(&mut self) {
        tokio::time::sleep(PAUSE).await;
    }
}

/// Returns the columns of the primary key of a sealed column's table.
fn primary_key(column: SealedColumn) -> &'static [&'static str] {
    if column.table == sealed::TABLE { &["owner", "digest"] } else { &["id"] }
}

/// Returns the id to which the values of a row are bound.
fn id(key: &[Vec<u8>]) -> Option<String> {
    match key {
        [id] => Some(WebhookId::from_uuid(Uuid::from_slice(id).ok()?).to_string()),
        [owner, digest] => Some(idempotency::key(owner, digest)?.to_string()),
        _ => None,
    }
}

/// Returns `count` parameters, numbered from `from`.
fn parameters(from: usize, count: usize) -> String {
    let parameters: Vec<_> = (from..from + count).map(|number| format!("?{number}")).collect();
    parameters.join(", ")
}
