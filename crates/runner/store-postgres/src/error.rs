//! Errors.

use rdev_runner_domain::ports::StoreError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// The classes of SQLSTATE for a database that cannot be used now: connection, insufficient resources, operator
/// intervention, system error; and for a transaction that can be repeated.
const UNAVAILABLE: [&str; 5] = ["08", "53", "57", "58", "40"];

/// An error within the store. Each method of a port converts it once.
#[derive(Debug)]
pub(crate) struct DbError(StoreError);

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        Self(match error {
            E::Database(ref refused) if is_unavailable(refused.as_ref()) => {
                StoreError::Unavailable(error.into())
            }
            E::Io(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => {
                StoreError::Unavailable(error.into())
            }
            _ => StoreError::Internal(error.into()),
        })
    }
}

fn is_unavailable(error: &dyn sqlx::error::DatabaseError) -> bool {
    error.code().is_some_and(|code| UNAVAILABLE.iter().any(|class| code.starts_with(class)))
        // A standby or a database that was made read-only.
        || error.code().as_deref() == Some("25006")
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

/// Returns the error for a defect of this program.
pub(crate) fn internal(why: impl Into<Source>) -> StoreError {
    StoreError::Internal(why.into())
}

/// Returns the error for a value that cannot be read.
pub(crate) fn corrupt(
    table: &'static str,
    column: &'static str,
    id: &impl ToString,
    source: impl Into<Source>,
) -> StoreError {
    StoreError::Corrupt { table, column, id: id.to_string(), source: source.into() }
}
