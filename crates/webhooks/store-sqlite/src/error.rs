//! Maps SQLite's errors to the ports' errors. They name tables without the prefix `webhooks_`, as the other
//! store names them.

use std::fmt;
use std::str::FromStr;

use rdev_webhooks_domain::ports::{PublicCause, StoreError};
use uuid::Uuid;

use crate::files::Unwritable;

type Source = Box<dyn std::error::Error + Send + Sync>;

// SQLite's primary result codes, <https://www.sqlite.org/rescode.html>.
const BUSY: u32 = 5;
const LOCKED: u32 = 6;
const NOMEM: u32 = 7;
const READONLY: u32 = 8;
const INTERRUPT: u32 = 9;
const IOERR: u32 = 10;
const CORRUPT: u32 = 11;
const FULL: u32 = 13;
const CANTOPEN: u32 = 14;
const PROTOCOL: u32 = 15;
const NOTADB: u32 = 26;

/// An error within the store: what a port reports, or an error of the driver, which is mapped to it. Each port
/// method converts it once.
#[derive(Debug)]
pub(crate) struct DbError(StoreError);

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        Self(database(error))
    }
}

impl From<StoreError> for DbError {
    fn from(error: StoreError) -> Self {
        Self(error)
    }
}

impl From<DbError> for StoreError {
    fn from(error: DbError) -> Self {
        error.0
    }
}

/// Maps an error of the driver.
pub(crate) fn database(error: sqlx::Error) -> StoreError {
    use sqlx::Error as E;
    match error {
        E::Database(refused) => match primary_code(refused.as_ref()) {
            Some(BUSY | LOCKED | NOMEM | READONLY | INTERRUPT | IOERR | FULL | CANTOPEN | PROTOCOL) => {
                StoreError::unavailable(PublicCause::new(refused.to_string()))
            }
            Some(CORRUPT | NOTADB) => unreadable("the database file", refused.into()),
            _ => StoreError::Internal(refused.into()),
        },
        E::Io(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => {
            StoreError::Unavailable(error.into())
        }
        E::ColumnDecode { ref index, .. } => unreadable(index.clone(), error.into()),
        E::Decode(_) => unreadable("unknown", error.into()),
        _ => StoreError::Internal(error.into()),
    }
}

/// Returns the error for a store that is unreachable for a reason other than a statement.
pub(crate) fn unavailable(why: impl Into<Source>) -> StoreError {
    StoreError::Unavailable(why.into())
}

/// Returns the error for a store that cannot be written.
pub(crate) fn unwritable(why: Unwritable) -> StoreError {
    StoreError::unavailable(PublicCause::new(why.to_string()))
}

/// Returns the error for a defect of this program that the database did not report.
pub(crate) fn internal(why: impl Into<Source>) -> StoreError {
    StoreError::Internal(why.into())
}

fn primary_code(error: &dyn sqlx::error::DatabaseError) -> Option<u32> {
    // The primary code is the lowest byte; the higher ones distinguish its variants.
    error.code()?.parse::<u32>().ok().map(|code| code & 0xff)
}

fn unreadable(id: impl Into<String>, source: Source) -> StoreError {
    StoreError::Corrupt { table: "sqlite", column: "value", id: id.into(), source }
}

/// The row that is being read; errors name it.
#[derive(Clone, Copy)]
pub(crate) struct Row<'a> {
    pub(crate) table: &'static str,
    pub(crate) id: &'a dyn fmt::Display,
}

impl Row<'_> {
    /// Returns the error for a column with an invalid value.
    pub(crate) fn corrupt(&self, column: &'static str, source: impl Into<Source>) -> StoreError {
        StoreError::Corrupt { table: self.table, column, id: self.id.to_string(), source: source.into() }
    }

    /// Parses a text.
    pub(crate) fn parse<T>(&self, column: &'static str, text: &str) -> Result<T, StoreError>
    where
        T: FromStr<Err: Into<Source>>,
    {
        text.parse().map_err(|error| self.corrupt(column, error))
    }

    /// Parses a name of an enumeration.
    pub(crate) fn name<T>(
        &self,
        column: &'static str,
        text: &str,
        known: impl FnOnce(&str) -> Option<T>,
    ) -> Result<T, StoreError> {
        known(text).ok_or_else(|| self.corrupt(column, format!("unknown name {text:?}")))
    }

    /// Converts a number that must be in range.
    pub(crate) fn number<T>(&self, column: &'static str, number: i64) -> Result<T, StoreError>
    where
        T: TryFrom<i64, Error: Into<Source>>,
    {
        number.try_into().map_err(|error: T::Error| self.corrupt(column, error))
    }

    /// Returns the value of a column that another column requires.
    pub(crate) fn some<T>(&self, column: &'static str, value: Option<T>) -> Result<T, StoreError> {
        value.ok_or_else(|| self.corrupt(column, "is not set"))
    }
}

/// Formats a row's id, or its bytes if they are not an id.
pub(crate) fn id_text<I: fmt::Display>(bytes: &[u8], id: impl Fn(Uuid) -> I) -> String {
    Uuid::from_slice(bytes).map_or_else(|_| format!("{bytes:02x?}"), |uuid| id(uuid).to_string())
}

/// Parses an id. An error names the row by the stored bytes, as it has no better name.
pub(crate) fn uuid(table: &'static str, column: &'static str, bytes: &[u8]) -> Result<Uuid, StoreError> {
    Uuid::from_slice(bytes).map_err(|error| StoreError::Corrupt {
        table,
        column,
        id: format!("{bytes:02x?}"),
        source: error.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Returns the error of a statement that reaches the limit set by a pragma.
    async fn refusal(prepare: &'static str, statement: &'static str) -> StoreError {
        use sqlx::Connection;
        let mut conn = sqlx::SqliteConnection::connect("sqlite::memory:").await.unwrap();
        sqlx::raw_sql(prepare).execute(&mut conn).await.unwrap();
        let error = sqlx::raw_sql(statement).execute(&mut conn).await;
        database(error.unwrap_err())
    }

    #[tokio::test]
    async fn a_full_disk_is_unavailability() {
        let prepare = "CREATE TABLE t (x); PRAGMA max_page_count = 3";
        let error = refusal(prepare, "INSERT INTO t VALUES (zeroblob(100000))").await;
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_read_only_database_is_unavailability() {
        let prepare = "CREATE TABLE t (x); PRAGMA query_only = 1";
        let error = refusal(prepare, "INSERT INTO t VALUES (1)").await;
        assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    }

    #[tokio::test]
    async fn a_refused_statement_is_a_defect() {
        let prepare = "CREATE TABLE t (x NOT NULL)";
        let error = refusal(prepare, "INSERT INTO t VALUES (NULL)").await;
        assert!(matches!(error, StoreError::Internal(_)), "{error:?}");
    }
}
