//! Disables failing webhooks.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::Outages;
use rdev_app::periodic::{Periodic, Stagger, repeat};
use rdev_webhooks_domain::ports::{StoreError, WebhookRepository};
use tokio_util::sync::CancellationToken;

/// The interval between two passes.
const INTERVAL: Duration = Duration::from_secs(60);

/// The number of webhooks that one transaction disables. It adds an event for each.
const PAGE_SIZE: u32 = 100;

/// Disables webhooks whose attempts have all failed for too long. Any number of processes may run this at the
/// same time.
pub struct FailingWebhookDisabler {
    webhooks: Arc<dyn WebhookRepository>,
    after: Duration,
    outages: Outages,
    stagger: Stagger,
}

impl FailingWebhookDisabler {
    /// Creates a task that disables webhooks after they have failed for `after`.
    #[must_use]
    pub fn new(webhooks: Arc<dyn WebhookRepository>, after: Duration) -> Self {
        Self { webhooks, after, outages: Outages::default(), stagger: Stagger::default() }
    }

    /// Reports failures of the database to `outages`.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Delays the first pass.
    #[must_use]
    pub fn with_stagger(mut self, stagger: Stagger) -> Self {
        self.stagger = stagger;
        self
    }

    /// Runs one pass a minute until `drain`. The next pass repeats what a pass failed to do.
    pub async fn run(self, drain: CancellationToken) {
        let delay = self.stagger.delay(INTERVAL);
        repeat(self, delay, &drain).await;
    }

    /// Disables the webhooks that have failed for too long.
    pub async fn pass(&mut self) {
        match self.disable_failing().await {
            Ok(()) => self.outages.worked("disable failing webhooks"),
            Err(error) => {
                self.outages.store_failed("disable failing webhooks", &error);
            }
        }
    }

    async fn disable_failing(&self) -> Result<(), StoreError> {
        loop {
            let disabled = self.webhooks.disable_failing(self.after, PAGE_SIZE).await?;
            for (id, since) in &disabled {
                tracing::warn!(webhook = %id, failing_since = %since, "webhook disabled: its deliveries failed for too long");
            }
            if disabled.len() < PAGE_SIZE as usize {
                return Ok(());
            }
        }
    }
}

impl Periodic for FailingWebhookDisabler {
    async fn run_once(&mut self) -> Duration {
        self.pass().await;
        INTERVAL
    }
}
