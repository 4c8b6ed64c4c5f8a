//! The builder of the system.

use std::sync::Arc;
use std::time::Duration;

use rdev_access::{ApiKeys, Idempotency};
use rdev_app::{Ambient, Outages};
use rdev_keyring::Keyring;
use rdev_webhooks_app::deliver::Heartbeat;
use rdev_webhooks_app::feed::Feed;
use rdev_webhooks_app::{Deliveries, EventTypeRegistry, Publisher, Replays, Services, Statistics, Webhooks};
use rdev_webhooks_dispatch_http::{HttpDispatcher, Options as DispatchOptions, ProxyUrl};
use rdev_webhooks_domain::DestinationPolicy;
use rdev_webhooks_domain::ports::Dispatcher;

use crate::store::Store;
#[cfg(feature = "worker")]
use crate::system::Upkeep;
use crate::{Database, DatabaseError, OpenError, RdevWebhooks};

/// Builds a [`RdevWebhooks`]; see [`RdevWebhooks::builder`].
#[derive(Clone)]
pub struct Builder {
    database: Result<Database, DatabaseError>,
    keyring: Keyring,
    ambient: Ambient,
    dispatch: DispatchOptions,
    retention: Duration,
    #[cfg(feature = "worker")]
    disable_after: Duration,
}

impl Builder {
    pub(crate) fn new(database: Result<Database, DatabaseError>, keyring: Keyring) -> Self {
        Self {
            database,
            keyring,
            ambient: Ambient::system(),
            dispatch: DispatchOptions::default(),
            retention: Duration::from_secs(30 * 24 * 60 * 60),
            #[cfg(feature = "worker")]
            disable_after: Duration::from_secs(5 * 24 * 60 * 60),
        }
    }

    /// Sets the addresses that deliveries may reach; by default only public ones.
    #[must_use]
    pub fn destinations(mut self, policy: DestinationPolicy) -> Self {
        self.dispatch.policy = policy;
        self
    }

    /// Refuses URLs that begin with `http://`.
    #[must_use]
    pub fn require_https(mut self, require: bool) -> Self {
        self.dispatch.require_https = require;
        self
    }

    /// Sends all deliveries through a proxy by HTTP `CONNECT`. The proxy gets judged addresses and never
    /// names.
    #[must_use]
    pub fn egress_proxy(mut self, proxy: Option<ProxyUrl>) -> Self {
        self.dispatch.egress_proxy = proxy;
        self
    }

    /// Sets how long events, deliveries and attempts are kept; by default 30 days.
    #[must_use]
    pub fn retention(mut self, keep: Duration) -> Self {
        self.retention = keep;
        self
    }

    /// Sets how long all attempts of a webhook may fail before the webhook is disabled; by default 5 days.
    #[cfg(feature = "worker")]
    #[must_use]
    pub fn disable_after(mut self, failing: Duration) -> Self {
        self.disable_after = failing;
        self
    }

    /// Replaces the system's clock and randomness, for tests.
    #[must_use]
    pub fn ambient(mut self, ambient: Ambient) -> Self {
        self.ambient = ambient;
        self
    }

    /// Opens the database, and migrates the schema of an embedded one; that of Postgres must be current. Needs a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// Fails with an [`OpenError`], whose message is for users.
    pub async fn open(self) -> Result<RdevWebhooks, OpenError> {
        let dispatcher =
            HttpDispatcher::new(self.dispatch).map_err(|error| OpenError::Dispatcher(error.into()))?;
        let dispatcher: Arc<dyn Dispatcher> = Arc::new(dispatcher);
        #[cfg(feature = "console")]
        let keyring = self.keyring.clone();
        let store =
            Store::open(self.database?, self.keyring, Arc::clone(&self.ambient.clock), self.retention)
                .await?;

        let clock = store.clock(self.ambient.clock);
        let ambient = Ambient { clock, entropy: self.ambient.entropy };
        let outages = Outages::default();
        let event_types = EventTypeRegistry::new(Arc::clone(&store.event_types), ambient.clone());
        event_types.refresh().await.map_err(OpenError::EventTypes)?;
        let (publisher, publishing) = Publisher::with_outages(
            Arc::clone(&store.events),
            ambient.clone(),
            event_types.clone(),
            outages.clone(),
        );
        let webhooks = Webhooks::new(
            Arc::clone(&store.webhooks),
            Arc::clone(&store.history),
            Arc::clone(&dispatcher),
            publisher.clone(),
            event_types.clone(),
            ambient.clone(),
        );
        let (api_keys, noting) = ApiKeys::new(Arc::clone(&store.api_keys), ambient.clone());
        let (statistics, counting) = Statistics::new(Arc::clone(&store.statistics), self.retention);
        let (feed, watching) = Feed::new(Arc::clone(&store.feed), Arc::clone(&store.event_feed));
        let services = Services {
            publisher,
            webhooks,
            api_keys,
            replays: Replays::new(Arc::clone(&store.replays), ambient.clone()),
            event_types,
            events: Arc::clone(&store.events),
            history: Arc::clone(&store.history),
            deliveries: Deliveries::new(
                Arc::clone(&store.queue),
                Arc::clone(&store.history),
                statistics.clone(),
            ),
            queue: Arc::clone(&store.queue),
            idempotency: Idempotency::new(Arc::clone(&store.idempotency), ambient.clone())
                .with_outages(outages.clone()),
            statistics,
            feed,
            heartbeat: Heartbeat::default(),
            outages: outages.clone(),
        };
        #[cfg(feature = "worker")]
        let upkeep = Upkeep { retention: self.retention, disable_after: self.disable_after };
        let tasks = (
            publishing,
            noting.with_outages(outages.clone()),
            counting.with_outages(outages.clone()),
            watching.with_outages(outages),
        );
        Ok(RdevWebhooks::start(
            store,
            services,
            tasks,
            #[cfg(feature = "worker")]
            dispatcher,
            ambient,
            #[cfg(feature = "worker")]
            upkeep,
            #[cfg(feature = "console")]
            keyring,
        ))
    }
}
