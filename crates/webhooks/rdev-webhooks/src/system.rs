//! The running system.

use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
#[cfg(feature = "api")]
use rdev_access::Idempotency;
use rdev_access::{ApiKeys, LastUsedRecorder};
use rdev_app::Ambient;
#[cfg(feature = "api")]
use rdev_app::Outages;
use rdev_app::periodic::Stagger;
use rdev_keyring::Keyring;
#[cfg(feature = "worker")]
use rdev_webhooks_app::deliver::{Worker, WorkerOptions};
use rdev_webhooks_app::feed::FeedTask;
use rdev_webhooks_app::{
    EventTypeRegistry, PublisherTask, QueueMonitor, RegistryRefresher, Replays, Services, StatisticsTask,
    Webhooks,
};
#[cfg(feature = "worker")]
use rdev_webhooks_app::{Pruner, ReplayRunner, WebhookDisabler};
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

/// How long the tasks behind the services may take to end once everything else has stopped: the last events
/// are stored, and the last uses of keys recorded.
const SERVICES_DEADLINE: Duration = Duration::from_secs(5);

/// How long storing the last statistics may take.
const STATISTICS_DEADLINE: Duration = Duration::from_secs(5);

/// The settings of a worker's background work.
#[cfg(feature = "worker")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upkeep {
    /// How long the history is kept.
    pub(crate) retention: Duration,
    /// How long a webhook may fail before it is disabled.
    pub(crate) disable_after: Duration,
}

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

    /// Starts a worker: delivers due deliveries, advances replays, deletes what is older than the retention,
    /// and disables failing webhooks. It should be called once; each further call adds another pool. Needs a
    /// tokio runtime.
    #[cfg(feature = "worker")]
    pub fn start_worker(&self, options: WorkerOptions) {
        let worker = Worker::new(
            Arc::clone(&self.store.queue),
            Arc::clone(&self.dispatcher),
            self.ambient.clone(),
            options,
            self.services.heartbeat.clone(),
            self.services.statistics.clone(),
        );
        let outages = &self.services.outages;
        let worker = worker.with_outages(outages.clone());
        let needed = Needed { drain: self.drain.clone(), failed: self.failed() };
        let working = worker.run(self.drain.clone(), self.abort.clone());
        self.tasks.spawn(needed.task("worker", working));
        let stagger = Stagger::random(Arc::clone(&self.ambient.entropy));
        let runner = ReplayRunner::new(Arc::clone(&self.store.replays))
            .with_outages(outages.clone())
            .with_stagger(stagger.clone());
        self.tasks.spawn(needed.task("replay runner", runner.run(self.drain.clone())));
        let history = Arc::clone(&self.store.history);
        let keys = Arc::clone(&self.store.idempotency);
        let statistics = Arc::clone(&self.store.statistics);
        let pruner = Pruner::new(history, keys, statistics, self.upkeep.retention)
            .with_outages(outages.clone())
            .with_stagger(stagger.clone());
        self.tasks.spawn(needed.task("pruner", pruner.run(self.drain.clone())));
        let webhooks = || Arc::clone(&self.store.webhooks);
        for disabler in [
            WebhookDisabler::failing(webhooks(), self.upkeep.disable_after),
            WebhookDisabler::expired(webhooks()),
        ] {
            let disabler = disabler.with_outages(outages.clone()).with_stagger(stagger.clone());
            self.tasks.spawn(needed.task("webhook disabler", disabler.run(self.drain.clone())));
        }
    }

    /// Returns a token that is cancelled once the system has failed: one of its tasks ended unexpectedly,
    /// because of a defect. The log names the task. What was accepted is safe, but the system is no longer
    /// ready; the process can only [`stop`](Self::stop) it and start a new one.
    #[must_use]
    pub fn failed(&self) -> CancellationToken {
        self.services.heartbeat.failed().clone()
    }

    /// Returns a token to cancel when the process is about to stop: `/readyz` then responds with 503.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.services.heartbeat.stopping().clone()
    }

    /// Stops claiming, and waits until the attempts in flight have ended and are recorded, at most for
    /// `drain_timeout`. [`Self::stop`] includes this; this function is for a process that reports its
    /// progress meanwhile.
    pub async fn finish(&self, drain_timeout: Duration) {
        self.drain();
        self.tasks.close();
        // `stop` releases what is late.
        let _ = tokio::time::timeout(drain_timeout, self.tasks.wait()).await;
    }

    /// Stops claiming; attempts in flight continue. [`Self::stop`] includes this; this function is for a
    /// process that ends something else meanwhile.
    pub fn drain(&self) {
        self.drain.cancel();
    }

    /// Returns a future for a graceful shutdown, such as axum's: once `signal` resolves, `/readyz` responds with
    /// 503, streams end, and the worker claims no more.
    pub fn drain_on<F>(&self, signal: F) -> impl Future<Output = ()> + Send + 'static
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let (stopping, drain) = (self.stopping(), self.drain.clone());
        async move {
            signal.await;
            stopping.cancel();
            drain.cancel();
        }
    }

    /// Stops claiming, finishes and records the attempts in flight, releases those that are not done after
    /// `drain_timeout`, stores the events of the calls until then, and closes the database. Later calls of
    /// services and handles fail. A second stop does nothing.
    ///
    /// # Errors
    ///
    /// Fails with the database's error on closing. Everything that was acknowledged is safe even then.
    pub async fn stop(&self, drain_timeout: Duration) -> Result<(), StoreError> {
        let serving = self.serving.lock().unwrap_or_else(PoisonError::into_inner).take();
        let Some(Serving { calls, statistics }) = serving else {
            return Ok(());
        };
        self.drain();
        self.tasks.close();
        if tokio::time::timeout(drain_timeout, self.tasks.wait()).await.is_err() {
            tracing::warn!("drain timeout passed; releasing unfinished work");
            self.abort.cancel();
            self.tasks.wait().await;
        }
        self.closing.cancel();
        let abort = calls.abort_handle();
        if tokio::time::timeout(SERVICES_DEADLINE, calls).await.is_err() {
            tracing::warn!("last calls not answered in time; ending them");
            abort.abort();
        }
        self.counted.cancel();
        let abort = statistics.abort_handle();
        if tokio::time::timeout(STATISTICS_DEADLINE, statistics).await.is_err() {
            tracing::warn!("last statistics not stored in time; they are lost");
            abort.abort();
        }
        self.store.close().await
    }
}

/// Monitors the tasks that the system needs.
struct Needed {
    drain: CancellationToken,
    failed: CancellationToken,
}

impl Needed {
    /// Starts a task. If it ends before it is requested to, by a panic or otherwise, the system fails.
    fn task(
        &self,
        name: &'static str,
        task: impl Future<Output = ()> + Send + 'static,
    ) -> impl Future<Output = ()> + Send + 'static {
        let (drain, failed) = (self.drain.clone(), self.failed.clone());
        async move {
            let panicked = AssertUnwindSafe(task).catch_unwind().await.is_err();
            if !drain.is_cancelled() {
                tracing::error!(task = name, panicked, "essential task ended");
                failed.cancel();
            }
        }
    }
}

#[cfg(test)]
#[cfg(all(feature = "sqlite", feature = "worker"))]
mod tests {
    use super::*;

    async fn fails(ended_by_drain: bool, task: impl Future<Output = ()> + Send + 'static) -> bool {
        let needed = Needed { drain: CancellationToken::new(), failed: CancellationToken::new() };
        if ended_by_drain {
            needed.drain.cancel();
        }
        tokio::spawn(needed.task("test", task)).await.unwrap();
        needed.failed.is_cancelled()
    }

    #[tokio::test]
    async fn the_system_fails_when_a_task_ends_unexpectedly() {
        assert!(fails(false, async { panic!("a defect") }).await);
        assert!(fails(false, async {}).await);
        assert!(!fails(true, async {}).await);
    }

    #[tokio::test]
    async fn a_system_that_is_stopped_or_dropped_has_not_failed() {
        for stopped in [true, false] {
            let folder = tempfile::tempdir().unwrap();
            let database = Database::sqlite(folder.path().join("rdev.db"));
            let ambient = Ambient::system();
            let keyring = Keyring::new(rdev_keyring::EncryptionKey::generate(ambient.entropy.bytes()));
            let system = RdevWebhooks::builder(database, keyring).open().await.unwrap();
            system.start_worker(WorkerOptions::default());
            let (failed, tasks) = (system.failed(), system.tasks.clone());
            if stopped {
                system.stop(Duration::from_secs(10)).await.unwrap();
            } else {
                drop(system);
                tasks.close();
                tokio::time::timeout(Duration::from_secs(10), tasks.wait()).await.unwrap();
            }
            assert!(!failed.is_cancelled());
        }
    }
}
