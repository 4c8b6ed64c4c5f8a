//! The operational events that recorded attempts cause.

use std::collections::BTreeMap;

use rdev_webhooks_domain::{
    AffectedWebhook, DeliveryState, EventId, EventType, FailedAttempt, FailedDelivery, FailingWebhook,
    Health, HealthEffect, OperationalEvent, RecoveredWebhook, Settlement, Timestamp, WantedReports,
    WebhookId,
};
use sqlx::SqliteConnection;

use super::batch::DeliveryBatch;
use crate::error::{self, DbError};
use crate::events::publish::publish_in;
use crate::operational::affected;
use crate::rows::delivery::StoredState;

/// The transitions of a batch to publish, among those that some webhook subscribes to.
pub(super) struct Reports<'a> {
    wanted: WantedReports,
    failed: Vec<(WebhookId, &'a Settlement)>,
    /// The last failure of each webhook that is not the delivery of an operational event: these do not make a webhook
    /// be reported as failing.
    causes: BTreeMap<WebhookId, &'a Settlement>,
    opened: Vec<(WebhookId, Timestamp)>,
    recovered: Vec<(WebhookId, Timestamp)>,
}

impl<'a> Reports<'a> {
    pub(super) fn new(wanted: WantedReports) -> Self {
        let (failed, causes) = (Vec::new(), BTreeMap::new());
        Self { wanted, failed, causes, opened: Vec::new(), recovered: Vec::new() }
    }

    /// Notes a recorded settlement.
    pub(super) fn note(
        &mut self,
        deliveries: &DeliveryBatch,
        webhook: WebhookId,
        settlement: &'a Settlement,
    ) {
        if self.wanted == WantedReports::default() || settlement.health == HealthEffect::Succeeded {
            return;
        }
        let Some((event, state)) = deliveries.event(settlement.lease.delivery) else {
            return;
        };
        let is_operational = event.event_type.parse::<EventType>().is_ok_and(|one| one.is_operational());
        if is_operational {
            return;
        }
        if settlement.health != HealthEffect::None {
            self.causes.insert(webhook, settlement);
        }
        let has_failed = matches!(state, StoredState::Finished { state: DeliveryState::Failed { .. }, .. });
        if has_failed && self.wanted.failed_deliveries {
            self.failed.push((webhook, settlement));
        }
    }

    /// Notes the health of a webhook before and after the batch, and marks what is reported.
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

    /// Publishes the events. Returns the number of their deliveries.
    pub(super) async fn publish(
        self,
        conn: &mut SqliteConnection,
        deliveries: &DeliveryBatch,
        now: Timestamp,
    ) -> Result<u64, DbError> {
        let of_circuits = self.opened.iter().chain(&self.recovered).map(|(webhook, _)| *webhook);
        let ids: Vec<_> = of_circuits.chain(self.failed.iter().map(|(webhook, _)| *webhook)).collect();
        if ids.is_empty() {
            return Ok(0);
        }
        let webhooks = affected(conn, ids).await?;
        let mut events = Vec::new();
        for (id, failing_since) in self.opened {
            let last_failure = self.causes.get(&id).and_then(|cause| last_failure(cause));
            let failing = |webhook| FailingWebhook { webhook, failing_since, last_failure }.event(now);
            events.extend(webhooks.get(&id).map(failing));
        }
        for (id, failing_since) in self.recovered {
            events.extend(
                webhooks.get(&id).map(|webhook| RecoveredWebhook { webhook, failing_since }.event(now)),
            );
        }
        for (id, settlement) in self.failed {
            if let Some(webhook) = webhooks.get(&id) {
                events.extend(failed_delivery(deliveries, settlement, webhook, now)?);
            }
        }
        let mut published = 0;
        for event in events {
            published += publish_in(conn, event, now).await?;
        }
        Ok(published)
    }
}

fn last_failure(settlement: &Settlement) -> Option<FailedAttempt> {
    FailedAttempt::new(&settlement.attempt.as_ref()?.outcome)
}

fn failed_delivery(
    deliveries: &DeliveryBatch,
    settlement: &Settlement,
    webhook: &AffectedWebhook,
    now: Timestamp,
) -> Result<Option<OperationalEvent>, DbError> {
    let id = settlement.lease.delivery;
    let Some((event, StoredState::Finished { state: DeliveryState::Failed { reason, .. }, attempts, .. })) =
        deliveries.event(id)
    else {
        return Ok(None);
    };
    let Ok(event_type) = event.event_type.parse::<EventType>() else {
        return Ok(None);
    };
    let project = event.project.as_ref().and_then(|name| name.parse().ok());
    let failed = FailedDelivery {
        id,
        webhook,
        event_id: error::uuid("deliveries", "event_id", &event.id).map(EventId::from_uuid)?,
        event_type: &event_type,
        project: project.as_ref(),
        attempts: *attempts,
        reason: *reason,
        last_failure: last_failure(settlement),
    };
    Ok(failed.event(now))
}
