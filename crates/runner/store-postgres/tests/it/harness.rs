//! A store on a database of its own, whose clock the test moves.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_keyring::{EncryptionKey, Keyring};
use rdev_runner_domain::ports::{
    CommandQueue, CommandRepository, CommandSignals, CredentialRepository, PipelineRepository, PodRepository,
    ProjectRepository,
};
use rdev_runner_domain::{Pipeline, SecretName};
use rdev_runner_store_postgres::{PostgresCommands, migrate};
use rdev_runner_testkit::stores::StoreHarness;
use rdev_webhooks::Publisher;
use rdev_webhooks_testkit::postgres::{PostgresServer, TestDatabase};
use sqlx::postgres::PgPoolOptions;
use sqlx::{AssertSqlSafe, PgPool};
use tokio::sync::Mutex;

pub(crate) struct PostgresHarness {
    pub(crate) store: Arc<PostgresCommands>,
    pub(crate) pool: PgPool,
    /// How far the store's clock is ahead.
    ahead: Mutex<Duration>,
    _database: TestDatabase,
}

/// Returns a keyring of the `n`-th key.
pub(crate) fn keyring(n: u8) -> Keyring {
    Keyring::new(EncryptionKey::generate([n; 32]))
}

/// Returns a pool to a new database, which has the webhooks' schema.
pub(crate) async fn new_pool(server: &PostgresServer) -> (PgPool, TestDatabase) {
    let database = server.database(async |url| rdev_webhooks::migrate(url).await).await;
    let pool = PgPoolOptions::new().max_connections(4).connect(&database.url()).await.unwrap();
    (pool, database)
}

impl PostgresHarness {
    pub(crate) async fn new() -> Self {
        let (pool, database) = new_pool(PostgresServer::shared().await).await;
        Self::on(pool, database).await
    }

    /// Opens a database that has the webhooks' schema.
    pub(crate) async fn on(pool: PgPool, database: TestDatabase) -> Self {
        migrate(&pool).await.unwrap();
        // As a server with a CI server registers it.
        let register = "INSERT INTO rdev_webhooks.event_types (name, schema, created_at, updated_at)
                        VALUES ('pipeline.completed', $1, now(), now()) ON CONFLICT DO NOTHING";
        sqlx::query(register).bind(Pipeline::COMPLETED_SCHEMA).execute(&pool).await.unwrap();
        let publisher = Publisher::open(&pool).await.unwrap();
        let store = Arc::new(PostgresCommands::new(pool.clone(), publisher, keyring(1)));
        Self { store, pool, ahead: Mutex::default(), _database: database }
    }
}

#[async_trait]
impl StoreHarness for PostgresHarness {
    fn projects(&self) -> Arc<dyn ProjectRepository> {
        Arc::<PostgresCommands>::clone(&self.store)
    }

    fn commands(&self) -> Arc<dyn CommandRepository> {
        Arc::<PostgresCommands>::clone(&self.store)
    }

    fn credentials(&self) -> Arc<dyn CredentialRepository> {
        Arc::<PostgresCommands>::clone(&self.store)
    }

    fn pipelines(&self) -> Arc<dyn PipelineRepository> {
        Arc::<PostgresCommands>::clone(&self.store)
    }

    fn pods(&self) -> Arc<dyn PodRepository> {
        Arc::<PostgresCommands>::clone(&self.store)
    }

    async fn swap_values(&self, one: (&SecretName, i64), other: (&SecretName, i64)) {
        let swap = "UPDATE rdev_runner.credential_versions AS own SET value = other.value
                    FROM rdev_runner.credential_versions AS other
                    WHERE (own.name, own.number, other.name, other.number)
                        IN (($1, $2, $3, $4), ($3, $4, $1, $2))";
        let swap = sqlx::query(swap).bind(one.0.as_str()).bind(one.1).bind(other.0.as_str()).bind(other.1);
        assert_eq!(swap.execute(&self.pool).await.unwrap().rows_affected(), 2);
    }

    fn queue(&self) -> Arc<dyn CommandQueue> {
        Arc::<PostgresCommands>::clone(&self.store)
    }

    fn signals(&self) -> Arc<dyn CommandSignals> {
        Arc::<PostgresCommands>::clone(&self.store)
    }

    async fn advance(&self, by: Duration) {
        let mut ahead = self.ahead.lock().await;
        *ahead += by;
        let replace = format!(
            "CREATE OR REPLACE FUNCTION rdev_runner.now() RETURNS timestamptz LANGUAGE sql STABLE PARALLEL SAFE
             AS $$ SELECT pg_catalog.now() + interval '{} milliseconds' $$",
            ahead.as_millis()
        );
        sqlx::query(AssertSqlSafe(replace)).execute(&self.pool).await.unwrap();
    }

    async fn published(&self) -> Vec<(String, String, String)> {
        let select = "SELECT event_type, key, (convert_from(body, 'UTF8')::json -> 'data')::text FROM rdev_webhooks.events";
        sqlx::query_as(select).fetch_all(&self.pool).await.unwrap()
    }
}
