//! The running system.

mod needed;
mod stop;
#[cfg(feature = "worker")]
mod worker;

use std::sync::{Arc, Mutex};

#[cfg(feature = "api")]
use rdev_access::Idempotency;
use rdev_access::{ApiKeys, LastUsedRecorder};
use rdev_app::Ambient;
#[cfg(feature = "api")]
use rdev_app::Outages;
use rdev_app::periodic::Stagger;
use rdev_keyring::Keyring;
use rdev_webhooks_app::feed::FeedTask;
use rdev_webhooks_app::{
    EventTypeRegistry, PublisherTask, QueueMonitor, RegistryRefresher, Replays, Services, StatisticsTask,
    Webhooks,
};
#[cfg(feature = "worker")]
use rdev_webhooks_domain::ports::Dispatcher;
use rdev_webhooks_domain::ports::{DeliveryHistory, StoreError};
#[cfg(feature = "api")]
use rdev_webhooks_http_api::{ApiOptions, MetricsSource, Router};
use tokio::task::JoinHandle;
use tokio_util::sync::{CancellationToken, DropGuard};
use tokio_util::task::TaskTracker;

use crate::database::database_of;
use crate::store::Store;
use crate::{Builder, Database, DatabaseError, Publisher};
use needed::Needed;
#[cfg(feature = "worker")]
pub(crate) use worker::Upkeep;

/// A running system: its database is open, and events can be published. A worker and an API are started
/// separately, here or in other processes.
///
/// Dropping it ends its tasks at once and loses nothing; [`Self::stop`] lets them finish first.
pub struct RdevWebhooks {
    /// Ends the tasks of a dropped system. The guards are dropped first, so that a task that ends afterwards
    /// was requested to end.
    _guards: [DropGuard; 4],
    store: Store,
    services: Services,
    /// The tasks behind the services, until the system is stopped.
    serving: Mutex<Option<Serving>>,
    #[cfg(feature = "worker")]
    dispatcher: Arc<dyn Dispatcher>,
    ambient: Ambient,
    #[cfg(feature = "worker")]
    upkeep: Upkeep,
    #[cfg(feature = "console")]
    keyring: Keyring,
    tasks: TaskTracker,
    drain: CancellationToken,
    abort: CancellationToken,
    /// Set when no more calls of the services are taken.
    closing: CancellationToken,
    /// Set when everything that matters has ended.
    counted: CancellationToken,
}

/// The tasks behind the services.
struct Serving {
    /// Stores events and the last uses of keys.
    calls: JoinHandle<()>,
    statistics: JoinHandle<()>,
}

impl RdevWebhooks {
    /// Returns a builder of a system on a database, given by a pool or a URL, whose secrets are encrypted with
    /// `keyring`. [`Builder::open`] fails if the database cannot be used.
    #[must_use]
    pub fn builder<D>(database: D, keyring: Keyring) -> Builder
    where
        D: TryInto<Database, Error: Into<DatabaseError>>,
    {
        Builder::new(database_of(database), keyring)
    }

    pub(crate) fn start(
        store: Store,
        services: Services,
        (publishing, noting, counting, watching): (PublisherTask, LastUsedRecorder, StatisticsTask, FeedTask),
        #[cfg(feature = "worker")] dispatcher: Arc<dyn Dispatcher>,
        ambient: Ambient,
        #[cfg(feature = "worker")] upkeep: Upkeep,
        #[cfg(feature = "console")] keyring: Keyring,
    ) -> Self {
        let (drain, abort) = (CancellationToken::new(), CancellationToken::new());
        let (closing, counted) = (CancellationToken::new(), CancellationToken::new());
        let tasks = TaskTracker::new();
        let needed = Needed { drain: drain.clone(), failed: services.heartbeat.failed().clone() };
        tasks.spawn(needed.task("feed", watching.run(drain.clone())));
        let outages = services.outages.clone();
        let stagger = Stagger::random(Arc::clone(&ambient.entropy));
        let event_types = RegistryRefresher::new(services.event_types.clone())
            .with_outages(outages.clone())
            .with_stagger(stagger.clone());
        tasks.spawn(needed.task("event_types", event_types.run(drain.clone())));
        let monitor = QueueMonitor::new(Arc::clone(&store.queue), outages).with_stagger(stagger);
        tasks.spawn(needed.task("queue monitor", monitor.run(drain.clone())));
        tasks.spawn(needed.task("readiness", services.readiness().watch(drain.clone())));
        let publishing = needed.task("publisher", publishing.with_stop(closing.clone()).run());
        let noting = needed.task("uses of API keys", noting.with_stop(closing.clone()).run());
        let counting = needed.task("statistics", counting.run(counted.clone()));
        Self {
            _guards: [&drain, &abort, &closing, &counted].map(|token| token.clone().drop_guard()),
            store,
            services,
            serving: Mutex::new(Some(Serving {
                calls: tokio::spawn(async {
                    tokio::join!(publishing, noting);
                }),
                statistics: tokio::spawn(counting),
            })),
            #[cfg(feature = "worker")]
            dispatcher,
            ambient,
            #[cfg(feature = "worker")]
            upkeep,
            #[cfg(feature = "console")]
            keyring,
            tasks,
            drain,
            abort,
            closing,
            counted,
        }
    }

    /// Returns a handle that publishes events, also in the transactions of callers.
    #[must_use]
    pub fn publisher(&self) -> Publisher {
        Publisher::of_system(self.services.publisher.clone(), self.store.kind.clone())
    }

    /// Returns the service that creates, changes, deletes and tests webhooks.
    #[must_use]
    pub fn webhooks(&self) -> &Webhooks {
        &self.services.webhooks
    }

    /// Returns the service that creates and deletes API keys.
    #[must_use]
    pub fn api_keys(&self) -> &ApiKeys {
        &self.services.api_keys
    }

    /// Returns the service that executes requests under idempotency keys, for an API of the host beside this one.
    #[cfg(feature = "api")]
    #[must_use]
    pub fn idempotency(&self) -> &Idempotency {
        &self.services.idempotency
    }

    /// Returns the current failures of the database, for an API of the host beside this one.
    #[cfg(feature = "api")]
    #[must_use]
    pub fn outages(&self) -> &Outages {
        &self.services.outages
    }

    /// Returns the service that lists and registers event types.
    #[must_use]
    pub fn event_types(&self) -> &EventTypeRegistry {
        &self.services.event_types
    }

    /// Returns the service that replays ranges of deliveries.
    #[must_use]
    pub fn replays(&self) -> &Replays {
        &self.services.replays
    }

    /// Returns the deliveries and their attempts.
    #[must_use]
    pub fn history(&self) -> &dyn DeliveryHistory {
        &*self.services.history
    }

    /// Returns the clock and the randomness of the system.
    #[must_use]
    pub fn ambient(&self) -> &Ambient {
        &self.ambient
    }

    /// Returns the version of the database, for humans.
    ///
    /// # Errors
    ///
    /// Fails with the error of the database.
    pub async fn database_version(&self) -> Result<String, StoreError> {
        self.store.version().await
    }

    /// Returns the REST API, which can be served by [`serve`](rdev_webhooks_http_api::serve) or mounted
    /// elsewhere, in a router with any state.
    #[cfg(feature = "api")]
    pub fn router<S>(&self, options: ApiOptions) -> Router<S> {
        let entropy = Arc::clone(&self.ambient.entropy);
        rdev_webhooks_http_api::router(self.services.clone(), entropy, options).with_state(())
    }

    /// Returns the console, to be nested under any path of a router with any state.
    #[cfg(feature = "console")]
    pub fn console<S>(&self, options: rdev_webhooks_console::ConsoleOptions) -> Router<S> {
        let (keyring, ambient) = (self.keyring.clone(), self.ambient.clone());
        rdev_webhooks_console::router(self.services.clone(), keyring, ambient, options).with_state(())
    }

    /// Returns a router with `/healthz`, `/readyz` and, with a source of metrics, `/metrics`, for a process
    /// without an API.
    #[cfg(feature = "api")]
    pub fn health_router(&self, metrics: Option<MetricsSource>) -> Router {
        let entropy = Arc::clone(&self.ambient.entropy);
        rdev_webhooks_http_api::health_router(self.services.clone(), entropy, metrics)
    }
}
