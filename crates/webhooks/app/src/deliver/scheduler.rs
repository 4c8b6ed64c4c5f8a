//! The scheduler, which decides which deliveries are sent next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};
use rdev_webhooks_domain::{Claim, ClaimShare, DueWebhook, LeaseRef, LeasedDelivery, WebhookId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span, field};

use super::active_webhooks::ActiveWebhooks;
use super::flights::{Flight, Flights, Underway};
use super::pauses::Pauses;
use super::pool::Job;
use super::recording::Recording;
use super::round::Round;
use super::settler::ReleasedSlot;
use super::share::{Allocation, FairShares, Quota};
use super::{Heartbeat, WorkerOptions};
use crate::metrics::Scheduling;
use crate::spans::record_duration;
use crate::{Ambient, Outages};

/// Number of webhooks per discovery.
const DISCOVERY_PAGE_SIZE: u32 = 256;
/// Maximum number of pages per round while webhooks wait for slots.
const MAX_SHORT_PAGES: u32 = 8;
/// Number of free slots from which a page leaves some to the pages behind it. Fewer slots go to the pages in
/// turn.
const MIN_DIVIDED_SLOTS: usize = 16;
/// Time that a lease lasts beyond the deadline of its attempt, for waiting and recording.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// Shortest and longest wait between two tries while the database is unavailable.
const MIN_RETRY_WAIT: Duration = Duration::from_millis(100);
const MAX_RETRY_WAIT: Duration = Duration::from_secs(2);

/// Shortest wait for a slot before the next look at the queue.
const SLOT_WAIT: Duration = Duration::from_millis(10);
/// Wait between two checks whether the recording of outcomes has caught up.
const RECORDING_WAIT: Duration = Duration::from_millis(50);
/// Interval between two looks at the queue while no slot is free.
const FULL_POLL_INTERVAL: Duration = Duration::from_millis(20);

/// The scheduler's view of a pool task.
pub(super) struct TaskSlots {
    jobs: mpsc::Sender<Job>,
    in_flight: usize,
}

impl TaskSlots {
    pub(super) fn new(jobs: mpsc::Sender<Job>) -> Self {
        Self { jobs, in_flight: 0 }
    }
}

/// The scheduler. It alone counts the slots, so it needs no lock.
pub(super) struct Scheduler {
    queue: Arc<dyn DeliveryQueue>,
    ambient: Ambient,
    options: WorkerOptions,
    tasks: Vec<TaskSlots>,
    flights: Flights,
    /// The settler's backlog.
    recording: Recording,
    shares: FairShares,
    pauses: Pauses,
    active: ActiveWebhooks,
    /// The webhook after which the next round begins, so that the webhooks that the last round skipped get
    /// their turn.
    begin_after: Option<WebhookId>,
    /// Number of deliveries claimed from the page that the next round begins with.
    taken_of_page: usize,
    looked_when_full: Option<Instant>,
    /// True if at the last discovery some webhook got nothing for lack of slots. Slots that become free are
    /// then not for the active webhooks alone.
    is_short: bool,
    round: Round,
    metrics: Scheduling,
    outages: Outages,
}

/// The time of the next look at the queue, unless a wake-up arrives earlier.
#[derive(Debug, Clone, Copy)]
struct Next {
    at: Instant,
    /// True if a free slot ends the wait earlier.
    when_freed: bool,
}

impl Scheduler {
    pub(super) fn new(
        queue: Arc<dyn DeliveryQueue>,
        ambient: Ambient,
        options: WorkerOptions,
        tasks: Vec<TaskSlots>,
        recording: Recording,
        outages: Outages,
    ) -> Self {
        let shares =
            FairShares::new(options.max_in_flight_per_webhook.max(1), options.slots(), options.max_parked);
        let flights = Flights::new(options.max_parked);
        let metrics = Scheduling::new(options.slots());
        Self {
            queue,
            ambient,
            options,
            tasks,
            flights,
            recording,
            shares,
            pauses: Pauses::default(),
            active: ActiveWebhooks::default(),
            begin_after: None,
            taken_of_page: 0,
            looked_when_full: None,
            is_short: false,
            round: Round::default(),
            metrics,
            outages,
        }
    }

    /// Hands out deliveries until `drain` is cancelled. The end of the scheduler closes the channels of the
    /// pool's tasks.
    pub(super) async fn run(
        mut self,
        mut released: mpsc::Receiver<Vec<ReleasedSlot>>,
        drain: CancellationToken,
        heartbeat: &Heartbeat,
    ) {
        heartbeat.beat();
        let mut failing_wait = MIN_RETRY_WAIT;
        while !drain.is_cancelled() {
            while let Ok(slots) = released.try_recv() {
                self.free(&slots);
            }
            if self.recording.is_behind(Instant::now()) {
                self.pause(RECORDING_WAIT, &mut released, &drain).await;
                continue;
            }
            let next = match self.pass().await {
                Ok(next) => {
                    heartbeat.beat();
                    self.outages.worked("claim deliveries");
                    failing_wait = MIN_RETRY_WAIT;
                    next
                }
                Err(error) => {
                    self.outages.store_failed("claim deliveries", &error);
                    self.pause(failing_wait, &mut released, &drain).await;
                    failing_wait = (failing_wait * 2).min(MAX_RETRY_WAIT);
                    continue;
                }
            };
            self.wait(next, &mut released, &drain).await;
        }
    }

    /// Makes one claim: from the active webhooks, or else from a page of webhooks with due deliveries.
    async fn pass(&mut self) -> Result<Next, StoreError> {
        let now = Instant::now();
        let poll_at = now + self.options.poll_interval;
        self.flights.sweep(now, &mut self.shares);
        if self.free_slots() == 0
            && let Some(look_at) = self.look_when_full(now)
        {
            return Ok(Next { at: look_at.min(poll_at), when_freed: true });
        }
        if !self.round.is_under_way
            && !self.is_short
            && let Some((active, discover_at)) = self.active.candidates(now)
        {
            let taken = self.take(&active, usize::MAX, now).await?;
            // ActiveWebhooks webhooks at their caps continue as soon as they may. All other webhooks wait until
            // `discover_at` in either case.
            if taken > 0 || self.round.short_of_slots && self.active.has_recent_yield(now) {
                return Ok(self.end_of_round(now, discover_at));
            }
            self.round = Round::default();
        }
        if !self.round.is_under_way {
            self.round.is_under_way = true;
            self.round.after = self.begin_after;
            self.round.began_after = self.begin_after.take();
        }
        let discovery = self.queue.discover(self.round.after, DISCOVERY_PAGE_SIZE).await?;
        let now = Instant::now();
        if let Some(due_in) = discovery.next_due_in {
            self.round.due(now + due_in);
        }
        self.active.record_discovery(&discovery.due, now);
        // A page leaves half of many slots to the pages behind it, so that no page waits until all pages
        // before it are served.
        let free = self.free_slots();
        let share = if discovery.has_more && free >= MIN_DIVIDED_SLOTS { free / 2 } else { free };
        let waited = self.round.waits_for_slot;
        let taken = self.take(&discovery.due, share, now).await?;
        self.is_short = self.round.waits_for_slot;
        self.round.pages += 1;

        let last = discovery.due.last().filter(|_| discovery.has_more).map(|webhook| webhook.id);
        if self.round.waits_for_slot && !waited {
            // A page's turn lasts until each of its lanes has had a turn. Then the pages behind it come next.
            self.taken_of_page += taken;
            if self.taken_of_page < self.round.lanes {
                self.begin_after = self.round.after;
            } else {
                self.taken_of_page = 0;
                self.begin_after = last;
            }
        }
        if self.round.waits_for_slot && (self.free_slots() == 0 || self.round.pages >= MAX_SHORT_PAGES) {
            return Ok(self.end_of_round(now, poll_at));
        }
        if self.round.goes_on_after(last) {
            return Ok(Next { at: now, when_freed: true });
        }
        Ok(self.end_of_round(now, poll_at))
    }

    fn free_slots(&self) -> usize {
        self.options.slots().saturating_sub(self.flights.in_slots())
    }

    /// Returns when to look at the queue although no slot is free, or `None` for now: a webhook may wait for
    /// a slot while an attempt can be parked.
    fn look_when_full(&mut self, now: Instant) -> Option<Instant> {
        let look_at = self.looked_when_full.map_or(now, |at| at + FULL_POLL_INTERVAL);
        match self.flights.slot_at(true) {
            None => Some(now + self.options.poll_interval),
            Some(parkable_at) if now < parkable_at.max(look_at) => Some(parkable_at.max(look_at)),
            Some(_) => {
                self.looked_when_full = Some(now);
                None
            }
        }
    }

    /// Ends the round and returns when to continue, at the latest at `latest`.
    fn end_of_round(&mut self, now: Instant, latest: Instant) -> Next {
        let round = std::mem::take(&mut self.round);
        let mut at = if round.more { now } else { round.due_at.map_or(latest, |due_at| due_at.min(latest)) };
        if round.short_of_slots
            && let Some(slot_at) = self.flights.slot_at(round.waits_for_slot)
        {
            at = at.min(slot_at.max(now + SLOT_WAIT));
        }
        Next { at, when_freed: round.short_of_slots }
    }

    /// Claims what each of these webhooks may take. Returns the number of claimed deliveries.
    async fn take(&mut self, due: &[DueWebhook], share: usize, now: Instant) -> Result<usize, StoreError> {
        let mut wanted = Vec::with_capacity(due.len());
        for due in due {
            if let Some(wait) = self.pauses.remaining(due.id, now) {
                self.round.due(now + wait);
                continue;
            }
            match self.shares.quota(due, now) {
                Quota::Take(most) => wanted.push((due, most)),
                Quota::AtCap => self.round.short_of_slots = true,
                Quota::RateLimited(wait) => self.round.due(now + wait),
            }
        }
        self.shares.forget_idle(now);
        let (shares, rationed) = self.allocate(&wanted, share, now);
        self.round.short_of_slots |= rationed;
        let span = match shares.len() {
            0 => Span::none(),
            webhooks => tracing::debug_span!(
                "queue.claim",
                webhooks,
                deliveries = field::Empty,
                duration_ms = field::Empty
            ),
        };
        let yielded = self.claim(shares).instrument(span).await?;
        for webhook in due.iter().filter(|due| yielded.contains_key(&due.id)) {
            self.active.record_yield(webhook, now);
        }
        Ok(yielded.values().map(|count| *count as usize).sum())
    }

    /// Divides the free slots among the webhooks. The second value is true if some webhook got less than it
    /// may take. Parks attempts for webhooks that hold no slot and got none.
    fn allocate(
        &mut self,
        wanted: &[(&DueWebhook, u32)],
        share: usize,
        now: Instant,
    ) -> (Vec<ClaimShare>, bool) {
        let most: Vec<_> = wanted.iter().map(|(due, most)| (due.id, *most)).collect();
        let mut allocation = self.shares.allocate(&most, self.free_slots().min(share));
        if self.lacks_slots(&allocation) {
            let (count, unproven) = (allocation.waiting, allocation.only_unproven_wait);
            if self.flights.park_early(count, unproven, now, &mut self.shares) > 0 {
                allocation = self.shares.allocate(&most, self.free_slots().min(share));
            }
        }
        self.shares.record_turns(&allocation);
        let lacks_slots = self.lacks_slots(&allocation);
        self.round.waits_for_slot |= lacks_slots;
        // A page that has used its share serves its other webhooks in the next round.
        self.round.more |= allocation.waiting > 0 && !lacks_slots;
        self.round.lanes = allocation.lanes;
        let rationed = allocation.takes.iter().zip(wanted).any(|(take, (_, most))| take < most);
        let takes = allocation.takes.into_iter().zip(wanted).filter(|(take, _)| *take > 0);
        let shares = takes.map(|(take, (due, _))| {
            let timeout = due.timeout.unwrap_or(self.options.delivery_timeout);
            ClaimShare { webhook: due.id, take, lease_for: timeout + LEASE_MARGIN }
        });
        (shares.collect(), rationed)
    }

    /// True if some webhook gets nothing because no slot is left, rather than because the page's share is
    /// used.
    fn lacks_slots(&self, allocation: &Allocation) -> bool {
        let taken: u32 = allocation.takes.iter().sum();
        allocation.waiting > 0 && (allocation.only_unproven_wait || taken as usize >= self.free_slots())
    }

    /// Claims deliveries and hands them out. Returns the number per webhook. Sets `round.more` if some
    /// webhook yielded as many deliveries as the claim asked for, since it may have more.
    async fn claim(&mut self, shares: Vec<ClaimShare>) -> Result<HashMap<WebhookId, u32>, StoreError> {
        if shares.is_empty() {
            return Ok(HashMap::new());
        }
        let claimed_at = Instant::now();
        let claim = Claim { token: self.ambient.lease_token(), shares };
        let claimed = self.queue.claim(&claim).await?;
        self.metrics.claimed(claimed.len());
        let span = Span::current();
        span.record("deliveries", claimed.len());
        record_duration(&span, claimed_at.elapsed());
        let lease_for: HashMap<_, _> =
            claim.shares.iter().map(|share| (share.webhook, share.lease_for)).collect();
        let mut counts: HashMap<WebhookId, u32> = HashMap::with_capacity(claim.shares.len());
        let mut refused = Vec::new();
        for leased in claimed {
            let webhook = leased.target.webhook_id;
            let lease_for = lease_for.get(&webhook).copied().unwrap_or(LEASE_MARGIN);
            *counts.entry(webhook).or_default() += 1;
            match self.hand_out(leased, claimed_at, lease_for) {
                Ok(()) => self.shares.claimed(webhook),
                Err(lease) => refused.push(lease),
            }
        }
        if !refused.is_empty() {
            self.queue.release(&refused).await?;
        }
        self.round.more |= claim.shares.iter().any(|share| counts.get(&share.webhook) == Some(&share.take));
        Ok(counts)
    }

    /// Hands a delivery to the least busy task.
    ///
    /// # Errors
    /// Fails with the delivery's lease if that task has ended.
    fn hand_out(
        &mut self,
        leased: LeasedDelivery,
        claimed: Instant,
        lease_for: Duration,
    ) -> Result<(), LeaseRef> {
        let (lease, webhook) = (leased.lease, leased.target.webhook_id);
        let (index, task) =
            self.tasks.iter_mut().enumerate().min_by_key(|(_, task)| task.in_flight).ok_or(lease)?;
        let (flight, underway) = (self.flights.next(), Underway::new());
        let lease_ends = claimed + lease_for;
        let job = Job { leased, claimed, lease_ends, flight, underway: underway.clone() };
        task.jobs.try_send(job).map_err(|_| lease)?;
        task.in_flight += 1;
        self.flights.begin(Flight { webhook, task: index, begun: Instant::now(), underway });
        self.metrics.in_flight(self.flights.in_slots(), self.flights.parked());
        Ok(())
    }

    fn free(&mut self, slots: &[ReleasedSlot]) {
        for slot in slots {
            let Some((flight, was_parked)) = self.flights.end(slot.flight) else { continue };
            self.shares.freed(flight.webhook, was_parked, slot.observation);
            if slot.not_attempted {
                self.pauses.pause(flight.webhook, Instant::now());
            } else if slot.observation.is_some() {
                self.pauses.end(flight.webhook);
            }
            if let Some(task) = self.tasks.get_mut(flight.task) {
                task.in_flight = task.in_flight.saturating_sub(1);
            }
        }
        self.metrics.in_flight(self.flights.in_slots(), self.flights.parked());
    }

    /// Waits for the time or the slot that `next` names, for a wake-up, or for `drain`.
    async fn wait(
        &mut self,
        next: Next,
        released: &mut mpsc::Receiver<Vec<ReleasedSlot>>,
        drain: &CancellationToken,
    ) {
        let mut until = next.at;
        let queue = Arc::clone(&self.queue);
        let wake_up = queue.wait_for_work();
        tokio::pin!(wake_up);
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                () = &mut wake_up => return,
                Some(slots) = released.recv() => {
                    self.free(&slots);
                    if next.when_freed {
                        return;
                    }
                    if let Some(due_in) = slots.iter().filter_map(|slot| slot.due_in).min() {
                        until = until.min(Instant::now() + due_in);
                    }
                }
            }
        }
    }

    /// Waits while the database is unavailable or outcomes wait to be recorded. Wake-ups mean nothing then.
    async fn pause(
        &mut self,
        wait: Duration,
        released: &mut mpsc::Receiver<Vec<ReleasedSlot>>,
        drain: &CancellationToken,
    ) {
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                Some(slots) = released.recv() => self.free(&slots),
            }
        }
    }
}
