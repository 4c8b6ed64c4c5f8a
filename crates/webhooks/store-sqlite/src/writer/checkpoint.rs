//! Copies the write-ahead log into the database while the writer goes on, so that no commit waits for it.

use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::{Mutex, MutexGuard, Notify};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Minimum time between the starts of two copies: a page that many commits change is copied once.
const INTERVAL: Duration = Duration::from_millis(100);

/// The handle of the task that copies, on a connection of its own.
pub(super) struct Checkpoints {
    written: Arc<Notify>,
    /// Held while the log is copied.
    copying: Arc<Mutex<()>>,
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Checkpoints {
    /// Starts the task on a connection that is already open. It ends when it is stopped.
    pub(super) fn start(conn: SqliteConnection) -> Self {
        let (written, copying, stop) = (Arc::<Notify>::default(), Arc::default(), CancellationToken::new());
        let task = tokio::spawn(run(conn, Arc::clone(&written), Arc::clone(&copying), stop.clone()));
        Self { written, copying, stop, task }
    }

    /// Reports that the log has grown.
    pub(super) fn request(&self) {
        self.written.notify_one();
    }

    /// Waits for the current copy; none begins while the returned guard is held.
    pub(super) async fn pause(&self) -> MutexGuard<'_, ()> {
        self.copying.lock().await
    }

    /// Stops the task, after the current copy.
    pub(super) async fn stop(self) {
        self.stop.cancel();
        if let Err(error) = self.task.await {
            tracing::error!(error = &error as &dyn std::error::Error, "the task for checkpoints failed");
        }
    }
}

async fn run(
    mut conn: SqliteConnection,
    written: Arc<Notify>,
    copying: Arc<Mutex<()>>,
    stop: CancellationToken,
) {
    let mut failing = false;
    while stop.run_until_cancelled(written.notified()).await.is_some() {
        let begun = Instant::now();
        let copied = {
            let _guard = copying.lock().await;
            copy(&mut conn).await
        };
        match copied {
            Ok(()) => failing = false,
            Err(error) => {
                if !failing {
                    failing = true;
                    tracing::warn!(
                        error = &error as &dyn std::error::Error,
                        "cannot copy the write-ahead log into the database; will retry"
                    );
                }
            }
        }
        if stop.run_until_cancelled(tokio::time::sleep_until(begun + INTERVAL)).await.is_none() {
            break;
        }
    }
    // Everything is on disk already.
    let _ = conn.close().await;
}

/// Copies what no reader keeps from being copied. It blocks no writer.
async fn copy(conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
    sqlx::raw_sql("PRAGMA wal_checkpoint(PASSIVE)").execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use rdev_keyring::EncryptionKey;
    use rdev_webhooks_domain::Timestamp;
    use rdev_webhooks_domain::ports::EventRepository;
    use rdev_webhooks_testkit::{ManualClock, SeededEntropy, samples};

    use crate::{SqliteOptions, SqliteStore};

    #[tokio::test]
    async fn each_write_soon_reaches_the_database_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rdev.db");
        let keyring = Arc::new(EncryptionKey::generate([1; 32]).into());
        let options = SqliteOptions::new(&path, keyring, Arc::new(ManualClock::default()));
        let store = SqliteStore::open(options).await.unwrap();
        let entropy = SeededEntropy::new(1);
        for _ in 0..2 {
            let event = samples::event(&entropy, Timestamp::EPOCH);
            store.publish(std::slice::from_ref(&event)).await.unwrap();
            let id = *event.id.as_uuid().as_bytes();
            let is_there = || std::fs::read(&path).unwrap().windows(16).any(|bytes| bytes == id);
            let copied = async {
                while !is_there() {
                    tokio::task::yield_now().await;
                }
            };
            tokio::time::timeout(Duration::from_secs(20), copied).await.expect("the log is not copied");
        }
        store.close().await.unwrap();
    }
}
