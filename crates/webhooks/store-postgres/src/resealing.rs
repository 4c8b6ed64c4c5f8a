//! Rotation of the encryption key: values sealed under another key than the primary one are resealed, in
//! steps, while processes serve.

use rdev_keyring::{Keyring, RotationReport, RotationTally, SealError};
use rdev_webhooks_domain::WebhookId;
use rdev_webhooks_domain::ports::StoreError;
use sqlx::postgres::PgRow;
use sqlx::{AssertSqlSafe, Connection, PgConnection, Row};
use uuid::Uuid;

use crate::connect::{ConnectError, Pool};
use crate::sealing::{Sealed, place};
use crate::{idempotency, key_checks};

/// The maximum number of values that one transaction replaces.
const STEP: usize = 200;

/// The maximum number of passes: a process could seal with another key forever.
const MOST_PASSES: u32 = 10;

/// A column of sealed values.
struct Column {
    table: &'static str,
    column: &'static str,
    /// The primary key's columns.
    key: &'static [KeyPart],
    /// The id to which the values are bound, besides table and column, derived from the primary key.
    id: fn(&[String]) -> Option<String>,
}

/// A column of a primary key. It is passed as text in both directions.
enum KeyPart {
    Uuid(&'static str),
    Bytes(&'static str),
}

/// All sealed columns; the tests compare the list with the schema.
const SEALED: &[Column] = &[
    Column { table: "webhooks", column: Sealed::Headers.column(), key: WEBHOOK, id: webhook_id },
    Column { table: "webhooks", column: Sealed::Secret.column(), key: WEBHOOK, id: webhook_id },
    Column { table: "webhooks", column: Sealed::PreviousSecret.column(), key: WEBHOOK, id: webhook_id },
    Column {
        table: idempotency::TABLE,
        column: idempotency::OPERATION,
        key: IDEMPOTENCY,
        id: idempotency_key,
    },
    Column { table: idempotency::TABLE, column: idempotency::ANSWER, key: IDEMPOTENCY, id: idempotency_key },
];

const IDEMPOTENCY: &[KeyPart] = &[KeyPart::Uuid("owner"), KeyPart::Bytes("digest")];

fn idempotency_key(key: &[String]) -> Option<String> {
    let [owner, digest] = key else {
        return None;
    };
    Some(idempotency::key(owner.parse().ok()?, digest)?.to_string())
}

const WEBHOOK: &[KeyPart] = &[KeyPart::Uuid("id")];

fn webhook_id(key: &[String]) -> Option<String> {
    let id: Uuid = key.first()?.parse().ok()?;
    Some(WebhookId::from_uuid(id).to_string())
}

/// A row's primary key, as texts.
type Key = Vec<String>;

/// A row's key, the value that was read from it, and its replacement.
type Replacement = (Key, Vec<u8>, Vec<u8>);

/// Reseals all values that are not sealed under the primary key, which the database needs from then on; once
/// all are resealed, it needs no other. May be stopped at any moment and restarted.
pub(crate) async fn reseal(pool: &Pool, keyring: &Keyring) -> Result<RotationReport, ConnectError> {
    key_checks::admit(pool, keyring).await?;
    let mut report = RotationReport::default();
    for column in SEALED {
        let mut resealed = 0;
        // The next pass finds values that were sealed during the previous one.
        for pass in 1.. {
            let mut tally = RotationTally::default();
            let mut after = None;
            loop {
                after = column.step(pool, keyring, after, &mut tally).await.map_err(ConnectError::Store)?;
                if after.is_none() {
                    break;
                }
            }
            resealed += tally.resealed;
            if tally.resealed == 0 || pass == MOST_PASSES {
                let place = format!("{}.{}", column.table, column.column);
                report.places.push((place, RotationTally { resealed, ..tally }));
                break;
            }
        }
    }
    if report.is_complete() {
        key_checks::retire_others(pool, keyring).await.map_err(ConnectError::Store)?;
    }
    Ok(report)
}

impl Column {
    /// Reseals the next values, those after the primary key `after`, and returns where to continue.
    async fn step(
        &self,
        pool: &Pool,
        keyring: &Keyring,
        after: Option<Key>,
        tally: &mut RotationTally,
    ) -> Result<Option<Key>, StoreError> {
        let rows = pool.run(async |conn| self.read(conn, keyring, after.as_deref()).await).await?;
        let next = rows.last().filter(|_| rows.len() == STEP).map(|(key, _)| key.clone());
        let resealed = self.seal(keyring, rows, tally).map_err(|error| StoreError::Internal(error.into()))?;
        tally.resealed += pool
            .run(async |conn| {
                let mut tx = conn.begin().await?;
                let mut replaced = 0;
                for (key, sealed, resealed) in &resealed {
                    replaced += self.replace(&mut tx, key, sealed, resealed).await?;
                }
                tx.commit().await?;
                Ok(replaced)
            })
            .await?;
        Ok(next)
    }

    /// Returns the values to replace, with their replacements.
    fn seal(
        &self,
        keyring: &Keyring,
        rows: Vec<(Key, Vec<u8>)>,
        tally: &mut RotationTally,
    ) -> Result<Vec<Replacement>, SealError> {
        let mut resealed = Vec::with_capacity(rows.len());
        for (key, sealed) in rows {
            let place = place(self.table, self.column, &(self.id)(&key).unwrap_or_default());
            if let Some(fresh) = tally.reseal(keyring, &sealed, place.as_bytes())? {
                resealed.push((key, sealed, fresh));
            }
        }
        Ok(resealed)
    }

    async fn read(
        &self,
        conn: &mut PgConnection,
        keyring: &Keyring,
        after: Option<&[String]>,
    ) -> Result<Vec<(Key, Vec<u8>)>, sqlx::Error> {
        let Self { table, column, .. } = self;
        let columns = self.columns(KeyPart::name);
        let behind = match after {
            None => String::new(),
            Some(_) => format!("AND ({columns}) > ({})", self.parameters(2)),
        };
        // A sealed value contains the id of its key after its first byte.
        let statement = format!(
            "SELECT {}, {column} FROM rdev_webhooks.{table}
             WHERE {column} IS NOT NULL AND substring({column} FROM 2 FOR 4) <> $1 {behind}
             ORDER BY {columns} LIMIT {STEP}",
            self.columns(KeyPart::as_text),
        );
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(&keyring.primary_key_id().as_bytes()[..]);
        for part in after.unwrap_or_default() {
            query = query.bind(part);
        }
        let rows = query.fetch_all(conn).await?;
        let key = |row: &PgRow| (0..self.key.len()).map(|place| row.try_get(place)).collect::<Result<_, _>>();
        rows.iter().map(|row| Ok((key(row)?, row.try_get(self.key.len())?))).collect()
    }

    /// Replaces values unless they have changed meanwhile; returns how many it replaced.
    async fn replace(
        &self,
        conn: &mut PgConnection,
        key: &[String],
        sealed: &[u8],
        resealed: &[u8],
    ) -> Result<u64, sqlx::Error> {
        let Self { table, column, .. } = self;
        let (columns, values) = (self.columns(KeyPart::name), self.parameters(3));
        let statement = format!(
            "UPDATE rdev_webhooks.{table} SET {column} = $1 WHERE {column} = $2 AND ({columns}) = ({values})"
        );
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(resealed).bind(sealed);
        for part in key {
            query = query.bind(part);
        }
        Ok(query.execute(conn).await?.rows_affected())
    }

    fn columns(&self, show: impl Fn(&KeyPart) -> String) -> String {
        self.key.iter().map(show).collect::<Vec<_>>().join(", ")
    }

    /// Returns a parameter for each part of the key, numbered from `from`.
    fn parameters(&self, from: usize) -> String {
        let parameters: Vec<_> =
            self.key.iter().enumerate().map(|(place, part)| part.parameter(from + place)).collect();
        parameters.join(", ")
    }
}

impl KeyPart {
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
