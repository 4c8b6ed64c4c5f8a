use std::path::Path;
use std::sync::Arc;

use rdev_keyring::{EncryptionKey, Keyring};
use rdev_webhooks_domain::ports::Clock;
use sqlx::Connection;
use sqlx::sqlite::SqliteConnectOptions;

use super::*;
use crate::clock::StoreClock;
use crate::files;

struct Epoch;

impl Clock for Epoch {
    fn now(&self) -> Timestamp {
        Timestamp::EPOCH
    }
}

/// Returns the properties of the task for a new database.
async fn setup(path: &Path, options: SqliteConnectOptions) -> Setup {
    let lock = Arc::new(files::prepare(path).unwrap());
    let keyring = Arc::new(Keyring::new(EncryptionKey::generate([7; 32])));
    Setup {
        conn: SqliteConnection::connect_with(&options).await.unwrap(),
        checkpoints: SqliteConnection::connect_with(&options).await.unwrap(),
        options,
        clock: Arc::new(StoreClock::new(Arc::new(Epoch))),
        wake_ups: Arc::default(),
        advance: Advance { claims: Arc::default(), endpoints: Arc::default(), keyring },
        log: WriteAheadLog::new(path, Arc::default(), u64::MAX),
        lock,
    }
}

fn execute<'c>(conn: &'c mut SqliteConnection, sql: &'static str) -> JobFuture<'c, u64> {
    Box::pin(async move {
        let done = sqlx::query(sql).execute(conn).await?;
        Ok(done.rows_affected())
    })
}

// These databases lack the tables in which the writer looks for events of other connections: the failure of that look
// fails no write.
async fn write(writer: &Writer, sql: &'static str) -> Result<u64, StoreError> {
    writer.run(move |conn, _| execute(conn, sql), |_| false).await
}

#[tokio::test]
async fn a_withdrawn_write_never_happens() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("late.db");
    let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
    let setup = setup(&path, options).await;
    let writer = Writer::start(setup, Duration::from_millis(500));
    write(&writer, "CREATE TABLE t (x)").await.unwrap();
    let (reached, release) = (Arc::new(tokio::sync::Notify::new()), Arc::new(tokio::sync::Notify::new()));
    let (at, on) = (Arc::clone(&reached), Arc::clone(&release));
    let holds = writer.run(
        move |conn: &mut SqliteConnection, _| {
            Box::pin(async move {
                at.notify_one();
                on.notified().await;
                execute(conn, "INSERT INTO t VALUES (1)").await
            })
        },
        |_| false,
    );
    let late = async {
        reached.notified().await;
        let late = write(&writer, "INSERT INTO t VALUES (2)").await;
        release.notify_one();
        late
    };
    let (held, late) = tokio::join!(holds, late);
    assert!(matches!(late, Err(StoreError::Unavailable(_))), "{late:?}");
    assert_eq!(held.unwrap(), 1, "the caller waits for a write that has begun");
    assert_eq!(write(&writer, "DELETE FROM t").await.unwrap(), 1);
    writer.close().await.unwrap();
}

#[tokio::test]
async fn a_full_disk_fails_only_writes_that_do_not_fit() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("full.db");
    let options = SqliteConnectOptions::new().filename(&path).pragma("max_page_count", "10");
    let setup = setup(&path, options).await;
    let writer = Writer::start(setup, Duration::from_secs(30));
    write(&writer, "CREATE TABLE t (x)").await.unwrap();
    let (small, large, other) = tokio::join!(
        write(&writer, "INSERT INTO t VALUES (1)"),
        write(&writer, "INSERT INTO t VALUES (zeroblob(100000))"),
        write(&writer, "INSERT INTO t VALUES (2)"),
    );
    assert!(matches!(large, Err(StoreError::Unavailable(_))), "{large:?}");
    let kept = u64::from(small.is_ok()) + u64::from(other.is_ok());
    // SQLite decides whether to roll back the whole transaction; the results must match that.
    assert_eq!(write(&writer, "DELETE FROM t").await.unwrap(), kept);
    assert_eq!(write(&writer, "INSERT INTO t VALUES (3)").await.unwrap(), 1);
    writer.close().await.unwrap();
}
