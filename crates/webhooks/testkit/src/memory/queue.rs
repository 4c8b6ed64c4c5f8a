//! [`DeliveryQueue`] in memory.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::health::Tally;
use rdev_webhooks_domain::ports::{AdvanceClaim, Cancellation, DeliveryQueue, Redelivery, StoreError};
use rdev_webhooks_domain::{
    Access, Attempt, CancelReason, Circuit, Claim, ClaimShare, DeliveryId, DeliveryState, DeliveryTarget,
    DisabledReason, DisabledWebhook, Discovery, DueWebhook, LastFailure, LeaseRef, LeaseToken,
    LeasedDelivery, QueueStats, RedeliveryRequest, Settlement, Timestamp, WakeUp, WebhookId, WebhookState,
};

use super::MemoryStore;
use super::events::publish_one;
use super::reports::Reports;
use super::state::{Phase, State, StoredWebhook};

#[async_trait]
impl DeliveryQueue for MemoryStore {
    async fn discover(&self, after: Option<WebhookId>, limit: u32) -> Result<Discovery, StoreError> {
        let (state, now) = self.step();
        let mut discovery = Discovery::default();
        for (id, stored) in &state.webhooks {
            if after.is_some_and(|after| *id <= after) || !stored.is_enabled() {
                continue;
            }
            let unfinished = || state.unfinished(*id).map(|(_, progress)| progress);
            let is_abandoned = unfinished().any(|one| one.lease.is_some() && one.claimable_at() <= now);
            let Some(soonest) = unfinished().map(Progress::claimable_at).min() else {
                continue;
            };
            let soonest = match stored.health.circuit(now) {
                Circuit::Open { until } => soonest.max(until),
                Circuit::Closed | Circuit::HalfOpen => soonest,
            };
            let settings = &stored.webhook.settings;
            let allowed_at = settings.rate_limit.and_then(|rate| rate.next_at(stored.spent_until, now));
            let soonest = allowed_at.map_or(soonest, |allowed_at| soonest.max(allowed_at));
            if soonest > now {
                let wait = soonest.since(now);
                let known = discovery.next_due_in.unwrap_or(Duration::MAX);
                discovery.next_due_in = Some(known.min(wait));
            } else if discovery.due.len() == limit as usize {
                discovery.has_more = true;
                break;
            } else {
                discovery.due.push(DueWebhook {
                    id: *id,
                    max_in_flight: settings.max_in_flight,
                    is_limited: settings.rate_limit.is_some() || settings.max_in_flight.is_some(),
                    timeout: settings.timeout,
                    last_failure: match is_abandoned {
                        true => Some(LastFailure::Silent),
                        false => stored.health.last_failure(),
                    },
                    overdue: now.since(soonest),
                });
            }
        }
        Ok(discovery)
    }

    async fn claim(&self, claim: &Claim) -> Result<Vec<LeasedDelivery>, StoreError> {
        let (mut state, now) = self.step();
        Ok(lease(&mut state, claim, now))
    }

    fn claim_in_advance(&self, claim: Claim) -> Option<Box<dyn AdvanceClaim>> {
        self.advance_claims.add(claim)
    }

    async fn release(&self, leases: &[LeaseRef]) -> Result<(), StoreError> {
        let (mut state, now) = self.step();
        for lease in leases {
            let Some((progress, _)) = state.in_progress(lease.delivery) else {
                continue;
            };
            if progress.release(lease.token).is_ok() {
                cancel_if_deleted(&mut state, lease.delivery, now);
            }
        }
        drop(state);
        self.wake_ups.raise(WakeUp::Any);
        Ok(())
    }

    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<bool>, StoreError> {
        let (mut state, now) = self.step();
        let mut recorded = Vec::with_capacity(settlements.len());
        let mut tallies: BTreeMap<WebhookId, Tally> = BTreeMap::new();
        let mut gone = Vec::new();
        let mut reports = Reports::new(&state);
        for settlement in settlements {
            let webhook = settle_one(&mut state, settlement, &mut gone, now);
            recorded.push(webhook.is_some());
            if let Some(webhook) = webhook {
                tallies.entry(webhook).or_default().add(settlement.health);
                reports.note(&state, webhook, settlement);
            }
        }
        for (webhook, tally) in tallies {
            if let Some(stored) = state.webhooks.get_mut(&webhook) {
                let before = stored.health;
                stored.health.record(tally, now);
                reports.record(webhook, &before, &mut stored.health);
            }
        }
        let mut published = publish_disabled(&mut state, gone);
        published |= reports.publish(&mut state, now);
        drop(state);
        if published {
            self.wake_ups.raise(WakeUp::Any);
        }
        Ok(recorded)
    }

    async fn redeliver(
        &self,
        access: &Access,
        id: DeliveryId,
        request: &RedeliveryRequest,
    ) -> Result<Option<Redelivery>, StoreError> {
        let (mut state, now) = self.step();
        let Some(stored) = state.deliveries.get(&id).filter(|stored| state.shows(access, stored)) else {
            return Ok(None);
        };
        let key = request.key.as_ref();
        if key.and_then(|key| state.idempotency_keys.get(key)).is_some_and(|stored| stored.is_done) {
            return Ok(state.delivery(id, now).map(Redelivery::Queued));
        }
        if state.is_deleted(stored.webhook) {
            return Ok(Some(Redelivery::WebhookDeleted));
        }
        if !state.is_enabled(stored.webhook) {
            return Ok(Some(Redelivery::WebhookDisabled));
        }
        let progress = match &stored.phase {
            Phase::Unfinished(progress) => {
                let mut progress = *progress;
                if progress.redeliver(request.trigger, now).is_err() {
                    return Ok(Some(Redelivery::InFlight));
                }
                progress
            }
            Phase::Finished { attempts, automatic_attempts, .. } => {
                Progress::reopened(*attempts, *automatic_attempts, request.trigger, now)
            }
        };
        state.reopen(id, progress, now);
        if let Some(stored) = key.and_then(|key| state.idempotency_keys.get_mut(key)) {
            stored.is_done = true;
        }
        let queued = state.delivery(id, now).map(Redelivery::Queued);
        drop(state);
        self.wake_ups.raise(WakeUp::Any);
        Ok(queued)
    }

    async fn survey(&self) -> Result<QueueStats, StoreError> {
        let (state, now) = self.step();
        let mut survey = QueueStats::default();
        for (id, stored) in &state.webhooks {
            survey.unfinished += state.unfinished(*id).count() as u64;
            let circuit = stored.health.circuit(now);
            if circuit != Circuit::Closed {
                survey.circuits.push((*id, circuit));
            }
            if stored.is_enabled() && !matches!(circuit, Circuit::Open { .. }) {
                let claimable = state.unfinished(*id).filter(|(_, progress)| progress.claimable_at() <= now);
                let longest = claimable.map(|(_, progress)| now.since(progress.due_at)).max();
                survey.oldest_due = survey.oldest_due.max(longest);
            }
        }
        Ok(survey)
    }

    async fn cancel(&self, access: &Access, id: DeliveryId) -> Result<Option<Cancellation>, StoreError> {
        let (mut state, now) = self.step();
        if !state.deliveries.get(&id).is_some_and(|stored| state.shows(access, stored)) {
            return Ok(None);
        }
        let Some((progress, attempts)) = state.in_progress(id) else {
            return Ok(Some(Cancellation::Ended));
        };
        let Ok((cancelled, abandoned)) = progress.cancel(now) else {
            return Ok(Some(Cancellation::InFlight));
        };
        if let Some(abandoned) = abandoned {
            attempts.insert(abandoned.number, Attempt::abandoned(abandoned, now));
        }
        state.finish(id, cancelled);
        Ok(state.delivery(id, now).map(Cancellation::Cancelled))
    }

    async fn wait_for_work(&self) -> WakeUp {
        self.wake_ups.wait().await
    }

    async fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// Leases what a claim asks for.
pub(super) fn lease(state: &mut State, claim: &Claim, now: Timestamp) -> Vec<LeasedDelivery> {
    let mut leased = Vec::new();
    for share in &claim.shares {
        claim_share(state, claim.token, *share, now, &mut leased);
    }
    leased
}

fn claim_share(
    state: &mut State,
    token: LeaseToken,
    share: ClaimShare,
    now: Timestamp,
    leased: &mut Vec<LeasedDelivery>,
) {
    let Some(stored) = state.webhooks.get(&share.webhook) else {
        return;
    };
    if !stored.is_enabled() {
        return;
    }
    let take = match stored.health.circuit(now) {
        Circuit::Open { .. } => return,
        Circuit::HalfOpen => share.take.min(1),
        Circuit::Closed => share.take,
    };
    let webhook = &stored.webhook;
    let rate = webhook.settings.rate_limit;
    let by_rate = rate.map_or(u32::MAX, |rate| rate.allowed(stored.spent_until, now));
    let in_flight = state
        .unfinished(share.webhook)
        .filter(|(_, progress)| progress.claimable_at() > now && progress.lease.is_some());
    let in_flight = u32::try_from(in_flight.count()).unwrap_or(u32::MAX);
    let by_cap = webhook.settings.max_in_flight.map_or(u32::MAX, |cap| cap.get().saturating_sub(in_flight));
    let take = take.min(by_rate).min(by_cap);
    let target = Arc::new(DeliveryTarget {
        webhook_id: webhook.id,
        version: webhook.version,
        url: webhook.settings.url.clone(),
        headers: webhook.settings.headers.clone(),
        secrets: stored.secrets.clone(),
        retry: webhook.settings.retry.clone(),
        timeout: webhook.settings.timeout,
        format: webhook.settings.format,
    });
    let mut due: Vec<_> = state
        .unfinished(share.webhook)
        .filter(|(_, progress)| progress.claimable_at() <= now)
        .map(|(id, progress)| (progress.due_at, id))
        .collect();
    due.sort_unstable();
    due.truncate(take as usize);
    if let Some(stored) = state.webhooks.get_mut(&share.webhook)
        && !due.is_empty()
    {
        if stored.health.circuit(now) == Circuit::HalfOpen {
            stored.health.probe(now, share.lease_for);
        }
        let count = u32::try_from(due.len()).unwrap_or(u32::MAX);
        stored.spent_until =
            rate.map(|rate| rate.spend(stored.spent_until, count, now)).or(stored.spent_until);
    }
    for (_, id) in due {
        let Some((progress, attempts)) = state.in_progress(id) else {
            continue;
        };
        let overdue = now.since(progress.due_at);
        let abandoned = progress.claim(token, now, share.lease_for);
        if let Some(abandoned) = abandoned {
            attempts.insert(abandoned.number, Attempt::abandoned(abandoned, now));
        }
        let progress = *progress;
        if abandoned.is_some() {
            state.failed(id, now);
        }
        let event = &state.events[&state.deliveries[&id].event];
        leased.push(LeasedDelivery {
            lease: LeaseRef { delivery: id, token },
            event_id: event.event.id,
            event_type: event.event.event_type.clone(),
            project: event.event.project.clone(),
            body: event.event.body.clone(),
            traceparent: event.traceparent,
            attempt: progress.attempts,
            automatic_attempts: progress.automatic_attempts,
            abandoned_count: progress.abandoned_count,
            trigger: progress.trigger,
            resumes: progress.deferred_until.is_some(),
            overdue,
            claimed_at: now,
            target: Arc::clone(&target),
        });
    }
}

/// Records a settlement and returns the webhook of its delivery, or `None` if the lease was lost.
fn settle_one(
    state: &mut State,
    settlement: &Settlement,
    gone: &mut Vec<WebhookId>,
    now: Timestamp,
) -> Option<WebhookId> {
    let id = settlement.lease.delivery;
    let webhook = state.deliveries.get(&id)?.webhook;
    let deleted = state.is_deleted(webhook);
    let (progress, attempts) = state.in_progress(id)?;
    let token = settlement.lease.token;
    let ended = progress.settle(token, settlement.settled, now, deleted).ok()?;
    if let Some(attempt) = &settlement.attempt {
        attempts.insert(attempt.number, attempt.clone());
        if !attempt.outcome.is_success() {
            state.failed(id, now);
        }
    }
    if let Some(ended) = ended {
        state.finish(id, ended);
    }
    let tried = settlement.gone.zip(state.webhooks.get(&webhook));
    if tried.is_some_and(|(version, stored)| version == stored.webhook.version) && state.is_enabled(webhook) {
        disable(state, webhook, DisabledReason::Gone, now);
        gone.push(webhook);
    }
    Some(webhook)
}

pub(super) fn disable(state: &mut State, id: WebhookId, reason: DisabledReason, now: Timestamp) {
    if let Some(stored) = state.webhooks.get_mut(&id) {
        stored.webhook.state = WebhookState::Disabled { reason, since: now };
        stored.webhook.updated_at = now;
        stored.webhook.version += 1;
    }
}

/// Publishes the events of webhooks that were just disabled. Returns whether that created deliveries.
pub(super) fn publish_disabled(state: &mut State, ids: Vec<WebhookId>) -> bool {
    let mut has_deliveries = false;
    for id in ids {
        let Some(StoredWebhook { webhook, health, .. }) = state.webhooks.get(&id) else {
            continue;
        };
        let WebhookState::Disabled { reason, since } = webhook.state else {
            continue;
        };
        let disabled = DisabledWebhook {
            id,
            version: webhook.version,
            projects: webhook.settings.projects.clone(),
            reason,
            since,
            failing_since: health.failing_since,
        };
        has_deliveries |= publish_one(state, &disabled.event(), since).deliveries > 0;
    }
    has_deliveries
}

/// Cancels a delivery whose webhook was deleted while it was in flight.
pub(super) fn cancel_if_deleted(state: &mut State, id: DeliveryId, now: Timestamp) {
    let webhook = state.deliveries.get(&id).map(|stored| stored.webhook);
    if webhook.is_some_and(|webhook| state.is_deleted(webhook)) {
        let reason = CancelReason::WebhookDeleted;
        state.finish(id, DeliveryState::Cancelled { at: now, reason });
    }
}
