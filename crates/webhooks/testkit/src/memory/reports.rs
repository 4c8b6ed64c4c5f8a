//! The operational events that recorded attempts cause.

use std::collections::BTreeMap;

use rdev_webhooks_domain::{
    AffectedWebhook, DeliveryState, FailedAttempt, FailedDelivery, FailingWebhook, Health, HealthEffect,
    OperationalEvent, RecoveredWebhook, Settlement, Timestamp, WantedReports, WebhookId,
};

use super::events::publish_operational;
use super::state::{Phase, State, StoredWebhook};

/// The transitions of a batch to publish.
pub(super) struct Reports<'a> {
    wanted: WantedReports,
    failed: Vec<(WebhookId, &'a Settlement)>,
    /// The last failure of each webhook that is not the delivery of an operational event.
    causes: BTreeMap<WebhookId, &'a Settlement>,
    opened: Vec<(WebhookId, Timestamp)>,
    recovered: Vec<(WebhookId, Timestamp)>,
}

impl<'a> Reports<'a> {
    pub(super) fn new(state: &State) -> Self {
        let enabled = state.webhooks.values().filter(|stored| stored.is_enabled());
        let patterns = enabled.flat_map(|stored| &stored.webhook.settings.events);
        let subscribed: Vec<String> = patterns.map(|pattern| pattern.as_str().to_owned()).collect();
        Self {
            wanted: WantedReports::new(&subscribed),
            failed: Vec::new(),
            causes: BTreeMap::new(),
            opened: Vec::new(),
            recovered: Vec::new(),
        }
    }

    pub(super) fn note(&mut self, state: &State, webhook: WebhookId, settlement: &'a Settlement) {
        let delivery = &state.deliveries[&settlement.lease.delivery];
        if state.events[&delivery.event].event.event_type.is_operational() {
            return;
        }
        if !matches!(settlement.health, HealthEffect::None | HealthEffect::Succeeded) {
            self.causes.insert(webhook, settlement);
        }
        if matches!(delivery.phase, Phase::Finished { state: DeliveryState::Failed { .. }, .. }) {
            self.failed.push((webhook, settlement));
        }
    }

    pub(super) fn record(&mut self, webhook: WebhookId, before: &Health, after: &mut Health) {
        if !self.wanted.circuits {
            return;
        }
        if before.is_reported && after.open_count == 0 {
            self.recovered.extend(before.failing_since.map(|since| (webhook, since)));
        } else if self.causes.contains_key(&webhook) && after.report() {
            self.opened.extend(after.failing_since.map(|since| (webhook, since)));
        }
    }

    /// Publishes the events. Returns whether that created deliveries.
    pub(super) fn publish(self, state: &mut State, now: Timestamp) -> bool {
        let mut events: Vec<OperationalEvent> = Vec::new();
        for (id, failing_since) in self.opened {
            let last_failure = last_failure(self.causes[&id]);
            let webhook = affected(state, id);
            let failing = |webhook| FailingWebhook { webhook, failing_since, last_failure }.event(now);
            events.extend(webhook.as_ref().map(failing));
        }
        for (id, failing_since) in self.recovered {
            let webhook = affected(state, id);
            events.extend(
                webhook.as_ref().map(|webhook| RecoveredWebhook { webhook, failing_since }.event(now)),
            );
        }
        for (id, settlement) in self.failed.into_iter().filter(|_| self.wanted.failed_deliveries) {
            let webhook = affected(state, id);
            events.extend(webhook.and_then(|webhook| failed_delivery(state, settlement, &webhook, now)));
        }
        let published = events.into_iter().map(|event| publish_operational(state, event, now));
        published.fold(false, |any, created| any | created)
    }
}

/// Returns a webhook that an operational event is about, unless it is deleted.
pub(super) fn affected(state: &State, id: WebhookId) -> Option<AffectedWebhook> {
    let StoredWebhook { webhook, .. } = state.webhook(id)?;
    Some(AffectedWebhook::new(id, webhook.settings.url.as_str(), webhook.settings.projects.clone()))
}

fn last_failure(settlement: &Settlement) -> Option<FailedAttempt> {
    FailedAttempt::new(&settlement.attempt.as_ref()?.outcome)
}

fn failed_delivery(
    state: &State,
    settlement: &Settlement,
    webhook: &AffectedWebhook,
    now: Timestamp,
) -> Option<OperationalEvent> {
    let id = settlement.lease.delivery;
    let delivery = &state.deliveries[&id];
    let Phase::Finished { state: DeliveryState::Failed { reason, .. }, attempts, .. } = delivery.phase else {
        return None;
    };
    let event = &state.events[&delivery.event].event;
    let failed = FailedDelivery {
        id,
        webhook,
        event_id: event.id,
        event_type: &event.event_type,
        project: event.project.as_ref(),
        attempts,
        reason,
        last_failure: last_failure(settlement),
    };
    failed.event(now)
}
