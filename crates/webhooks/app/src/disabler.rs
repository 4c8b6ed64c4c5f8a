//! Disables failing and expired webhooks.

use std::sync::Arc;
use std::time::Duration;

use rdev_app::Outages;
use rdev_app::periodic::{Periodic, Stagger, repeat};
use rdev_webhooks_domain::ports::{StoreError, WebhookRepository};
use tokio_util::sync::CancellationToken;

/// The number of webhooks that one transaction disables. It adds an event for each.
const PAGE_SIZE: u32 = 100;

/// Disables webhooks by one rule. Any number of processes may run this at the same time.
pub struct WebhookDisabler {
    webhooks: Arc<dyn WebhookRepository>,
    rule: Rule,
    outages: Outages,
    stagger: Stagger,
}

enum Rule {
    /// The attempts have all failed for this long.
    FailingFor(Duration),
    /// The webhook has expired.
    Expired,
}

impl Rule {
    /// Returns the interval between two passes. An expired webhook is disabled within a second.
    const fn interval(&self) -> Duration {
        match self {
            Self::FailingFor(_) => Duration::from_secs(60),
            Self::Expired => Duration::from_millis(500),
        }
    }

    const fn task(&self) -> &'static str {
        match self {
            Self::FailingFor(_) => "disable failing webhooks",
            Self::Expired => "disable expired webhooks",
        }
    }
}

impl WebhookDisabler {
    /// Creates a task that disables webhooks after all their attempts have failed for `after`.
    #[must_use]
    pub fn failing(webhooks: Arc<dyn WebhookRepository>, after: Duration) -> Self {
        Self::new(webhooks, Rule::FailingFor(after))
    }

    /// Creates a task that disables webhooks whose
    /// [`expires_at`](rdev_webhooks_domain::WebhookSettings::expires_at) has passed.
    #[must_use]
    pub fn expired(webhooks: Arc<dyn WebhookRepository>) -> Self {
        Self::new(webhooks, Rule::Expired)
    }

    fn new(webhooks: Arc<dyn WebhookRepository>, rule: Rule) -> Self {
        Self { webhooks, rule, outages: Outages::default(), stagger: Stagger::default() }
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

    /// Runs one pass per interval until `drain`: a minute, or half a second for expired webhooks. The next pass
    /// repeats what a pass failed to do.
    pub async fn run(self, drain: CancellationToken) {
        let delay = self.stagger.delay(self.rule.interval());
        repeat(self, delay, &drain).await;
    }

    /// Disables the webhooks to which the rule applies.
    pub async fn pass(&mut self) {
        match self.disable().await {
            Ok(()) => self.outages.worked(self.rule.task()),
            Err(error) => {
                self.outages.store_failed(self.rule.task(), &error);
            }
        }
    }

    async fn disable(&self) -> Result<(), StoreError> {
        loop {
            let disabled = match self.rule {
                Rule::FailingFor(after) => self.disable_failing(after).await?,
                Rule::Expired => self.disable_expired().await?,
            };
            if disabled < PAGE_SIZE as usize {
                return Ok(());
            }
        }
    }

    async fn disable_failing(&self, after: Duration) -> Result<usize, StoreError> {
        let disabled = self.webhooks.disable_failing(after, PAGE_SIZE).await?;
        for (id, since) in &disabled {
            tracing::warn!(webhook = %id, failing_since = %since, "webhook disabled: its deliveries failed for too long");
        }
        Ok(disabled.len())
    }

    async fn disable_expired(&self) -> Result<usize, StoreError> {
        let disabled = self.webhooks.disable_expired(PAGE_SIZE).await?;
        for id in &disabled {
            tracing::info!(webhook = %id, "webhook disabled: it has expired");
        }
        Ok(disabled.len())
    }
}

impl Periodic for WebhookDisabler {
    async fn run_once(&mut self) -> Duration {
        self.pass().await;
        self.rule.interval()
    }
}
