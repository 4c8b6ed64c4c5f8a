//! The state of the store.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use rdev_access::{ApiKey, ApiKeyHash, Operation, RememberedAnswer};
use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::feed::ChangePoint;
use rdev_webhooks_domain::statistics::Counters;
use rdev_webhooks_domain::{
    Access, ApiKeyId, Attempt, Delivery, DeliveryId, DeliveryState, Event, EventId, EventKey, EventType,
    Health, IdempotencyKey, LeaseToken, ProjectName, Published, RegisteredType, ReplayId, SigningSecrets,
    Timestamp, TraceParent, Webhook, WebhookId, WebhookState, sees_delivery,
};

use super::replays::StoredReplay;

#[derive(Default)]
pub(super) struct State {
    pub(super) webhooks: BTreeMap<WebhookId, StoredWebhook>,
    pub(super) events: BTreeMap<EventId, StoredEvent>,
    pub(super) keys: HashMap<(Option<ProjectName>, EventKey), Published>,
    pub(super) deliveries: BTreeMap<DeliveryId, StoredDelivery>,
    pub(super) api_keys: BTreeMap<ApiKeyId, (ApiKey, ApiKeyHash)>,
    pub(super) idempotency_keys: HashMap<IdempotencyKey, StoredKey>,
    /// Counters by webhook, and by the length in seconds and the start of the bucket.
    pub(super) statistics: BTreeMap<(WebhookId, u32, Timestamp), Counters>,
    pub(super) event_types: BTreeMap<EventType, RegisteredType>,
    pub(super) event_types_version: u64,
    pub(super) replays: BTreeMap<ReplayId, StoredReplay>,
    /// Finished deliveries that were put back into the queue.
    pub(super) reopened: Vec<ChangePoint>,
    /// The events by their numbers in the feed.
    pub(super) numbered: BTreeMap<u64, EventId>,
    /// The last number given to an event, and the last one that retention removed.
    pub(super) last_number: u64,
    pub(super) pruned_number: u64,
    /// The unfinished ones of `deliveries`, by webhook, so that a claim does not read finished ones.
    unfinished: BTreeMap<WebhookId, BTreeSet<DeliveryId>>,
}

pub(super) struct StoredWebhook {
    pub(super) webhook: Webhook,
    pub(super) secrets: SigningSecrets,
    pub(super) deleted_at: Option<Timestamp>,
    pub(super) health: Health,
    /// The moment up to which its rate is spent.
    pub(super) spent_until: Option<Timestamp>,
}

pub(super) struct StoredEvent {
    pub(super) event: Event,
    pub(super) traceparent: Option<TraceParent>,
    pub(super) deliveries: Vec<DeliveryId>,
}

pub(super) struct StoredDelivery {
    pub(super) event: EventId,
    pub(super) webhook: WebhookId,
    pub(super) phase: Phase,
    pub(super) attempts: BTreeMap<u32, Attempt>,
    /// When failed attempts were recorded.
    pub(super) failures: Vec<Timestamp>,
}

pub(super) struct StoredKey {
    pub(super) operation: Operation,
    pub(super) phase: KeyPhase,
    pub(super) expires_at: Timestamp,
    /// True if the operation of the key was done and only this says so.
    pub(super) is_done: bool,
}

pub(super) enum KeyPhase {
    Leased { token: LeaseToken, until: Timestamp },
    Answered(RememberedAnswer),
}

pub(super) enum Phase {
    Unfinished(Progress),
    Finished { state: DeliveryState, attempts: u32, automatic_attempts: u32 },
}

impl StoredWebhook {
    /// True if the webhook exists and is visible to the caller.
    pub(super) fn is_there_for(&self, access: &Access) -> bool {
        self.deleted_at.is_none() && self.webhook.is_visible_to(access)
    }

    pub(super) fn is_enabled(&self) -> bool {
        self.deleted_at.is_none() && self.webhook.state == WebhookState::Enabled
    }
}

impl StoredDelivery {
    pub(super) fn state(&self, now: Timestamp) -> DeliveryState {
        match &self.phase {
            Phase::Unfinished(progress) => progress.state(now),
            Phase::Finished { state, .. } => *state,
        }
    }
}

impl State {
    /// Returns a webhook that was not deleted.
    pub(super) fn webhook(&self, id: WebhookId) -> Option<&StoredWebhook> {
        self.webhooks.get(&id).filter(|stored| stored.deleted_at.is_none())
    }

    /// True if a webhook, deleted or not, is visible to the caller.
    pub(super) fn is_visible_to(&self, access: &Access, id: WebhookId) -> bool {
        let stored = self.webhooks.get(&id);
        access.projects.is_none() || stored.is_some_and(|stored| stored.webhook.is_visible_to(access))
    }

    /// Makes the replays of a changed webhook due.
    pub(super) fn make_replays_due(&mut self, webhook: WebhookId, now: Timestamp) {
        let of_webhook = |stored: &&mut StoredReplay| stored.replay.selection.webhook_id == webhook;
        self.replays.values_mut().filter(of_webhook).for_each(|stored| stored.make_due(now));
    }

    pub(super) fn is_deleted(&self, id: WebhookId) -> bool {
        self.webhook(id).is_none()
    }

    pub(super) fn is_enabled(&self, id: WebhookId) -> bool {
        self.webhooks.get(&id).is_some_and(StoredWebhook::is_enabled)
    }

    /// True if a delivery is visible to the caller. Every delivery is visible to an unrestricted caller.
    pub(super) fn shows(&self, access: &Access, stored: &StoredDelivery) -> bool {
        let event = self.events.get(&stored.event);
        let project = event.and_then(|stored| stored.event.project.as_ref());
        let webhook = self.webhooks.get(&stored.webhook);
        sees_delivery(access, project, webhook.map(|stored| &stored.webhook.settings.projects))
    }

    pub(super) fn delivery(&self, id: DeliveryId, now: Timestamp) -> Option<Delivery> {
        let stored = self.deliveries.get(&id)?;
        // An event is removed only together with its deliveries.
        let event = &self.events.get(&stored.event)?.event;
        Some(Delivery {
            id,
            event_id: event.id,
            event_type: event.event_type.clone(),
            project: event.project.clone(),
            webhook_id: stored.webhook,
            attempts: match &stored.phase {
                Phase::Unfinished(progress) => progress.attempts,
                Phase::Finished { attempts, .. } => *attempts,
            },
            state: stored.state(now),
        })
    }

    /// Returns the unfinished deliveries of one webhook.
    pub(super) fn unfinished(&self, webhook: WebhookId) -> impl Iterator<Item = (DeliveryId, &Progress)> {
        self.unfinished.get(&webhook).into_iter().flatten().filter_map(|id| {
            match &self.deliveries.get(id)?.phase {
                Phase::Unfinished(progress) => Some((*id, progress)),
                Phase::Finished { .. } => None,
            }
        })
    }

    /// Adds an unfinished delivery.
    pub(super) fn begin(&mut self, id: DeliveryId, delivery: StoredDelivery) {
        let of_webhook = self.unfinished.entry(delivery.webhook).or_default();
        of_webhook.insert(id);
        self.deliveries.insert(id, delivery);
    }

    /// Reopens a finished delivery.
    pub(super) fn reopen(&mut self, id: DeliveryId, progress: Progress, now: Timestamp) {
        if let Some(stored) = self.deliveries.get_mut(&id) {
            if matches!(stored.phase, Phase::Finished { .. }) {
                self.reopened.push(ChangePoint { at: now, delivery: id });
            }
            stored.phase = Phase::Unfinished(progress);
            let of_webhook = self.unfinished.entry(stored.webhook).or_default();
            of_webhook.insert(id);
        }
    }

    /// Ends an unfinished delivery.
    pub(super) fn finish(&mut self, id: DeliveryId, state: DeliveryState) {
        let Some(stored) = self.deliveries.get_mut(&id) else {
            return;
        };
        if let Phase::Unfinished(progress) = &stored.phase {
            stored.phase = Phase::Finished {
                state,
                attempts: progress.attempts,
                automatic_attempts: progress.automatic_attempts,
            };
            let webhook = stored.webhook;
            self.forget_unfinished(webhook, id);
        }
    }

    /// Records that an attempt of a delivery has failed.
    pub(super) fn failed(&mut self, id: DeliveryId, now: Timestamp) {
        if let Some(stored) = self.deliveries.get_mut(&id) {
            stored.failures.push(now);
        }
    }

    /// Returns an unfinished delivery's progress and attempts, mutable.
    pub(super) fn in_progress(
        &mut self,
        id: DeliveryId,
    ) -> Option<(&mut Progress, &mut BTreeMap<u32, Attempt>)> {
        let stored = self.deliveries.get_mut(&id)?;
        match &mut stored.phase {
            Phase::Unfinished(progress) => Some((progress, &mut stored.attempts)),
            Phase::Finished { .. } => None,
        }
    }

    /// Removes an event with its deliveries. Returns the number of deliveries.
    pub(super) fn remove_event(&mut self, id: EventId) -> u64 {
        let Some(stored) = self.events.remove(&id) else {
            return 0;
        };
        if let Some(key) = stored.event.key {
            self.keys.remove(&(stored.event.project, key));
        }
        let removed: Vec<u64> =
            self.numbered.extract_if(.., |_, event| *event == id).map(|(number, _)| number).collect();
        self.pruned_number = removed.into_iter().fold(self.pruned_number, u64::max);
        for delivery in &stored.deliveries {
            if let Some(removed) = self.deliveries.remove(delivery) {
                self.forget_unfinished(removed.webhook, *delivery);
            }
        }
        stored.deliveries.len() as u64
    }

    fn forget_unfinished(&mut self, webhook: WebhookId, id: DeliveryId) {
        if let Some(of_webhook) = self.unfinished.get_mut(&webhook) {
            of_webhook.remove(&id);
            if of_webhook.is_empty() {
                self.unfinished.remove(&webhook);
            }
        }
    }
}
