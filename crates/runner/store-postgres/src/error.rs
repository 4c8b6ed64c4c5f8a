//! Errors.

use rdev_runner_store::Dialect;
use sqlx::error::DatabaseError;

/// The classes of SQLSTATE for a database that cannot be used now: connection, insufficient resources, operator
/// intervention, system error; and for a transaction that can be repeated.
const UNAVAILABLE: [&str; 5] = ["08", "53", "57", "58", "40"];

/// The database of this store.
#[derive(Debug)]
pub(crate) struct Postgres;

/// An error within the store. Each method of a port converts it once.
pub(crate) type DbError = rdev_runner_store::DbError<Postgres>;

impl Dialect for Postgres {
    fn is_unavailable(error: &dyn DatabaseError) -> bool {
        error.code().is_some_and(|code| UNAVAILABLE.iter().any(|class| code.starts_with(class)))
            // A standby or a database that was made read-only.
            || error.code().as_deref() == Some("25006")
    }
}
