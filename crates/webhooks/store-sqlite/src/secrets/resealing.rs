//! Rotation of the encryption key: values sealed under another key than the primary one are resealed, in
//! steps that let other tasks write in between.

use std::path::Path;
use std::time::Duration;

use rdev_keyring::{Keyring, RotationReport, RotationTally};
use rdev_webhooks_domain::WebhookId;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Connection, Row, SqliteConnection};
use uuid::Uuid;

use super::key_checks;
use crate::secrets::sealing::{self, associated_data};
use crate::webhooks::rows as webhook;
use crate::{OpenError, idempotency};

/// The maximum number of values that one transaction replaces.
const STEP: usize = 200;

/// The pause for other writers between two steps.
const PAUSE: Duration = Duration::from_millis(20);

/// The maximum number of passes: a process could seal with another key forever.
const MAX_PASSES: u32 = 10;

/// A column of sealed values.
struct Sealed {
    /// Without the prefix.
    table: &'static str,
    column: &'static str,
    /// The primary key's columns, all of them blobs.
    key: &'static [&'static str],
    /// The id to which the values are bound, besides table and column, derived from the primary key.
    id: fn(&[Vec<u8>]) -> Option<String>,
}

/// All sealed columns; the tests compare the list with the schema.
const SEALED: &[Sealed] = &[
    Sealed { table: webhook::TABLE, column: sealing::HEADERS, key: &["id"], id: webhook_id },
    Sealed { table: webhook::TABLE, column: sealing::SECRET, key: &["id"], id: webhook_id },
    Sealed { table: webhook::TABLE, column: sealing::PREVIOUS_SECRET, key: &["id"], id: webhook_id },
    Sealed {
        table: idempotency::TABLE,
        column: idempotency::OPERATION,
        key: IDEMPOTENCY,
        id: idempotency_key,
    },
    Sealed {
        table: idempotency::TABLE,
        column: idempotency::RESPONSE,
        key: IDEMPOTENCY,
        id: idempotency_key,
    },
];

const IDEMPOTENCY: &[&str] = &["owner", "digest"];

fn idempotency_key(key: &[Vec<u8>]) -> Option<String> {
    let [owner, digest] = key else {
        return None;
    };
    Some(idempotency::key(owner, digest)?.to_string())
}

fn webhook_id(key: &[Vec<u8>]) -> Option<String> {
    let id = Uuid::from_slice(key.first()?).ok()?;
    Some(WebhookId::from_uuid(id).to_string())
}

/// Reseals all values that are not sealed under the primary key, which the database needs from then on; once
/// all are resealed, it needs no other. May be stopped at any moment and restarted.
pub(crate) async fn reseal(
    conn: &mut SqliteConnection,
    keyring: &Keyring,
    path: &Path,
) -> Result<RotationReport, OpenError> {
    key_checks::admit(conn, keyring, path).await?;
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let mut report = RotationReport::default();
    for column in SEALED {
        let mut resealed = 0;
        // The next pass finds values that were sealed during the previous one.
        for pass in 1.. {
            let mut tally = RotationTally::default();
            let mut after = None;
            loop {
                after = column.step(conn, keyring, path, after, &mut tally).await?;
                if after.is_none() {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
            resealed += tally.resealed;
            if tally.resealed == 0 || pass == MAX_PASSES {
                let place = format!("{}.{}", column.table, column.column);
                report.places.push((place, RotationTally { resealed, ..tally }));
                break;
            }
        }
    }
    if report.is_complete() {
        key_checks::retire_others(conn, keyring).await.map_err(failed)?;
    }
    Ok(report)
}

impl Sealed {
    /// Reseals the next values, those after the primary key `after`, and returns where to continue.
    async fn step(
        &self,
        conn: &mut SqliteConnection,
        keyring: &Keyring,
        path: &Path,
        after: Option<Vec<Vec<u8>>>,
        tally: &mut RotationTally,
    ) -> Result<Option<Vec<Vec<u8>>>, OpenError> {
        let failed = |source| OpenError::Database { path: path.to_owned(), source };
        let mut transaction = conn.begin_with("BEGIN IMMEDIATE").await.map_err(failed)?;
        let rows = self.read(&mut transaction, keyring, after).await.map_err(failed)?;
        let is_full = rows.len() == STEP;
        let mut last = None;
        for (key, sealed) in rows {
            let id = (self.id)(&key).unwrap_or_default();
            let data = associated_data(self.table, self.column, &id);
            let resealed = tally.reseal(keyring, &sealed, data.as_bytes());
            let resealed = resealed.map_err(|error| OpenError::sealing(path.to_owned(), &error))?;
            if let Some(resealed) = resealed {
                tally.resealed +=
                    self.replace(&mut transaction, &key, &sealed, resealed).await.map_err(failed)?;
            }
            last = Some(key);
        }
        transaction.commit().await.map_err(failed)?;
        Ok(last.filter(|_| is_full))
    }

    async fn read(
        &self,
        conn: &mut SqliteConnection,
        keyring: &Keyring,
        after: Option<Vec<Vec<u8>>>,
    ) -> Result<Vec<(Vec<Vec<u8>>, Vec<u8>)>, sqlx::Error> {
        let Self { table, column, key, .. } = self;
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
             ORDER BY {columns} LIMIT {STEP}"
        );
        let mut query =
            sqlx::query(AssertSqlSafe(statement)).bind(keyring.primary_key_id().as_bytes().to_vec());
        for part in after.into_iter().flatten() {
            query = query.bind(part);
        }
        let rows = query.fetch_all(conn).await?;
        let blob = |row: &SqliteRow, place: usize| row.try_get::<Vec<u8>, _>(place);
        rows.iter()
            .map(|row| {
                let key = (0..key.len()).map(|place| blob(row, place)).collect::<Result<_, _>>()?;
                Ok((key, blob(row, self.key.len())?))
            })
            .collect()
    }

    /// Replaces values unless they have changed meanwhile; returns how many it replaced.
    async fn replace(
        &self,
        conn: &mut SqliteConnection,
        key: &[Vec<u8>],
        sealed: &[u8],
        resealed: Vec<u8>,
    ) -> Result<u64, sqlx::Error> {
        let Self { table, column, .. } = self;
        let (columns, values) = (self.key.join(", "), parameters(3, key.len()));
        let statement = format!(
            "UPDATE webhooks_{table} SET {column} = ?1 WHERE {column} = ?2 AND ({columns}) = ({values})"
        );
        let mut query = sqlx::query(AssertSqlSafe(statement)).bind(resealed).bind(sealed.to_vec());
        for part in key {
            query = query.bind(part.clone());
        }
        Ok(query.execute(conn).await?.rows_affected())
    }
}

/// Returns `count` parameters, numbered from `from`.
fn parameters(from: usize, count: usize) -> String {
    let parameters: Vec<_> = (from..from + count).map(|number| format!("?{number}")).collect();
    parameters.join(", ")
}
