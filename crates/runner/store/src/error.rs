//! Errors.

use std::marker::PhantomData;

use rdev_runner_domain::ports::StoreError;
use sqlx::error::DatabaseError;

type Source = Box<dyn std::error::Error + Send + Sync>;

/// What differs between the databases.
pub trait Dialect {
    /// Returns whether the error says that the database cannot be used now.
    fn is_unavailable(error: &dyn DatabaseError) -> bool;
}

/// An error within a store. Each method of a port converts it once.
#[derive(Debug)]
pub struct DbError<D>(StoreError, PhantomData<fn(D)>);

impl<D: Dialect> From<sqlx::Error> for DbError<D> {
    fn from(error: sqlx::Error) -> Self {
        use sqlx::Error as E;
        Self::from(match error {
            E::Database(ref refused) if D::is_unavailable(refused.as_ref()) => {
                StoreError::Unavailable(error.into())
            }
            E::Io(_) | E::PoolTimedOut | E::PoolClosed | E::WorkerCrashed | E::BeginFailed => {
                StoreError::Unavailable(error.into())
            }
            _ => StoreError::Internal(error.into()),
        })
    }
}

impl<D> From<StoreError> for DbError<D> {
    fn from(error: StoreError) -> Self {
        Self(error, PhantomData)
    }
}

impl<D> From<DbError<D>> for StoreError {
    fn from(error: DbError<D>) -> Self {
        error.0
    }
}

/// Returns the error for a defect of this program.
pub fn internal(why: impl Into<Source>) -> StoreError {
    StoreError::Internal(why.into())
}

/// Returns the error for a value that cannot be read.
pub fn corrupt(
    table: &'static str,
    column: &'static str,
    id: &impl ToString,
    source: impl Into<Source>,
) -> StoreError {
    StoreError::Corrupt { table, column, id: id.to_string(), source: source.into() }
}
