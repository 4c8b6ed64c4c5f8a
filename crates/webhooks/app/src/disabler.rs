//! Disables failing webhooks, and publishes an event for each disabled webhook.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rdev_access::Ids;
use rdev_app::periodic::{Periodic, Stagger, repeat};
use rdev_app::{Ambient, Outages};
use rdev_webhooks_domain::ports::{DisabledWebhook, StoreError, WebhookRepository};
use rdev_webhooks_domain::{DisabledReason, EventType, Target, Timestamp, WebhookId};
use tokio_util::sync::CancellationToken;

use crate::{EventDraft, Publisher};

/// The interval between two passes.
const INTERVAL: Duration = Duration::from_secs(60);

/// The number of webhooks that one statement reads.
const PAGE_SIZE: u32 = 1_000;

/// The reasons for which `webhook.disabled` is published.
const ANNOUNCED_REASONS: [DisabledReason; 2] = [DisabledReason::Failing, DisabledReason::Gone];

/// How recently a webhook must have been disabled to be published. Well within the time for which an
/// event's key is remembered, so that publishing again adds nothing.
const ANNOUNCED_AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Disables webhooks whose attempts have all failed for too long, and publishes `webhook.disabled` for each
/// webhook that was disabled for this reason, or because its endpoint is gone.
///
/// Any number of processes may run this at the same time: a webhook is disabled once, by its version, and
/// its event is stored once, by its key.
pub struct FailingWebhookDisabler {
    webhooks: Arc<dyn WebhookRepository>,
    publisher: Publisher,
    ambient: Ambient,
    after: Duration,
    /// What this process has published; only of recently disabled webhooks.
    announced: HashSet<(WebhookId, Timestamp)>,
    outages: Outages,
    stagger: Stagger,
}

impl FailingWebhookDisabler {
    /// Creates a task that disables webhooks after they have failed for `after`.
    #[must_use]
    pub fn new(
        webhooks: Arc<dyn WebhookRepository>,
        publisher: Publisher,
        ambient: Ambient,
        after: Duration,
    ) -> Self {
        let (outages, stagger) = (Outages::default(), Stagger::default());
        Self { webhooks, publisher, ambient, after, announced: HashSet::new(), outages, stagger }
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

    /// Disables failing webhooks, and publishes the events of disabled ones.
    pub async fn pass(&mut self) {
        let disabled = self.disable_failing().await;
        self.report("disable failing webhooks", disabled);
        let announced = self.announce_all().await;
        self.report("read disabled webhooks", announced);
    }

    fn report(&self, operation: &str, done: Result<(), StoreError>) {
        match done {
            Ok(()) => self.outages.worked(operation),
            Err(error) => {
                self.outages.store_failed(operation, &error);
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

    /// Publishes an event for each recently disabled webhook; this process publishes each once.
    async fn announce_all(&mut self) -> Result<(), StoreError> {
        let not_before = self.ambient.now() - ANNOUNCED_AGE;
        self.announced.retain(|(_, since)| *since >= not_before);
        let mut after = None;
        loop {
            let disabled = self.webhooks.disabled(&ANNOUNCED_REASONS, not_before, after, PAGE_SIZE).await?;
            for webhook in &disabled {
                if self.is_unannounced(webhook) {
                    self.announce(webhook).await;
                }
            }
            after = disabled.last().map(|webhook| (webhook.id, webhook.since));
            if disabled.len() < PAGE_SIZE as usize {
                return Ok(());
            }
        }
    }

    fn is_unannounced(&self, webhook: &DisabledWebhook) -> bool {
        !self.announced.contains(&(webhook.id, webhook.since))
    }

    async fn announce(&mut self, webhook: &DisabledWebhook) {
        let DisabledWebhook { id, reason, since, failing_since, .. } = webhook;
        let failing_since = failing_since.map_or_else(|| "null".to_owned(), |at| format!("\"{at}\""));
        let draft = EventDraft {
            event_type: EventType::webhook_disabled(),
            timestamp: Some(*since),
            // An id and a timestamp consist of visible ASCII characters.
            key: format!("webhook.disabled/{id}/{since}").parse().ok(),
            // An event has one project: the event of a webhook with several would be hidden from all but
            // one of them.
            project: webhook.projects.first().filter(|_| webhook.projects.len() == 1).cloned(),
            data: format!(
                r#"{{"webhook_id":"{id}","reason":"{}","disabled_at":"{since}","failing_since":{failing_since}}}"#,
                reason.as_str()
            ),
            traceparent: None,
        };
        match self.publisher.publish_to(draft, Target::Subscribers, Ids::fresh(), 0).await {
            Ok(_) => {
                self.announced.insert((*id, *since));
            }
            Err(error) => tracing::warn!(
                webhook = %id, error = &error as &dyn std::error::Error,
                "cannot publish the event of a disabled webhook yet"
            ),
        }
    }
}

impl Periodic for FailingWebhookDisabler {
    async fn run_once(&mut self) -> Duration {
        self.pass().await;
        INTERVAL
    }
}
