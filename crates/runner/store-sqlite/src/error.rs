//! Errors.

use rdev_runner_store::Dialect;
use sqlx::error::DatabaseError;

/// SQLite's primary result codes for a database that cannot be used now, <https://www.sqlite.org/rescode.html>:
/// busy, locked, no memory, read only, interrupted, I/O error, full, cannot open, protocol.
const UNAVAILABLE: [u32; 9] = [5, 6, 7, 8, 9, 10, 13, 14, 15];

/// The database of this store.
#[derive(Debug)]
pub(crate) struct Sqlite;

/// An error within the store. Each method of a port converts it once.
pub(crate) type DbError = rdev_runner_store::DbError<Sqlite>;

impl Dialect for Sqlite {
    fn is_unavailable(error: &dyn DatabaseError) -> bool {
        // The primary code is the lowest byte.
        let code = error.code().and_then(|code| code.parse::<u32>().ok());
        code.is_some_and(|code| UNAVAILABLE.contains(&(code & 0xff)))
    }
}
