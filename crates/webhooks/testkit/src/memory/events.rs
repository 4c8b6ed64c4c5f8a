//! [`EventRepository`] in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use async_trait::async_trait;
use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    Access, CommandId, DeliveryCounts, DeliveryId, Event, EventFilter, EventId, EventRecord, MAX_LISTED_BODY,
    NewEvent, OperationalEvent, Page, PageRequest, PublishOutcome, Published, Target, Timestamp, WebhookId,
};
use rdev_webhooks_store::NewDeliveries;

use super::MemoryStore;
use super::queue::lease;
use super::state::{Phase, State, StoredDelivery, StoredEvent};

#[async_trait]
impl EventRepository for MemoryStore {
    async fn publish_within(
        &self,
        events: &[NewEvent],
        max_deliveries: u32,
    ) -> Result<PublishOutcome, StoreError> {
        let (mut state, now) = self.step();
        let counts = new_deliveries(&state, events);
        if counts.iter().map(|count| u64::from(*count)).sum::<u64>() > u64::from(max_deliveries) {
            return Ok(PublishOutcome::TooLarge(counts));
        }
        let published: Vec<_> = events.iter().map(|event| publish_one(&mut state, event, now)).collect();
        let new = published.iter().filter(|one| !one.duplicate);
        let mut new = NewDeliveries::count(new.flat_map(|one| receivers_of(&state, one.id)));
        if let Some(unused) = self.advance_claims.take() {
            match new.within(&unused.claim, u32::MAX) {
                Some(claim) => {
                    let (since, leased) = (Instant::now(), lease(&mut state, &claim, now));
                    new.remove(&leased);
                    unused.hand_over(since, leased);
                }
                None => self.advance_claims.put_back(unused),
            }
        }
        drop(state);
        if let Some(wake_up) = new.wake_up() {
            self.wake_ups.raise(wake_up);
        }
        Ok(PublishOutcome::Stored(published))
    }

    async fn get(&self, access: &Access, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        let (state, now) = self.step();
        let stored = state.events.get(&id).filter(|stored| stored.event.is_visible_to(access));
        Ok(stored.map(|stored| record(&state, access, stored, now)))
    }

    async fn list(
        &self,
        access: &Access,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        let (state, now) = self.step();
        let found = state
            .events
            .values()
            .rev()
            .filter(|stored| page.before.is_none_or(|before| stored.event.id < before))
            .filter(|stored| stored.event.is_visible_to(access) && matches(filter, &stored.event))
            .take(page.limit as usize + 1)
            .map(|stored| listed(record(&state, access, stored, now)))
            .collect();
        Ok(Page::of(found, page.limit))
    }

    async fn count_deliveries(
        &self,
        access: &Access,
        events: &[EventId],
    ) -> Result<Vec<DeliveryCounts>, StoreError> {
        let (state, now) = self.step();
        let count = |id| match state.events.get(id) {
            Some(stored) => count(&state, access, stored, now),
            None => DeliveryCounts::default(),
        };
        Ok(events.iter().map(count).collect())
    }
}

/// Returns the number of deliveries that each event would add.
fn new_deliveries(state: &State, events: &[NewEvent]) -> Vec<u32> {
    let mut keys = BTreeSet::new();
    let mut counts = Vec::with_capacity(events.len());
    for event in events {
        let key = event.key.clone().map(|key| (event.project.clone(), key));
        let is_taken = key.is_some_and(|key| state.keys.contains_key(&key) || !keys.insert(key));
        let adds_nothing = is_taken || state.events.contains_key(&event.id);
        counts.push(if adds_nothing { 0 } else { number(receivers(state, event).len()) });
    }
    counts
}

fn number(count: usize) -> u32 {
    u32::try_from(count).expect("a test has fewer webhooks")
}

pub(super) fn publish_one(state: &mut State, event: &NewEvent, now: Timestamp) -> Published {
    publish_to(state, event, receivers(state, event), now)
}

/// Returns the webhooks that have a delivery of an event.
fn receivers_of(state: &State, event: EventId) -> impl Iterator<Item = WebhookId> {
    let deliveries = state.events.get(&event).into_iter().flat_map(|stored| &stored.deliveries);
    deliveries.filter_map(|id| state.deliveries.get(id)).map(|delivery| delivery.webhook)
}

/// Publishes an event of the service itself. Returns whether that created deliveries.
pub(super) fn publish_operational(state: &mut State, event: OperationalEvent, now: Timestamp) -> bool {
    let OperationalEvent { event, except } = event;
    let mut receivers = receivers(state, &event);
    receivers.retain(|id| Some(*id) != except);
    publish_to(state, &event, receivers, now).deliveries > 0
}

fn publish_to(state: &mut State, event: &NewEvent, receivers: Vec<WebhookId>, now: Timestamp) -> Published {
    let access = event.producer.as_deref().unwrap_or_else(|| Access::everything());
    let visible = receivers.iter().filter(|webhook| state.is_visible_to(access, **webhook));
    let visible_deliveries = number(visible.count());
    let key = event.key.clone().map(|key| (event.project.clone(), key));
    if let Some(first) = key.as_ref().and_then(|key| state.keys.get(key)) {
        let visible_deliveries = access.projects.as_ref().map_or(first.deliveries, |_| visible_deliveries);
        return Published { duplicate: true, visible_deliveries, ..*first };
    }
    if let Some(stored) = state.events.get(&event.id) {
        let deliveries = number(stored.deliveries.len());
        let visible_deliveries = access.projects.as_ref().map_or(deliveries, |_| visible_deliveries);
        return Published { id: event.id, deliveries, visible_deliveries, duplicate: true };
    }
    let mut deliveries = Vec::new();
    for webhook in receivers {
        deliveries.push(begin_delivery(state, event.id, webhook, now));
    }
    let published = Published {
        id: event.id,
        deliveries: number(deliveries.len()),
        visible_deliveries,
        duplicate: false,
    };
    if let Some(key) = key {
        state.keys.insert(key, published);
    }
    let stored = StoredEvent {
        event: Event {
            id: event.id,
            key: event.key.clone(),
            event_type: event.event_type.clone(),
            project: event.project.clone(),
            timestamp: event.timestamp,
            body: event.body.clone(),
        },
        traceparent: event.traceparent,
        deliveries,
    };
    state.last_number += 1;
    state.numbered.insert(state.last_number, event.id);
    state.events.insert(event.id, stored);
    published
}

fn begin_delivery(state: &mut State, event: EventId, webhook: WebhookId, now: Timestamp) -> DeliveryId {
    let id = DeliveryId::derive(event, webhook);
    let delivery = StoredDelivery {
        event,
        webhook,
        phase: Phase::Unfinished(Progress::new(now)),
        attempts: BTreeMap::new(),
        failures: Vec::new(),
    };
    state.begin(id, delivery);
    id
}

/// Adds a delivery of a stored event.
pub(super) fn add_delivery(state: &mut State, event: EventId, webhook: WebhookId, now: Timestamp) {
    let id = begin_delivery(state, event, webhook, now);
    if let Some(stored) = state.events.get_mut(&event) {
        stored.deliveries.push(id);
    }
}

fn receivers(state: &State, event: &NewEvent) -> Vec<WebhookId> {
    let is_receiver = |id: &WebhookId| match event.target {
        Target::Webhook(target) => *id == target,
        Target::WebhookAt(target, version) => *id == target && state.webhooks[id].webhook.version == version,
        Target::Subscribers => state.webhooks[id].webhook.wants(&event.event_type, event.project.as_ref()),
    };
    let enabled = state.webhooks.keys().copied();
    let enabled = enabled.filter(|id| state.is_enabled(*id));
    enabled.filter(is_receiver).collect()
}

fn record(state: &State, access: &Access, stored: &StoredEvent, now: Timestamp) -> EventRecord {
    EventRecord { event: stored.event.clone(), deliveries: count(state, access, stored, now) }
}

/// Removes a body that is too large for a list.
fn listed(mut record: EventRecord) -> EventRecord {
    if record.event.body.len() > MAX_LISTED_BODY {
        record.event.body = bytes::Bytes::new();
    }
    record
}

fn count(state: &State, access: &Access, stored: &StoredEvent, now: Timestamp) -> DeliveryCounts {
    let mut counts = DeliveryCounts::default();
    let deliveries = stored.deliveries.iter().map(|id| &state.deliveries[id]);
    for delivery in deliveries.filter(|one| state.is_visible_to(access, one.webhook)) {
        *counts.of_mut(delivery.state(now).status()) += 1;
    }
    counts
}

pub(super) fn command_id(event: &Event) -> Option<CommandId> {
    CommandId::in_body(&event.event_type, &event.body)
}

fn matches(filter: &EventFilter, event: &Event) -> bool {
    let is = |wanted: &Option<_>| wanted.as_ref().is_none_or(|wanted| *wanted == event.event_type);
    is(&filter.event_type)
        && (filter.project.is_none() || filter.project == event.project)
        && (filter.key.is_none() || filter.key == event.key)
        && (filter.command_id.is_none() || filter.command_id == command_id(event))
        && filter.since.is_none_or(|since| event.id >= EventId::floor(since))
        && filter.until.is_none_or(|until| event.id < EventId::floor(until))
}
