//! Disabling webhooks that only fail, and telling of those that were disabled.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{DisabledWebhook, StoreError, WebhookRepository};
use rdev_webhooks_domain::{DisabledReason, EventType, Target, Timestamp, WebhookId};
use tokio_util::sync::CancellationToken;

use crate::{Ambient, EventDraft, Outages, Publisher};

/// How often webhooks are looked at.
const INTERVAL: Duration = Duration::from_secs(60);

/// How many webhooks are read at once.
const PAGE: u32 = 1_000;

/// The reasons for which webhooks are disabled that their owners are told of.
const NEWS: [DisabledReason; 2] = [DisabledReason::Failing, DisabledReason::Gone];

/// A webhook that was disabled longer ago is no news. Well within the time that an event's key is
/// remembered, so that telling again adds nothing.
const NEWS_FOR: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Disables webhooks of which every attempt has failed for too long, and publishes `webhook.disabled` for
/// each webhook that was disabled by that, or because its endpoint is gone.
///
/// Any number of processes may do this side by side: a webhook is disabled once, by its version, and told
/// of once, by the event's key.
pub struct Disabling {
    webhooks: Arc<dyn WebhookRepository>,
    publisher: Publisher,
    ambient: Ambient,
    after: Duration,
    /// What this process has told of; no more than was disabled lately.
    told: HashSet<(WebhookId, Timestamp)>,
    outages: Outages,
}

impl Disabling {
    /// Disables what has failed for as long as `after`.
    #[must_use]
    pub fn new(
        webhooks: Arc<dyn WebhookRepository>,
        publisher: Publisher,
        ambient: Ambient,
        after: Duration,
    ) -> Self {
        Self { webhooks, publisher, ambient, after, told: HashSet::new(), outages: Outages::default() }
    }

    /// Tells these of what the database fails to do.
    #[must_use]
    pub fn with_outages(mut self, outages: Outages) -> Self {
        self.outages = outages;
        self
    }

    /// Works until `drain`, a pass a minute. What a pass could not do, the next does.
    pub async fn run(mut self, drain: CancellationToken) {
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                () = self.pass() => {}
            }
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep(INTERVAL) => {}
            }
        }
    }

    /// Looks at all webhooks once.
    pub async fn pass(&mut self) {
        let disabled = self.disable_failing().await;
        self.note("disable failing webhooks", disabled);
        let told = self.tell().await;
        self.note("read disabled webhooks", told);
    }

    fn note(&self, operation: &str, done: Result<(), StoreError>) {
        match done {
            Ok(()) => self.outages.worked(operation),
            Err(error) => {
                self.outages.store_failed(operation, &error);
            }
        }
    }

    async fn disable_failing(&self) -> Result<(), StoreError> {
        loop {
            let disabled = self.webhooks.disable_failing(self.after, PAGE).await?;
            for (id, since) in &disabled {
                tracing::warn!(webhook = %id, failing_since = %since, "webhook disabled: its deliveries failed for too long");
            }
            if disabled.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    /// Publishes what was disabled lately, each by this process once.
    async fn tell(&mut self) -> Result<(), StoreError> {
        let news_since = self.ambient.now() - NEWS_FOR;
        self.told.retain(|(_, since)| *since >= news_since);
        let mut after = None;
        loop {
            let disabled = self.webhooks.disabled(&NEWS, news_since, after, PAGE).await?;
            for webhook in &disabled {
                if self.is_news(webhook) {
                    self.tell_of(webhook).await;
                }
            }
            after = disabled.last().map(|webhook| (webhook.id, webhook.since));
            if disabled.len() < PAGE as usize {
                return Ok(());
            }
        }
    }

    fn is_news(&self, webhook: &DisabledWebhook) -> bool {
        !self.told.contains(&(webhook.id, webhook.since))
    }

    async fn tell_of(&mut self, webhook: &DisabledWebhook) {
        let DisabledWebhook { id, reason, since, failing_since, .. } = webhook;
        let failing_since = failing_since.map_or_else(|| "null".to_owned(), |at| format!("\"{at}\""));
        let draft = EventDraft {
            event_type: EventType::webhook_disabled(),
            timestamp: Some(*since),
            // An id and a moment have visible ASCII characters alone.
            key: format!("webhook.disabled/{id}/{since}").parse().ok(),
            // An event has one project: news of a webhook with several would be hidden from all but one of them.
            project: webhook.projects.first().filter(|_| webhook.projects.len() == 1).cloned(),
            data: format!(
                r#"{{"webhook_id":"{id}","reason":"{}","disabled_at":"{since}","failing_since":{failing_since}}}"#,
                reason.as_str()
            ),
            traceparent: None,
        };
        match self.publisher.publish_to(draft, Target::Subscribers).await {
            Ok(_) => {
                self.told.insert((*id, *since));
            }
            Err(error) => tracing::warn!(
                webhook = %id, error = &error as &dyn std::error::Error,
                "cannot publish the event of a disabled webhook yet"
            ),
        }
    }
}
