//! A store in a folder of its own, with a clock that the test moves.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_keyring::{EncryptionKey, Keyring};
use rdev_runner_domain::ports::{
    Clock, CommandQueue, CommandRepository, CommandSignals, CredentialRepository, PipelineRepository,
    PodRepository, ProjectRepository,
};
use rdev_runner_domain::{Pipeline, SecretName};
use rdev_runner_store_sqlite::{SqliteCommands, migrate};
use rdev_runner_testkit::ManualClock;
use rdev_runner_testkit::stores::StoreHarness;
use rdev_webhooks::{Database, PublishPool, Publisher};
use sqlx::SqlitePool;
use tempfile::TempDir;

pub(crate) struct SqliteHarness {
    pub(crate) store: Arc<SqliteCommands>,
    pub(crate) pool: SqlitePool,
    clock: Arc<ManualClock>,
    pub(crate) folder: TempDir,
}

/// Returns the path of the database in a folder.
pub(crate) fn path_in(folder: &TempDir) -> PathBuf {
    folder.path().join("rdev.db")
}

/// Returns a keyring of the `n`-th key.
pub(crate) fn keyring(n: u8) -> Keyring {
    Keyring::new(EncryptionKey::generate([n; 32]))
}

/// Returns a pool to the file in this folder, which has the webhooks' schema.
pub(crate) async fn new_pool(folder: &TempDir) -> SqlitePool {
    let database = Database::sqlite(path_in(folder));
    rdev_webhooks::migrate(&database).await.unwrap();
    match database.pool(4).await.unwrap() {
        PublishPool::Sqlite(pool) => pool,
        other => panic!("{other:?}"),
    }
}

impl SqliteHarness {
    pub(crate) async fn new() -> Self {
        Self::open_in(tempfile::tempdir().unwrap()).await
    }

    /// Opens the database of a folder, or a new one.
    pub(crate) async fn open_in(folder: TempDir) -> Self {
        let pool = new_pool(&folder).await;
        migrate(&pool).await.unwrap();
        // As a server with a CI server registers it.
        let register = "INSERT INTO webhooks_event_types (name, schema, created_at, updated_at)
                        VALUES ('pipeline.completed', ?1, 0, 0) ON CONFLICT DO NOTHING";
        sqlx::query(register).bind(Pipeline::COMPLETED_SCHEMA).execute(&pool).await.unwrap();
        let publisher = Publisher::open(&pool).await.unwrap();
        let clock = Arc::new(ManualClock::default());
        let shared: Arc<dyn Clock> = Arc::<ManualClock>::clone(&clock);
        let store = Arc::new(SqliteCommands::new(pool.clone(), publisher, shared, keyring(1)));
        Self { store, pool, clock, folder }
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

    fn credentials(&self) -> Arc<dyn CredentialRepository> {
        Arc::<SqliteCommands>::clone(&self.store)
    }

    fn pipelines(&self) -> Arc<dyn PipelineRepository> {
        Arc::<SqliteCommands>::clone(&self.store)
    }

    fn pods(&self) -> Arc<dyn PodRepository> {
        Arc::<SqliteCommands>::clone(&self.store)
    }

    async fn swap_values(&self, one: (&SecretName, i64), other: (&SecretName, i64)) {
        // Not in one statement, which would read what it has just written.
        let select = "SELECT value FROM runner_credential_versions WHERE name = ? AND number = ?";
        let value = async |(name, number): (&SecretName, i64)| -> Vec<u8> {
            let value = sqlx::query_scalar(select).bind(name.as_str()).bind(number);
            value.fetch_one(&self.pool).await.unwrap()
        };
        let values = [(one, value(other).await), (other, value(one).await)];
        for ((name, number), value) in values {
            let update = "UPDATE runner_credential_versions SET value = ? WHERE name = ? AND number = ?";
            let update = sqlx::query(update).bind(value).bind(name.as_str()).bind(number);
            assert_eq!(update.execute(&self.pool).await.unwrap().rows_affected(), 1);
        }
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
