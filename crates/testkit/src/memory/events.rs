//! [`EventRepository`] in memory.

use std::collections::BTreeMap;

use async_trait::async_trait;
use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::ports::{EventRepository, StoreError};
use rdev_webhooks_domain::{
    DeliveryCounts, DeliveryId, DeliveryStatus, Event, EventFilter, EventId, EventRecord, NewEvent, Page,
    PageRequest, Published, Target, Timestamp, WebhookId,
};

use super::MemoryStore;
use super::state::{Phase, State, StoredDelivery, StoredEvent};

#[async_trait]
impl EventRepository for MemoryStore {
    async fn publish(&self, events: &[NewEvent]) -> Result<Vec<Published>, StoreError> {
        let (mut state, now) = self.step();
        let published: Vec<_> = events.iter().map(|event| publish_one(&mut state, event, now)).collect();
        drop(state);
        if published.iter().any(|one| !one.duplicate && one.deliveries > 0) {
            self.work.notify_one();
        }
        Ok(published)
    }

    async fn get(&self, id: EventId) -> Result<Option<EventRecord>, StoreError> {
        let (state, now) = self.step();
        let stored = state.events.get(&id);
        Ok(stored.map(|stored| record(&state, stored, now)))
    }

    async fn list(
        &self,
        filter: &EventFilter,
        page: PageRequest<EventId>,
    ) -> Result<Page<EventRecord>, StoreError> {
        let (state, now) = self.step();
        let found = state
            .events
            .values()
            .rev()
            .filter(|stored| page.before.is_none_or(|before| stored.event.id < before))
            .filter(|stored| matches(filter, &stored.event))
            .take(page.limit as usize + 1)
            .map(|stored| record(&state, stored, now))
            .collect();
        Ok(Page::of(found, page.limit))
    }
}

fn publish_one(state: &mut State, event: &NewEvent, now: Timestamp) -> Published {
    let key = event.key.clone().map(|key| (event.project.clone(), key));
    if let Some(first) = key.as_ref().and_then(|key| state.keys.get(key)) {
        return Published { duplicate: true, ..*first };
    }
    if let Some(stored) = state.events.get(&event.id) {
        let deliveries = u32::try_from(stored.deliveries.len()).expect("a test has fewer webhooks");
        return Published { id: event.id, deliveries, duplicate: true };
    }
    let mut deliveries = Vec::new();
    for webhook in receivers(state, event) {
        let id = DeliveryId::derive(event.id, webhook);
        let delivery = StoredDelivery {
            event: event.id,
            webhook,
            phase: Phase::Unfinished(Progress::new(now)),
            attempts: BTreeMap::new(),
        };
        state.begin(id, delivery);
        deliveries.push(id);
    }
    let published = Published {
        id: event.id,
        deliveries: u32::try_from(deliveries.len()).expect("a test has fewer webhooks"),
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
    state.events.insert(event.id, stored);
    published
}

fn receivers(state: &State, event: &NewEvent) -> Vec<WebhookId> {
    let is_receiver = |id: &WebhookId| match event.target {
        Target::Webhook(target) => *id == target,
        Target::Subscribers => state.webhooks[id].webhook.wants(&event.event_type, event.project.as_ref()),
    };
    let enabled = state.webhooks.keys().copied();
    let enabled = enabled.filter(|id| state.is_enabled(*id));
    enabled.filter(is_receiver).collect()
}

fn record(state: &State, stored: &StoredEvent, now: Timestamp) -> EventRecord {
    let mut counts = DeliveryCounts::default();
    for id in &stored.deliveries {
        *match state.deliveries[id].state(now).status() {
            DeliveryStatus::Pending => &mut counts.pending,
            DeliveryStatus::InFlight => &mut counts.in_flight,
            DeliveryStatus::Retrying => &mut counts.retrying,
            DeliveryStatus::Succeeded => &mut counts.succeeded,
            DeliveryStatus::Failed => &mut counts.failed,
            DeliveryStatus::Cancelled => &mut counts.cancelled,
        } += 1;
    }
    EventRecord { event: stored.event.clone(), deliveries: counts }
}

fn matches(filter: &EventFilter, event: &Event) -> bool {
    let is = |wanted: &Option<_>| wanted.as_ref().is_none_or(|wanted| *wanted == event.event_type);
    is(&filter.event_type)
        && (filter.project.is_none() || filter.project == event.project)
        && filter.since.is_none_or(|since| event.id >= EventId::floor(since))
        && filter.until.is_none_or(|until| event.id < EventId::floor(until))
}
