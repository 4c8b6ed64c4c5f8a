//! A store of either kind, as its ports.

use std::sync::Arc;
use std::time::Duration;

use rdev_access::ports::{ApiKeyRepository, IdempotencyRepository};
use rdev_keyring::Keyring;
use rdev_webhooks_domain::ports::{
    Clock, DeliveryFeed, DeliveryHistory, DeliveryQueue, EventFeed, EventRepository, EventTypeRepository,
    ReplayRepository, StatisticsRepository, StoreError, WebhookRepository,
};
#[cfg(feature = "postgres")]
use rdev_webhooks_store_postgres::{PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
use rdev_webhooks_store_sqlite::{SqliteOptions, SqliteStore};

use crate::database::Location;
use crate::{Database, OpenError};

pub(crate) struct Store {
    pub(crate) events: Arc<dyn EventRepository>,
    pub(crate) webhooks: Arc<dyn WebhookRepository>,
    pub(crate) queue: Arc<dyn DeliveryQueue>,
    pub(crate) history: Arc<dyn DeliveryHistory>,
    pub(crate) api_keys: Arc<dyn ApiKeyRepository>,
    pub(crate) idempotency: Arc<dyn IdempotencyRepository>,
    pub(crate) statistics: Arc<dyn StatisticsRepository>,
    pub(crate) feed: Arc<dyn DeliveryFeed>,
    pub(crate) event_feed: Arc<dyn EventFeed>,
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
        match database.0 {
            #[cfg(feature = "postgres")]
            Location::Postgres(address) => {
                // The store uses the database's time.
                drop(clock);
                let options =
                    PostgresOptions { key_lifetime: retention, ..PostgresOptions::new(address, keyring) };
                let store = Arc::new(PostgresStore::connect(options).await?);
                Ok(Self::of(store.clone(), Kind::Postgres(store)))
            }
            #[cfg(feature = "sqlite")]
            Location::Sqlite(path) => {
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
            + DeliveryFeed
            + EventFeed,
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
            feed: store.clone(),
            event_feed: store,
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
