//! Keeps the write-ahead log short while readers are active.
//!
//! SQLite restarts the log only at a moment when no reader uses it. Overlapping listings leave no such
//! moment, so once the log has grown the writer closes the gate to new listings, waits for the running ones,
//! and folds the log into the database.

use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use sqlx::SqliteConnection;
use tokio::sync::OwnedRwLockWriteGuard;
use tokio::time::Instant;

use crate::listing::Gate;

/// The pause after a reader has prevented that the log is folded in.
const PAUSE: Duration = Duration::from_secs(10);

/// The writer's view of the log.
pub(crate) struct WriteAheadLog {
    file: PathBuf,
    gate: Gate,
    max_bytes: u64,
    /// The moment of the next check.
    look_at: Instant,
    closing: Option<Pin<Box<dyn Future<Output = OwnedRwLockWriteGuard<()>> + Send>>>,
}

impl WriteAheadLog {
    /// Returns the log of a database, to be emptied once it exceeds `max_bytes`.
    pub(crate) fn new(database: &Path, gate: Gate, max_bytes: u64) -> Self {
        let mut file = database.as_os_str().to_owned();
        file.push("-wal");
        Self { file: file.into(), gate, max_bytes, look_at: Instant::now(), closing: None }
    }

    /// Checks the log's size, and begins to close the gate if it is too large.
    pub(super) fn look(&mut self) {
        if self.closing.is_some() || Instant::now() < self.look_at {
            return;
        }
        let bytes = std::fs::metadata(&self.file).map_or(0, |file| file.len());
        if bytes > self.max_bytes {
            self.closing = Some(Box::pin(Arc::clone(&self.gate).write_owned()));
        }
    }

    /// Waits until the log is too large and no listing reads from it; no listing begins while the returned
    /// guard is held.
    pub(super) async fn closed(&mut self) -> OwnedRwLockWriteGuard<()> {
        match &mut self.closing {
            Some(closing) => {
                let closed = closing.await;
                self.closing = None;
                closed
            }
            None => std::future::pending().await,
        }
    }

    /// Folds the log into the database.
    pub(super) async fn fold(&mut self, conn: &mut SqliteConnection) -> Result<(), sqlx::Error> {
        // The remaining readers are short statements; an external tool with a long read must not delay the
        // writer.
        let busy_timeout: i64 = sqlx::query_scalar("PRAGMA busy_timeout").fetch_one(&mut *conn).await?;
        sqlx::raw_sql("PRAGMA busy_timeout = 100").execute(&mut *conn).await?;
        let folded: Result<(i64, i64, i64), _> =
            sqlx::query_as("PRAGMA wal_checkpoint(TRUNCATE)").fetch_one(&mut *conn).await;
        let restore = format!("PRAGMA busy_timeout = {busy_timeout}");
        sqlx::raw_sql(sqlx::AssertSqlSafe(restore)).execute(conn).await?;
        let (busy, pages, _) = folded?;
        if busy != 0 {
            self.look_at = Instant::now() + PAUSE;
            tracing::warn!(
                pages,
                retry_in_ms = PAUSE.as_secs() * 1_000,
                "cannot empty the write-ahead log: another program is reading the database"
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use rdev_keyring::EncryptionKey;
    use rdev_webhooks_domain::ports::EventRepository;
    use rdev_webhooks_testkit::{ManualClock, SeededEntropy, samples};

    use crate::{SqliteOptions, SqliteStore};

    #[tokio::test]
    async fn overlapping_listings_do_not_keep_the_log_from_being_emptied() {
        const MAX_BYTES: u64 = 1 << 20;
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("rdev.db");
        let log_bytes = || std::fs::metadata(folder.path().join("rdev.db-wal")).unwrap().len();
        let keyring = Arc::new(EncryptionKey::generate([1; 32]).into());
        let mut options = SqliteOptions::new(&path, keyring, Arc::new(ManualClock::default()));
        options.max_log_bytes = MAX_BYTES;
        let store = SqliteStore::open(options).await.unwrap();
        let entropy = SeededEntropy::new(1);
        let publish = async || {
            let event = samples::event(&entropy, rdev_webhooks_domain::Timestamp::EPOCH);
            store.publish(&[event]).await.unwrap();
        };

        let mut listing = store.listings.begin().await.unwrap();
        for _ in 0..3 {
            let count = sqlx::query_scalar::<_, i64>("SELECT count(*) FROM webhooks_events");
            count.fetch_one(&mut *listing).await.unwrap();
            while log_bytes() <= MAX_BYTES {
                publish().await;
            }
            // The listing begins while the previous one reads, and is admitted once the log is empty.
            let next = store.listings.begin();
            let (next, ()) = tokio::join!(next, async {
                publish().await;
                drop(listing);
            });
            listing = next.unwrap();
            assert!(log_bytes() <= MAX_BYTES, "{} bytes", log_bytes());
        }
        drop(listing);
        store.close().await.unwrap();
    }
}
