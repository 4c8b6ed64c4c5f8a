//! A store of either kind, as its ports.

use std::sync::Arc;
use std::time::Duration;

use rdev_access::ports::{ApiKeyRepository, IdempotencyRepository};
use rdev_keyring::{Keyring, RotationReport};
use rdev_webhooks_domain::ports::{
    Clock, DeliveryFeed, DeliveryHistory, DeliveryQueue, EventRepository, EventTypeRepository,
    ReplayRepository, StatisticsRepository, StoreError, WebhookRepository,
};
#[cfg(feature = "postgres")]
use rdev_webhooks_store_postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
use rdev_webhooks_store_sqlite::{SqliteOptions, SqliteStore};
#[cfg(feature = "postgres")]
use secrecy::ExposeSecret;

use crate::Database;

/// The reason why the system could not be opened. The message is for users.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The Postgres store failed to open.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] rdev_webhooks_store_postgres::ConnectError),
    /// The embedded database failed to open.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] rdev_webhooks_store_sqlite::OpenError),
    /// The registered event types could not be loaded.
    #[error("the event types cannot be read")]
    EventTypes(#[source] StoreError),
    /// The dispatcher could not be created.
    #[error("the dispatcher could not be set up")]
    Dispatcher(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OpenError {
    /// Returns whether the database is only temporarily unavailable, so that waiting helps: it cannot be
    /// reached, is starting, or accepts no writes at present.
    #[must_use]
    pub fn is_away(&self) -> bool {
        match self {
            #[cfg(feature = "postgres")]
            Self::Postgres(error) => error.is_away(),
            Self::EventTypes(StoreError::Unavailable(_)) => true,
            _ => false,
        }
    }
}

/// The reason why a database's schema could not be migrated. The message is for users.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// The migration of Postgres failed.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] rdev_webhooks_store_postgres::MigrateError),
    /// The migration of the embedded database failed.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] rdev_webhooks_store_sqlite::OpenError),
}

/// Migrates a database's schema to this version. Changes nothing if the schema is up to date. Safe while
/// processes of the previous version run on the database.
///
/// # Errors
///
/// Fails with a [`MigrateError`]. Each migration is atomic.
pub async fn migrate(database: impl Into<Database>) -> Result<(), MigrateError> {
    match database.into() {
        #[cfg(feature = "postgres")]
        Database::Postgres { url } => Ok(rdev_webhooks_store_postgres::migrate(url.expose_secret()).await?),
        #[cfg(feature = "sqlite")]
        Database::Sqlite { path } => Ok(rdev_webhooks_store_sqlite::migrate(&path).await?),
    }
}

/// Re-encrypts everything in a database with the keyring's primary key, while processes serve on it, and
/// returns a report. Afterwards, if everything could be read, the other keys are no longer needed.
///
/// It can be interrupted at any moment and started again. The processes that serve meanwhile must have both
/// keys, the new one first: a value that one of them encrypts with the old key meanwhile makes another run
/// necessary.
///
/// # Errors
///
/// Fails with an [`OpenError`]. Nothing has changed if the keyring lacks a key that the database is known to
/// need.
pub async fn rekey(database: &Database, keyring: &Keyring) -> Result<RotationReport, OpenError> {
    match database {
        #[cfg(feature = "postgres")]
        Database::Postgres { url } => {
            Ok(rdev_webhooks_store_postgres::rekey(url.expose_secret(), keyring).await?)
        }
        #[cfg(feature = "sqlite")]
        Database::Sqlite { path } => Ok(rdev_webhooks_store_sqlite::rekey(path, keyring).await?),
    }
}

/// Returns whether the embedded database at a path was never served, so that no encryption key belongs to it.
///
/// # Errors
///
/// Fails if the file cannot be read.
#[cfg(feature = "sqlite")]
pub async fn is_unsealed(path: &std::path::Path) -> Result<bool, OpenError> {
    Ok(rdev_webhooks_store_sqlite::is_unsealed(path).await?)
}

pub(crate) struct Store {
    pub(crate) events: Arc<dyn EventRepository>,
    pub(crate) webhooks: Arc<dyn WebhookRepository>,
    pub(crate) queue: Arc<dyn DeliveryQueue>,
    pub(crate) history: Arc<dyn DeliveryHistory>,
    pub(crate) api_keys: Arc<dyn ApiKeyRepository>,
    pub(crate) idempotency: Arc<dyn IdempotencyRepository>,
    pub(crate) statistics: Arc<dyn StatisticsRepository>,
    pub(crate) feed: Arc<dyn DeliveryFeed>,
    pub(crate) event_types: Arc<dyn EventTypeRepository>,
    pub(crate) replays: Arc<dyn ReplayRepository>,
    pub(crate) kind: Kind,
}

#[derive(Clone)]
pub(crate) enum Kind {
    #[cfg(feature = "postgres")]
    Postgres(Arc<PostgresStore>),
    #[cfg(feature = "sqlite")]
    Sqlite(Arc<SqliteStore>),
}

impl Store {
    pub(crate) async fn open(
        database: Database,
        keyring: Keyring,
        clock: Arc<dyn Clock>,
        retention: Duration,
    ) -> Result<Self, OpenError> {
        match database {
            #[cfg(feature = "postgres")]
            Database::Postgres { url } => {
                // The store uses the database's time.
                drop(clock);
                let options = PostgresOptions {
                    key_lifetime: retention,
                    ..PostgresOptions::new(url.expose_secret(), keyring)
                };
                let store = Arc::new(PostgresStore::connect(options).await?);
                Ok(Self::of(store.clone(), Kind::Postgres(store)))
            }
            #[cfg(feature = "sqlite")]
            Database::Sqlite { path } => {
                // The store keeps keys as long as their events.
                let _ = retention;
                let options = SqliteOptions::new(path, Arc::new(keyring), clock);
                let store = Arc::new(SqliteStore::open(options).await?);
                Ok(Self::of(store.clone(), Kind::Sqlite(store)))
            }
        }
    }

    fn of<S>(store: Arc<S>, kind: Kind) -> Self
    where
        S: EventRepository
            + WebhookRepository
            + DeliveryQueue
            + DeliveryHistory
            + ApiKeyRepository
            + EventTypeRepository
            + IdempotencyRepository
            + ReplayRepository
            + StatisticsRepository
            + DeliveryFeed,
    {
        Self {
            events: store.clone(),
            webhooks: store.clone(),
            queue: store.clone(),
            history: store.clone(),
            api_keys: store.clone(),
            event_types: store.clone(),
            idempotency: store.clone(),
            replays: store.clone(),
            statistics: store.clone(),
            feed: store,
            kind,
        }
    }

    /// Returns the version of the database.
    pub(crate) async fn version(&self) -> Result<String, StoreError> {
        match &self.kind {
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => store.server_version().await,
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store.sqlite_version().await,
        }
    }

    /// Returns the clock for ids: the process's own, unless the database's time differs from it.
    pub(crate) fn clock(&self, own: Arc<dyn Clock>) -> Arc<dyn Clock> {
        match &self.kind {
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => store.clock(own),
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(_) => own,
        }
    }

    pub(crate) async fn close(&self) -> Result<(), StoreError> {
        match &self.kind {
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => {
                store.close().await;
                Ok(())
            }
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store.close().await,
        }
    }
}
