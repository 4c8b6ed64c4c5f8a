//! Detects databases without secrets.

use std::path::Path;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::OpenError;

/// Returns whether a file is a database that was only migrated and never served, so that no encryption key
/// belongs to it. In case of doubt it returns false.
///
/// # Errors
///
/// Fails if the file cannot be read.
pub async fn is_unsealed(path: &Path) -> Result<bool, OpenError> {
    let failed = |source| OpenError::Database { path: path.to_owned(), source };
    let options = SqliteConnectOptions::new().filename(path).read_only(true);
    let mut conn = SqliteConnection::connect_with(&options).await.map_err(failed)?;
    // Without the tables this cannot be known.
    let tables: i64 = sqlx::query_scalar(
        "SELECT count(*) FROM sqlite_schema
         WHERE type = 'table' AND name IN ('webhooks_encryption_keys', 'webhooks_webhooks')",
    )
    .fetch_one(&mut conn)
    .await
    .map_err(failed)?;
    if tables < 2 {
        return Ok(false);
    }
    let sealed: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM webhooks_encryption_keys) + (SELECT count(*) FROM webhooks_webhooks)",
    )
    .fetch_one(&mut conn)
    .await
    .map_err(failed)?;
    conn.close().await.map_err(failed)?;
    Ok(sealed == 0)
}
