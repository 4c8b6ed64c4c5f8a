//! Connections to a file.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// The number of connections: one writes at a time, the others read.
const MAX_CONNECTIONS: u32 = 4;

/// How long a transaction waits for those of other connections, as the webhooks' are.
const BUSY_TIMEOUT: Duration = Duration::from_secs(20);

/// Returns a pool to the file of the webhooks' database, with the settings that the store needs: a write-ahead
/// log, so that readers and the writer do not wait for each other; a wait for the transactions of other
/// connections; and commits that are on disk when they return.
///
/// # Errors
///
/// Fails if the file does not exist, or cannot be opened.
pub async fn connect(path: &Path) -> Result<SqlitePool, sqlx::Error> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT);
    SqlitePoolOptions::new().max_connections(MAX_CONNECTIONS).connect_with(options).await
}
