//! A store of either kind, as its ports.

use std::sync::Arc;
use std::time::Duration;

use rdev_keyring::{Keyring, RotationReport};
use rdev_webhooks_domain::ports::{
    ApiKeyRepository, Clock, DeliveryFeed, DeliveryHistory, DeliveryQueue, EventRepository,
    EventTypeRepository, IdempotencyRepository, ReplayRepository, StatisticsRepository, StoreError,
    WebhookRepository,
};
#[cfg(feature = "postgres")]
use rdev_webhooks_store_postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
use rdev_webhooks_store_sqlite::{SqliteOptions, SqliteStore};
#[cfg(feature = "postgres")]
use secrecy::ExposeSecret;

use crate::Database;

/// Why the system could not be opened. Made to be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OpenError {
    /// Postgres.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] rdev_webhooks_store_postgres::ConnectError),
    /// The embedded database.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] rdev_webhooks_store_sqlite::OpenError),
    /// The event types that were registered.
    #[error("the event types cannot be read")]
    EventTypes(#[source] StoreError),
    /// What sends deliveries.
    #[error("the dispatcher could not be set up")]
    Dispatcher(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl OpenError {
    /// Returns whether the database is only away, so that waiting for it helps: it is not reached, is starting, or takes
    /// no writes at present.
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

/// Why a database's schema could not be brought up to date. Made to be shown.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrateError {
    /// Postgres.
    #[cfg(feature = "postgres")]
    #[error(transparent)]
    Postgres(#[from] rdev_webhooks_store_postgres::MigrateError),
    /// The embedded database.
    #[cfg(feature = "sqlite")]
    #[error(transparent)]
    Sqlite(#[from] rdev_webhooks_store_sqlite::OpenError),
}

/// Brings a database's schema up to what this version knows; one that is there already stays as it is.
/// Safe while processes of the version before run on it.
///
/// # Errors
///
/// [`MigrateError`]; a migration is made whole or not at all.
pub async fn migrate(database: &Database) -> Result<(), MigrateError> {
    match database {
        #[cfg(feature = "postgres")]
        Database::Postgres { url } => Ok(rdev_webhooks_store_postgres::migrate(url.expose_secret()).await?),
        #[cfg(feature = "sqlite")]
        Database::Sqlite { path } => Ok(rdev_webhooks_store_sqlite::migrate(path).await?),
    }
}

/// Seals everything in a database anew with the keyring's primary key, while processes serve on it, and tells
/// what that came to. Afterwards, if all of it could be read, the other keys are not needed any more.
///
/// It may be ended at any moment and begun again. The processes that serve meanwhile must have both keys, the new
/// one first: what is sealed with the old one behind its back makes it necessary once more.
///
/// # Errors
///
/// [`OpenError`]; nothing is changed if the keyring lacks a key that the database is known to need.
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

/// Whether the embedded database at a path was never served, so that no encryption key belongs to it.
///
/// # Errors
///
/// If it cannot be read.
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
    kind: Kind,
}

enum Kind {
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
                // It keeps the database's time.
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
                // It keeps keys as long as their events.
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

    /// The version of the database.
    pub(crate) async fn version(&self) -> Result<String, StoreError> {
        match &self.kind {
            #[cfg(feature = "postgres")]
            Kind::Postgres(store) => store.server_version().await,
            #[cfg(feature = "sqlite")]
            Kind::Sqlite(store) => store.sqlite_version().await,
        }
    }

    /// The clock that ids are made by: the process's own, unless the database keeps a time that it disagrees with.
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
