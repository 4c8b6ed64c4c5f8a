//! The runner's ports on the database of the webhooks.

use std::error::Error;
use std::sync::Arc;

use rdev_runner_domain::ports::{CommandQueue, CommandRepository, CommandSignals, ProjectRepository};
use rdev_runner_store_postgres::PostgresCommands;
use rdev_runner_store_sqlite::SqliteCommands;
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
    pub(crate) signals: Arc<dyn CommandSignals>,
    /// The store, if other processes share the database.
    shared: Option<Arc<PostgresCommands>>,
}

impl Store {
    /// Opens the store on a database whose webhooks are migrated. A file of SQLite is migrated here too.
    ///
    /// # Errors
    ///
    /// Fails if the database cannot be reached, or has not been migrated.
    pub(crate) async fn open(database: &Database, ambient: &Ambient) -> Result<Self, Box<dyn Error>> {
        let pool = database.pool(CONNECTIONS).await?;
        let publisher = Publisher::open(pool.clone()).await?;
        match pool {
            PublishPool::Postgres(pool) => {
                rdev_runner_store_postgres::check_schema(&pool).await?;
                let store = Arc::new(PostgresCommands::new(pool, publisher));
                Ok(Self { shared: Some(Arc::clone(&store)), ..Self::of(store) })
            }
            PublishPool::Sqlite(pool) => {
                rdev_runner_store_sqlite::migrate(&pool).await?;
                Ok(Self::of(Arc::new(SqliteCommands::new(pool, publisher, Arc::clone(&ambient.clock)))))
            }
            _ => Err("this program knows no such database".into()),
        }
    }

    /// Exchanges signals with the other processes on the database, so that they need not wait for a poll.
    pub(crate) fn exchange_signals_until(
        &self,
        drain: CancellationToken,
    ) -> impl Future<Output = ()> + use<> {
        let shared = self.shared.clone();
        async move {
            if let Some(store) = shared {
                drain.run_until_cancelled(store.exchange_signals()).await;
            }
        }
    }

    fn of<S>(store: Arc<S>) -> Self
    where
        S: CommandQueue + CommandRepository + ProjectRepository + CommandSignals,
    {
        Self {
            queue: Arc::<S>::clone(&store),
            commands: Arc::<S>::clone(&store),
            projects: Arc::<S>::clone(&store),
            signals: store,
            shared: None,
        }
    }
}
