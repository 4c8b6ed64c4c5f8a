//! A store in a folder of its own, with a clock that the test moves.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::ports::{Clock, CommandQueue, CommandRepository, CommandSignals, ProjectRepository};
use rdev_runner_store_sqlite::{SqliteCommands, connect, migrate};
use rdev_runner_testkit::ManualClock;
use rdev_runner_testkit::stores::StoreHarness;
use rdev_webhooks::Publisher;
use sqlx::SqlitePool;
use tempfile::TempDir;

pub(crate) struct SqliteHarness {
    pub(crate) store: Arc<SqliteCommands>,
    pub(crate) pool: SqlitePool,
    clock: Arc<ManualClock>,
    _folder: TempDir,
}

/// Returns a pool to a new file, which has the webhooks' schema.
pub(crate) async fn new_pool(folder: &TempDir) -> SqlitePool {
    let path = folder.path().join("rdev.db");
    rdev_webhooks::migrate(format!("sqlite://{}", path.display())).await.unwrap();
    connect(&path).await.unwrap()
}

impl SqliteHarness {
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let pool = new_pool(&folder).await;
        migrate(&pool).await.unwrap();
        let publisher = Publisher::open(&pool).await.unwrap();
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let store = Arc::new(SqliteCommands::new(pool.clone(), publisher, shared));
        Self { store, pool, clock, _folder: folder }
    }
}

#[async_trait]
impl StoreHarness for SqliteHarness {
    fn projects(&self) -> Arc<dyn ProjectRepository> {
        Arc::<SqliteCommands>::clone(&self.store)
    }

    fn commands(&self) -> Arc<dyn CommandRepository> {
        Arc::<SqliteCommands>::clone(&self.store)
    }

    fn queue(&self) -> Arc<dyn CommandQueue> {
        Arc::<SqliteCommands>::clone(&self.store)
    }

    fn signals(&self) -> Arc<dyn CommandSignals> {
        Arc::<SqliteCommands>::clone(&self.store)
    }

    async fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    async fn published(&self) -> Vec<(String, String, String)> {
        let select = "SELECT event_type, key, body ->> '$.data' FROM webhooks_events";
        sqlx::query_as(select).fetch_all(&self.pool).await.unwrap()
    }
}
