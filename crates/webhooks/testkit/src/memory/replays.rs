//! [`ReplayRepository`] in memory.

use std::collections::BTreeSet;
use std::ops::Bound;

use async_trait::async_trait;
use rdev_webhooks_domain::delivery::Progress;
use rdev_webhooks_domain::feed::ChangePoint;
use rdev_webhooks_domain::ports::{ReplayBegun, ReplayCancelled, ReplayRepository, StoreError};
use rdev_webhooks_domain::replay::{
    Advance, COUNT_LIMIT, EVENT_SCAN_LIMIT, FinishedCounts, MissingEvents, ReplayStep, SCAN_LIMIT, Scan,
    WebhookStatus,
};
use rdev_webhooks_domain::{
    Access, CancelReason, DeliveryId, DeliveryOutcome, DeliveryState, EventId, Matched, Page, PageRequest,
    Replay, ReplayId, ReplaySelection, ReplayState, ReplayStatus, Timestamp, Trigger, WakeUp, WebhookId,
    completed_replay,
};

use super::MemoryStore;
use super::events::{add_delivery, publish_operational};
use super::reports::affected;
use super::state::{Phase, State};

/// A replay and its queued deliveries whose end it has not recorded yet.
pub(super) struct StoredReplay {
    pub(super) replay: Replay,
    waiting: BTreeSet<DeliveryId>,
    due_at: Timestamp,
    progressed_at: Timestamp,
}

impl StoredReplay {
    /// Makes the replay due at once, as after a change of its webhook.
    pub(super) const fn make_due(&mut self, now: Timestamp) {
        self.due_at = now;
        self.progressed_at = now;
    }
}

#[async_trait]
impl ReplayRepository for MemoryStore {
    async fn count(&self, selection: &ReplaySelection) -> Result<Matched, StoreError> {
        let (state, now) = self.step();
        if selection.status == ReplayStatus::Missing {
            let (mut events, after) = (0, EventId::floor(selection.since));
            let is_exact = missing(&state, selection, after, COUNT_LIMIT, |_| events += 1).is_none();
            return Ok(Matched { deliveries: events, is_exact, at: now });
        }
        let mut candidates = candidates(&state, selection, DeliveryId::floor(selection.since));
        let looked_at = candidates.by_ref().take(COUNT_LIMIT as usize);
        let deliveries = looked_at.filter(|id| takes(&state, selection, *id, now)).count() as u64;
        Ok(Matched { deliveries, is_exact: candidates.next().is_none(), at: now })
    }

    async fn begin(&self, access: &Access, replay: &Replay) -> Result<ReplayBegun, StoreError> {
        let (mut state, now) = self.step();
        let webhook = replay.selection.webhook_id;
        if !state.webhooks.get(&webhook).is_some_and(|stored| stored.is_there_for(access)) {
            return Ok(ReplayBegun::WebhookDeleted);
        }
        if !state.is_enabled(webhook) {
            return Ok(ReplayBegun::WebhookDisabled);
        }
        let mut others = state.replays.values().map(|stored| &stored.replay);
        let is_running = |one: &Replay| one.state == ReplayState::Running;
        if is_running(replay) && others.any(|one| one.selection.webhook_id == webhook && is_running(one)) {
            return Ok(ReplayBegun::AlreadyRunning);
        }
        let stored = StoredReplay {
            replay: replay.clone(),
            waiting: BTreeSet::new(),
            due_at: now,
            progressed_at: now,
        };
        let before = state.replays.insert(replay.id, stored);
        assert!(before.is_none(), "{} was begun twice", replay.id);
        let reported = report_completed(&mut state, replay, now);
        drop(state);
        if reported {
            self.wake_ups.raise(WakeUp::Any);
        }
        Ok(ReplayBegun::Started)
    }

    async fn get(&self, access: &Access, id: ReplayId) -> Result<Option<Replay>, StoreError> {
        let (state, _) = self.step();
        let found = state.replays.get(&id).map(|stored| &stored.replay);
        Ok(found.filter(|replay| replay.is_visible_to(access)).cloned())
    }

    async fn list(
        &self,
        access: &Access,
        webhook: Option<WebhookId>,
        page: PageRequest<ReplayId>,
    ) -> Result<Page<Replay>, StoreError> {
        let (state, _) = self.step();
        let found = state
            .replays
            .values()
            .rev()
            .map(|stored| &stored.replay)
            .filter(|replay| page.before.is_none_or(|before| replay.id < before))
            .filter(|replay| webhook.is_none_or(|webhook| replay.selection.webhook_id == webhook))
            .filter(|replay| replay.is_visible_to(access))
            .take(page.limit as usize + 1)
            .cloned()
            .collect();
        Ok(Page::of(found, page.limit))
    }

    async fn cancel(&self, access: &Access, id: ReplayId) -> Result<Option<ReplayCancelled>, StoreError> {
        let (mut state, now) = self.step();
        let found = state.replays.get_mut(&id).filter(|stored| stored.replay.is_visible_to(access));
        Ok(found.map(|StoredReplay { replay, .. }| match replay.cancel(CancelReason::Requested, now) {
            true => ReplayCancelled::Cancelled(replay.clone()),
            false => ReplayCancelled::Ended(replay.clone()),
        }))
    }

    async fn due(&self, after: Option<ReplayId>, limit: u32) -> Result<Vec<ReplayId>, StoreError> {
        let (state, now) = self.step();
        let replays = state.replays.iter();
        let due = replays.filter(|(id, stored)| {
            stored.replay.is_open() && stored.due_at <= now && after.is_none_or(|after| **id > after)
        });
        Ok(due.map(|(id, _)| *id).take(limit as usize).collect())
    }

    async fn advance(&self, id: ReplayId) -> Result<Option<Advance>, StoreError> {
        let (mut state, now) = self.step();
        // The replay is taken out of the state so that the rest can be changed meanwhile.
        let Some(mut stored) = state.replays.remove(&id) else {
            return Ok(None);
        };
        let step = stored.replay.is_open().then(|| advance(&mut state, &mut stored, now));
        let reported = step.is_some() && report_completed(&mut state, &stored.replay, now);
        state.replays.insert(id, stored);
        drop(state);
        if reported || step.is_some_and(|step| step.queued > 0) {
            self.wake_ups.raise(WakeUp::Any);
        }
        Ok(step)
    }
}

/// Publishes the event of a replay that is completed. Returns whether that created deliveries.
fn report_completed(state: &mut State, replay: &Replay, now: Timestamp) -> bool {
    let webhook = affected(state, replay.selection.webhook_id);
    let event = webhook.and_then(|webhook| completed_replay(replay, &webhook));
    event.is_some_and(|event| publish_operational(state, event, now))
}

fn advance(state: &mut State, stored: &mut StoredReplay, now: Timestamp) -> Advance {
    let StoredReplay { replay, waiting, .. } = stored;
    let mut ended = FinishedCounts::default();
    waiting.retain(|id| {
        let phase = state.deliveries.get(id).map(|delivery| &delivery.phase);
        let outcome = match phase {
            Some(Phase::Unfinished(progress))
                if replay.selection.status == ReplayStatus::Missing
                    && progress.automatic_attempts > 0
                    && progress.lease.is_none() =>
            {
                Some(DeliveryOutcome::Failed)
            }
            Some(Phase::Unfinished(_)) => return true,
            Some(Phase::Finished { state, .. }) => DeliveryOutcome::parse(state.status().as_str()),
            None => None,
        };
        ended.add(outcome);
        false
    });
    let webhook = match state.webhook(replay.selection.webhook_id) {
        Some(webhook) if webhook.is_enabled() => WebhookStatus::Enabled {
            rate_limit: webhook.webhook.settings.rate_limit,
            max_in_flight: webhook.webhook.settings.max_in_flight,
        },
        Some(_) => WebhookStatus::Disabled,
        None => WebhookStatus::Deleted,
    };
    let mut step = ReplayStep::begin(replay.clone(), ended, webhook, now);
    if step.room() > 0 {
        let (taken, scan_cursor) = match step.replay().selection.status {
            ReplayStatus::Missing => {
                let (taken, last) = take_missing(state, step.replay(), step.room(), now);
                (taken, last.map(|id| id.as_uuid()))
            }
            ReplayStatus::Finished(_) => {
                let (taken, last) = take(state, step.replay(), step.room(), now);
                (taken, last.map(|id| id.as_uuid()))
            }
        };
        // At most `room`.
        step.scanned(Scan { queued: taken.len() as u32, scan_cursor });
        waiting.extend(taken);
    }
    let finished = step.finish(now);
    *replay = finished.replay;
    match finished.postponed {
        Some(is_enabled) => {
            stored.due_at = now + Replay::due_in(now.since(stored.progressed_at), is_enabled);
        }
        None => stored.make_due(now),
    }
    finished.advance
}

/// Queues the next deliveries. Returns them and the position up to which it has scanned.
fn take(
    state: &mut State,
    replay: &Replay,
    room: u32,
    now: Timestamp,
) -> (Vec<DeliveryId>, Option<DeliveryId>) {
    let Some(after) = replay.scan_cursor.map(DeliveryId::from_uuid) else {
        return (Vec::new(), None);
    };
    let looked_at: Vec<DeliveryId> =
        candidates(state, &replay.selection, after).take(SCAN_LIMIT as usize).collect();
    let mut taken: Vec<DeliveryId> = looked_at.clone();
    taken.retain(|id| takes(state, &replay.selection, *id, replay.matched.at));
    taken.truncate(room as usize);
    for id in &taken {
        if let Some(Phase::Finished { attempts, automatic_attempts, .. }) =
            state.deliveries.get(id).map(|delivery| &delivery.phase)
        {
            let progress = Progress::reopened(*attempts, *automatic_attempts, Trigger::Replay, now);
            state.reopen(*id, progress, now);
        }
    }
    let scan_cursor = if taken.len() == room as usize {
        taken.last().copied()
    } else if looked_at.len() == SCAN_LIMIT as usize {
        looked_at.last().copied()
    } else {
        None
    };
    (taken, scan_cursor)
}

/// Makes the next missing deliveries. Returns them and the position up to which it has scanned.
fn take_missing(
    state: &mut State,
    replay: &Replay,
    room: u32,
    now: Timestamp,
) -> (Vec<DeliveryId>, Option<EventId>) {
    let Some(after) = replay.scan_cursor.map(EventId::from_uuid) else {
        return (Vec::new(), None);
    };
    let mut events = Vec::new();
    let last = missing(state, &replay.selection, after, EVENT_SCAN_LIMIT, |event| events.push(event));
    events.truncate(room as usize);
    let scan_cursor = if events.len() == room as usize { events.last().copied() } else { last };
    let webhook = replay.selection.webhook_id;
    let deliver = |event: &EventId| (DeliveryId::derive(*event, webhook), *event);
    let taken: Vec<_> = events.iter().map(deliver).collect();
    for (id, event) in &taken {
        add_delivery(state, *event, webhook, now);
        state.reopened.push(ChangePoint { at: now, delivery: *id });
    }
    (taken.into_iter().map(|(id, _)| id).collect(), scan_cursor)
}

/// Visits the events after a given one, up to a limit, that the webhook takes and has no delivery of. Returns the last
/// examined one; `None` if there are no more.
fn missing(
    state: &State,
    selection: &ReplaySelection,
    after: EventId,
    limit: u32,
    mut visit: impl FnMut(EventId),
) -> Option<EventId> {
    let until = EventId::floor(selection.until).max(after);
    let range = state.events.range((Bound::Excluded(after), Bound::Excluded(until.max(after))));
    let webhook = state.webhooks.get(&selection.webhook_id).map(|stored| &stored.webhook.settings);
    let (patterns, projects) =
        webhook.map(|own| (own.events.clone(), own.projects.clone())).unwrap_or_default();
    let wanted = MissingEvents::new(selection, patterns, projects);
    let (mut examined, mut last) = (0, None);
    for (id, stored) in range.take(limit as usize) {
        (examined, last) = (examined + 1, Some(*id));
        let event = &stored.event;
        let project = event.project.as_ref().map(|project| project.as_str());
        let delivery = DeliveryId::derive(*id, selection.webhook_id);
        if wanted.takes(event.event_type.as_str(), project, &event.body)
            && !state.deliveries.contains_key(&delivery)
        {
            visit(*id);
        }
    }
    last.filter(|_| examined == limit)
}

/// Returns the webhook's deliveries after a given one with a wanted outcome, in the order of their ids.
fn candidates<'a>(
    state: &'a State,
    selection: &'a ReplaySelection,
    after: DeliveryId,
) -> impl Iterator<Item = DeliveryId> + 'a {
    let until = DeliveryId::floor(selection.until).max(after);
    let range = state.deliveries.range((Bound::Excluded(after), Bound::Included(until)));
    let of_webhook = range.filter(|(_, delivery)| delivery.webhook == selection.webhook_id);
    let candidates = of_webhook.filter(|(_, delivery)| match &delivery.phase {
        Phase::Finished { state, .. } => state.status().as_str() == selection.status.as_str(),
        Phase::Unfinished(_) => false,
    });
    candidates.map(|(id, _)| *id)
}

/// True if a candidate had ended by `by` and belongs to a selected project.
fn takes(state: &State, selection: &ReplaySelection, id: DeliveryId, by: Timestamp) -> bool {
    let Some(delivery) = state.deliveries.get(&id) else {
        return false;
    };
    let had_ended = match &delivery.phase {
        Phase::Finished { state, .. } => DeliveryState::finished_at(state).is_some_and(|at| at <= by),
        Phase::Unfinished(_) => false,
    };
    let project = state.events.get(&delivery.event).and_then(|stored| stored.event.project.as_ref());
    had_ended
        && selection
            .projects
            .as_ref()
            .is_none_or(|wanted| project.is_some_and(|project| wanted.contains(project)))
}
