//! [`DeliveryHistory`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::ports::{DeliveryHistory, Pruned, StoreError};
use rdev_webhooks_domain::{
    Access, Attempt, Delivery, DeliveryFilter, DeliveryId, DeliveryRecord, EventId, LastAttempt, Page,
    PageRequest, Timestamp,
};

use super::MemoryStore;
use super::events::command_id;
use super::queue::cancel_if_deleted;
use super::state::{Phase, State, StoredEvent};

#[async_trait]
impl DeliveryHistory for MemoryStore {
    async fn get(&self, access: &Access, id: DeliveryId) -> Result<Option<DeliveryRecord>, StoreError> {
        let (state, now) = self.step();
        let is_shown = state.deliveries.get(&id).is_some_and(|stored| state.shows(access, stored));
        let delivery = state.delivery(id, now).filter(|_| is_shown);
        Ok(delivery.map(|delivery| {
            let stored = &state.events[&delivery.event_id];
            let webhook = state.webhooks.get(&delivery.webhook_id);
            DeliveryRecord {
                body: stored.event.body.clone(),
                format: webhook.map(|stored| stored.webhook.settings.format).unwrap_or_default(),
                traceparent: stored.traceparent,
                delivery,
            }
        }))
    }

    async fn list(
        &self,
        access: &Access,
        filter: &DeliveryFilter,
        page: PageRequest<DeliveryId>,
    ) -> Result<Page<Delivery>, StoreError> {
        let (state, now) = self.step();
        let found = state
            .deliveries
            .iter()
            .rev()
            .filter(|(id, _)| page.before.is_none_or(|before| **id < before))
            .filter(|(_, stored)| state.shows(access, stored))
            .filter(|(_, stored)| filter.last_attempt.matches(stored.attempts.values().next_back()))
            .filter(|(_, stored)| {
                let event = state.events.get(&stored.event).map(|stored| &stored.event);
                filter.command_id.is_none() || filter.command_id == event.and_then(command_id)
            })
            .filter_map(|(id, _)| state.delivery(*id, now))
            .filter(|delivery| filter.matches(delivery))
            .take(page.limit as usize + 1)
            .collect();
        Ok(Page::of(found, page.limit))
    }

    async fn attempts(&self, id: DeliveryId, page: PageRequest<u32>) -> Result<Page<Attempt>, StoreError> {
        let (state, _) = self.step();
        let stored = state.deliveries.get(&id);
        let found = stored
            .into_iter()
            .flat_map(|stored| stored.attempts.values().rev())
            .filter(|attempt| page.before.is_none_or(|before| attempt.number < before))
            .take(page.limit as usize + 1)
            .cloned()
            .collect();
        Ok(Page::of(found, page.limit))
    }

    async fn last_attempts(&self, deliveries: &[DeliveryId]) -> Result<Vec<LastAttempt>, StoreError> {
        let (state, _) = self.step();
        let last = |id: &DeliveryId| {
            let (_, attempt) = state.deliveries.get(id)?.attempts.last_key_value()?;
            Some(LastAttempt::new(*id, attempt))
        };
        Ok(deliveries.iter().filter_map(last).collect())
    }

    async fn prune(&self, retention: Duration) -> Result<Pruned, StoreError> {
        let (mut state, now) = self.step();
        let before = now - retention;
        cancel_what_dead_workers_left(&mut state, now);
        let old: Vec<EventId> = state
            .events
            .range(..EventId::floor(before))
            .filter(|(_, stored)| !is_awaited(&state, stored))
            .map(|(id, _)| *id)
            .collect();
        let mut pruned = Pruned::default();
        for event in old {
            pruned.events += 1;
            pruned.deliveries += state.remove_event(event);
        }
        for stored in state.webhooks.values_mut() {
            stored.secrets.previous.take_if(|(_, until)| *until <= now);
            stored.webhook.set_public_keys(&stored.secrets);
        }
        let mut reopened = std::mem::take(&mut state.reopened);
        reopened.retain(|point| state.in_progress(point.delivery).is_some());
        state.reopened = reopened;
        let kept = |deleted_at: Option<Timestamp>| deleted_at.is_none_or(|at| at >= before);
        state.webhooks.retain(|_, stored| kept(stored.deleted_at));
        state.replays.retain(|_, stored| stored.replay.is_open() || kept(stored.replay.state.ended_at()));
        Ok(pruned)
    }
}

/// True if an event has a delivery that is still to be sent.
fn is_awaited(state: &State, stored: &StoredEvent) -> bool {
    let deliveries = stored.deliveries.iter().map(|id| &state.deliveries[id]);
    let mut unfinished = deliveries.filter(|one| matches!(one.phase, Phase::Unfinished(_)));
    unfinished.any(|delivery| state.is_enabled(delivery.webhook))
}

fn cancel_what_dead_workers_left(state: &mut State, now: Timestamp) {
    let webhooks = state.webhooks.keys().copied();
    let deleted = webhooks.filter(|id| state.is_deleted(*id));
    let left: Vec<DeliveryId> = deleted
        .flat_map(|id| state.unfinished(id))
        .filter(|(_, progress)| progress.claimable_at() <= now)
        .map(|(id, _)| id)
        .collect();
    for id in left {
        cancel_if_deleted(state, id, now);
    }
}
