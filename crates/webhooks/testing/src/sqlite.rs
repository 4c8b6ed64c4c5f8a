//! Open transactions on SQLite.

use std::collections::HashSet;

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};

use crate::row::Row;

const EVENTS: &str =
    "SELECT id, timestamp, event_type, project, key, traceparent, body FROM webhooks_events ORDER BY id";

/// Compares what the transaction sees with what another connection sees, which is what is committed.
pub(crate) async fn published(conn: &mut SqliteConnection) -> Result<Vec<Row>, sqlx::Error> {
    let mut rows: Vec<Row> = sqlx::query_as(EVENTS).fetch_all(&mut *conn).await?;
    let file: String = sqlx::query_scalar("SELECT file FROM pragma_database_list WHERE name = 'main'")
        .fetch_one(conn)
        .await?;
    assert!(!file.is_empty(), "the database is a file");
    let options = SqliteConnectOptions::new().filename(file).read_only(true);
    let mut other = SqliteConnection::connect_with(&options).await?;
    let committed = sqlx::query_scalar("SELECT id FROM webhooks_events").fetch_all(&mut other).await?;
    other.close().await?;
    let committed: HashSet<Vec<u8>> = committed.into_iter().collect();
    rows.retain(|row| !committed.contains(&row.id));
    Ok(rows)
}
