//! The runner's ports on the database of the webhooks.

use std::error::Error;
use std::sync::Arc;

use rdev_runner_domain::ports::{
    CommandQueue, CommandRepository, CommandSignals, CredentialRepository, PipelineRepository, PodRepository,
    ProjectRepository,
};
use rdev_runner_store_postgres::PostgresCommands;
use rdev_runner_store_sqlite::SqliteCommands;
use rdev_webhooks::keyring::Keyring;
use rdev_webhooks::{Ambient, Database, PublishPool, Publisher};
use tokio_util::sync::CancellationToken;

/// The maximum number of the runner's own connections.
const CONNECTIONS: u32 = 8;

/// The runner's ports.
#[derive(Clone)]
pub(crate) struct Store {
    pub(crate) queue: Arc<dyn CommandQueue>,
    pub(crate) commands: Arc<dyn CommandRepository>,
    pub(crate) projects: Arc<dyn ProjectRepository>,
    pub(crate) credentials: Arc<dyn CredentialRepository>,
    pub(crate) pipelines: Arc<dyn PipelineRepository>,
    pub(crate) pods: Arc<dyn PodRepository>,
    pub(crate) signals: Arc<dyn CommandSignals>,
    shared: Option<Shared>,
}

/// A database that other processes share.
#[derive(Clone)]
struct Shared {
    database: Database,
    pool: PublishPool,
    store: Arc<PostgresCommands>,
}

impl Store {
    /// Opens the store on a database whose webhooks are migrated. A file of SQLite is migrated here too.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached, has not been migrated, or needs an encryption key that is not among the
    /// given ones.
    pub(crate) async fn open(
        database: &Database,
        keyring: Keyring,
        ambient: &Ambient,
    ) -> Result<Self, Box<dyn Error>> {
        let pool = database.pool(CONNECTIONS).await?;
        let publisher = Publisher::open(pool.clone()).await?;
        match &pool {
            PublishPool::Postgres(connections) => {
                rdev_runner_store_postgres::check_schema(connections).await?;
                rdev_runner_store_postgres::check_keys(connections, &keyring).await?;
                let store = Arc::new(PostgresCommands::new(connections.clone(), publisher, keyring));
                let shared = Shared { database: database.clone(), pool, store: Arc::clone(&store) };
                Ok(Self { shared: Some(shared), ..Self::of(store) })
            }
            PublishPool::Sqlite(connections) => {
                rdev_runner_store_sqlite::migrate(connections).await?;
                // Afterwards the other keys are not needed, as for the webhooks.
                rdev_runner_store_sqlite::reseal(connections, &keyring).await?;
                let clock = Arc::clone(&ambient.clock);
                Ok(Self::of(Arc::new(SqliteCommands::new(connections.clone(), publisher, clock, keyring))))
            }
            _ => Err("this program knows no such database".into()),
        }
    }

    /// Exchanges signals with the other processes on the database, so that they need not wait for a poll, and moves to
    /// another host of the database when that takes over.
    pub(crate) async fn run_until(self, drain: CancellationToken) {
        let Some(Shared { database, pool, store }) = self.shared else { return drain.cancelled().await };
        let running = async { tokio::join!(store.exchange_signals(), database.follow_primary(&pool)) };
        drain.run_until_cancelled(running).await;
    }

    fn of<S>(store: Arc<S>) -> Self
    where
        S: CommandQueue
            + CommandRepository
            + CredentialRepository
            + PipelineRepository
            + PodRepository
            + ProjectRepository
            + CommandSignals,
    {
        Self {
            queue: Arc::<S>::clone(&store),
            commands: Arc::<S>::clone(&store),
            projects: Arc::<S>::clone(&store),
            credentials: Arc::<S>::clone(&store),
            pipelines: Arc::<S>::clone(&store),
            pods: Arc::<S>::clone(&store),
            signals: store,
            shared: None,
        }
    }
}
