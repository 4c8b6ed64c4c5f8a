//! Rotation of the encryption key: the sealed values of a database.

use rdev_access::sealed;
use rdev_keyring::{
    Keyring, RESEAL_BATCH_SIZE, Replacement, RotationReport, SealError, SealedColumn, SealedStore,
    SealedValue,
};
use rdev_webhooks_domain::WebhookId;
use rdev_webhooks_domain::ports::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, Row};
use uuid::Uuid;

use super::{key_checks, sealing};
use crate::connect_error::ConnectError;
use crate::idempotency;
use crate::pool::Pool;

/// All sealed columns; the tests compare the list with the schema.
const COLUMNS: &[SealedColumn] =
    &[sealing::HEADERS, sealing::SECRET, sealing::PREVIOUS_SECRET, sealed::OPERATION, sealed::RESPONSE];

/// A column of a primary key. It is passed as text in both directions.
enum KeyColumn {
    Uuid(&'static str),
    Bytes(&'static str),
}

/// A row's primary key, as texts.
type Key = Vec<String>;

/// Reseals all values that are not sealed under the primary key, which the database needs from then on; once
/// all are resealed, it needs no other. May be stopped at any moment and restarted.
pub(crate) async fn reseal(pool: &Pool, keyring: &Keyring) -> Result<RotationReport, ConnectError> {
    key_checks::admit(pool, keyring).await?;
    let report = rdev_keyring::reseal(&mut Values(pool), keyring, COLUMNS).await?;
    if report.is_complete() {
        key_checks::retire_others(pool, keyring).await?;
    }
    Ok(report)
}

/// The sealed values of a database.
struct Values<'p>(&'p Pool);

impl From<SealError> for ConnectError {
    fn from(error: SealError) -> Self {
        Self::Store(StoreError::Internal(error.into()))
    }
}

impl SealedStore for Values<'_> {
    type Key = Key;
    type Error = ConnectError;

    async fn read(
        &mut self,
        column: SealedColumn,
        keyring: &Keyring,
        after: Option<Key>,
    ) -> Result<Vec<SealedValue<Key>>, ConnectError> {
        let (SealedColumn { table, column }, key) = (column, primary_key(column));
        let (columns, texts) = (list(key, KeyColumn::name), list(key, KeyColumn::as_text));
        let behind = match &after {
            None => String::new(),
            Some(_) => format!("AND ({columns}) > ({})", parameters(2, key)),
        };
        // A sealed value contains the id of its key after its first byte.
        let statement = format!(
            "SELECT {texts}, {column} FROM rdev_webhooks.{table}
             WHERE {column} IS NOT NULL AND substring({column} FROM 2 FOR 4) <> $1 {behind}
             ORDER BY {columns} LIMIT {RESEAL_BATCH_SIZE}"
        );
        let key_id = keyring.primary_key_id();
        let values = self.0.run(async |conn| {
            let mut query = sqlx::query(AssertSqlSafe(statement)).bind(&key_id.as_bytes()[..]);
            for part in after.into_iter().flatten() {
                query = query.bind(part);
            }
            let rows = query.fetch_all(&mut **conn).await?;
            let value = |row: &PgRow| {
                let read = (0..key.len()).map(|index| row.try_get(index)).collect::<Result<Key, _>>()?;
                let id = id(&read).unwrap_or_default();
                Ok(SealedValue { id, sealed: row.try_get(key.len())?, key: read })
            };
            rows.iter().map(value).collect::<Result<Vec<_>, sqlx::Error>>()
        });
        Ok(values.await?)
    }

    async fn replace(
        &mut self,
        column: SealedColumn,
        replacements: Vec<Replacement<Key>>,
    ) -> Result<u64, ConnectError> {
        let (SealedColumn { table, column }, key) = (column, primary_key(column));
        let (columns, values) = (list(key, KeyColumn::name), parameters(3, key));
        let statement = format!(
            "UPDATE rdev_webhooks.{table} SET {column} = $1 WHERE {column} = $2 AND ({columns}) = ({values})"
        );
        let replaced = self.0.run(async |conn| {
            let mut tx = conn.begin().await?;
            let mut replaced = 0;
            for Replacement { key, sealed, resealed } in replacements {
                let mut query = sqlx::query(AssertSqlSafe(statement.clone())).bind(resealed).bind(sealed);
                for part in key {
                    query = query.bind(part);
                }
                replaced += query.execute(&mut *tx).await?.rows_affected();
            }
            tx.commit().await?;
            Ok(replaced)
        });
        Ok(replaced.await?)
    }
}

/// Returns the columns of the primary key of a sealed column's table.
fn primary_key(column: SealedColumn) -> &'static [KeyColumn] {
    if column.table == sealed::TABLE {
        &[KeyColumn::Uuid("owner"), KeyColumn::Bytes("digest")]
    } else {
        &[KeyColumn::Uuid("id")]
    }
}

/// Returns the id to which the values of a row are bound.
fn id(key: &[String]) -> Option<String> {
    match key {
        [id] => Some(WebhookId::from_uuid(id.parse::<Uuid>().ok()?).to_string()),
        [owner, digest] => Some(idempotency::key(owner.parse().ok()?, digest)?.to_string()),
        _ => None,
    }
}

fn list(key: &[KeyColumn], show: impl Fn(&KeyColumn) -> String) -> String {
    key.iter().map(show).collect::<Vec<_>>().join(", ")
}

/// Returns a parameter for each column of the key, numbered from `from`.
fn parameters(from: usize, key: &[KeyColumn]) -> String {
    let parameters: Vec<_> =
        key.iter().enumerate().map(|(index, column)| column.parameter(from + index)).collect();
    parameters.join(", ")
}

impl KeyColumn {
    fn name(&self) -> String {
        match self {
            Self::Uuid(name) | Self::Bytes(name) => (*name).to_owned(),
        }
    }

    fn as_text(&self) -> String {
        match self {
            Self::Uuid(name) => format!("{name}::text"),
            Self::Bytes(name) => format!("encode({name}, 'hex')"),
        }
    }

    fn parameter(&self, number: usize) -> String {
        match self {
            Self::Uuid(_) => format!("${number}::text::uuid"),
            Self::Bytes(_) => format!("decode(${number}, 'hex')"),
        }
    }
}
