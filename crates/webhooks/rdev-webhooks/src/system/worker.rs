//! The worker of a system.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::periodic::Stagger;
use rdev_webhooks_app::deliver::{Worker, WorkerOptions};
use rdev_webhooks_app::{Pruner, ReplayRunner, WebhookDisabler};

use super::RdevWebhooks;
use super::needed::Needed;

/// The settings of a worker's background work.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Upkeep {
    /// How long the history is kept.
    pub(crate) retention: Duration,
    /// How long a webhook may fail before it is disabled.
    pub(crate) disable_after: Duration,
}

impl RdevWebhooks {
    /// Starts a worker: delivers due deliveries, advances replays, deletes what is older than the retention,
    /// and disables failing webhooks. It should be called once; each further call adds another pool. Needs a
    /// tokio runtime.
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
}
