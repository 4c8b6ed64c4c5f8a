//! What decides which deliveries are sent next.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};
use rdev_webhooks_domain::{Claim, ClaimShare, DueWebhook, LeaseRef, LeasedDelivery, WebhookId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::busy::Busy;
use super::flights::{Flight, Flights, Underway};
use super::pauses::Pauses;
use super::pool::Job;
use super::recording::Recording;
use super::round::Round;
use super::settler::Freed;
use super::share::{Allowance, Ration, Shares};
use super::{Heartbeat, WorkerOptions};
use crate::measures::Scheduling;
use crate::{Ambient, Outages};

/// How many webhooks are looked at in one go.
const PAGE: u32 = 256;
/// How many pages a round looks at while webhooks wait for slots.
const MAX_SHORT_PAGES: u32 = 8;
/// From how many free slots on a page leaves some of them to those behind it. Fewer go to the pages in turn.
const MIN_DIVIDED_SLOTS: usize = 16;
/// A lease lasts the attempt's deadline and this much more, for waiting and recording.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// The first and the longest wait between two tries while the database is away.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

/// How soon to look again where a slot is waited for.
const SLOT_WAIT: Duration = Duration::from_millis(10);
/// How soon to look again whether outcomes are recorded.
const RECORDING_WAIT: Duration = Duration::from_millis(50);
/// How often the queue is looked at while no slot is free.
const LOOK_WHEN_FULL_EVERY: Duration = Duration::from_millis(20);

/// A task of the pool, as the scheduler sees it.
pub(super) struct TaskSlots {
    jobs: mpsc::Sender<Job>,
    in_flight: usize,
}

impl TaskSlots {
    pub(super) fn new(jobs: mpsc::Sender<Job>) -> Self {
        Self { jobs, in_flight: 0 }
    }
}

/// Owns the count of every slot, so that no lock is needed.
pub(super) struct Scheduler {
    queue: Arc<dyn DeliveryQueue>,
    ambient: Ambient,
    options: WorkerOptions,
    tasks: Vec<TaskSlots>,
    flights: Flights,
    /// What the settler has yet to record.
    recording: Recording,
    shares: Shares,
    pauses: Pauses,
    busy: Busy,
    /// After which webhook the next round begins, so that those get their turn who had none in the last.
    begin_after: Option<WebhookId>,
    /// What was claimed of the page that the next round begins with.
    taken_of_page: usize,
    looked_when_full: Option<Instant>,
    /// At the last discovery some webhook got none for lack of slots: what becomes free is not for the busy alone.
    is_short: bool,
    round: Round,
    measures: Scheduling,
    outages: Outages,
}

/// When to look at the queue again, should no wake-up come before.
#[derive(Debug, Clone, Copy)]
struct Next {
    at: Instant,
    /// As soon as a slot is free, even before.
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
            Shares::new(options.max_in_flight_per_webhook.max(1), options.slots(), options.max_parked);
        let flights = Flights::new(options.max_parked);
        let measures = Scheduling::new(options.slots());
        Self {
            queue,
            ambient,
            options,
            tasks,
            flights,
            recording,
            shares,
            pauses: Pauses::default(),
            busy: Busy::default(),
            begin_after: None,
            taken_of_page: 0,
            looked_when_full: None,
            is_short: false,
            round: Round::default(),
            measures,
            outages,
        }
    }

    /// Hands out work until `drain`; the pool's tasks then see that no more comes.
    pub(super) async fn run(
        mut self,
        mut freed: mpsc::Receiver<Vec<Freed>>,
        drain: CancellationToken,
        heartbeat: &Heartbeat,
    ) {
        heartbeat.beat();
        let mut failing_wait = FIRST_WAIT;
        while !drain.is_cancelled() {
            while let Ok(slots) = freed.try_recv() {
                self.free(&slots);
            }
            if self.recording.is_behind(Instant::now()) {
                self.pause(RECORDING_WAIT, &mut freed, &drain).await;
                continue;
            }
            let next = match self.pass().await {
                Ok(next) => {
                    heartbeat.beat();
                    self.outages.worked("claim deliveries");
                    failing_wait = FIRST_WAIT;
                    next
                }
                Err(error) => {
                    self.outages.store_failed("claim deliveries", &error);
                    self.pause(failing_wait, &mut freed, &drain).await;
                    failing_wait = (failing_wait * 2).min(LONGEST_WAIT);
                    continue;
                }
            };
            self.wait(next, &mut freed, &drain).await;
        }
    }

    /// One claim: of the webhooks that are known to be busy, or else of a page of those that have something
    /// due.
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
            && let Some((busy, discover_at)) = self.busy.known(now)
        {
            let taken = self.take(&busy, usize::MAX, now).await?;
            // Those at their caps go on as soon as they may; what else there is can wait as long for both.
            if taken > 0 || self.round.short_of_slots && self.busy.is_at_it(now) {
                return Ok(self.end_of_round(now, discover_at));
            }
            self.round = Round::default();
        }
        if !self.round.is_under_way {
            self.round.is_under_way = true;
            self.round.after = self.begin_after;
            self.round.began_after = self.begin_after.take();
        }
        let discovery = self.queue.discover(self.round.after, PAGE).await?;
        let now = Instant::now();
        if let Some(due_in) = discovery.next_due_in {
            self.round.due(now + due_in);
        }
        self.busy.discovered(&discovery.due, now);
        // A page leaves half of many slots to those behind it, so that no page waits until all before it are served.
        let free = self.free_slots();
        let share = if discovery.has_more && free >= MIN_DIVIDED_SLOTS { free / 2 } else { free };
        let waited = self.round.waits_for_slot;
        let taken = self.take(&discovery.due, share, now).await?;
        self.is_short = self.round.waits_for_slot;
        self.round.pages += 1;

        let last = discovery.due.last().filter(|_| discovery.has_more).map(|webhook| webhook.id);
        if self.round.waits_for_slot && !waited {
            // A page's turn lasts until each of its lanes has had one; then those behind it come next.
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

    /// When to look at the queue though no slot is free; none if that is now. Somebody may wait for a slot while
    /// an attempt can be parked.
    fn look_when_full(&mut self, now: Instant) -> Option<Instant> {
        let look_at = self.looked_when_full.map_or(now, |at| at + LOOK_WHEN_FULL_EVERY);
        match self.flights.slot_at(true) {
            None => Some(now + self.options.poll_interval),
            Some(parkable_at) if now < parkable_at.max(look_at) => Some(parkable_at.max(look_at)),
            Some(_) => {
                self.looked_when_full = Some(now);
                None
            }
        }
    }

    /// When to go on after a round, at the latest at `latest`.
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

    /// Claims of these webhooks what each may take, and says how much that was.
    async fn take(&mut self, due: &[DueWebhook], share: usize, now: Instant) -> Result<usize, StoreError> {
        let mut wanted = Vec::with_capacity(due.len());
        for due in due {
            if let Some(wait) = self.pauses.remaining(due.id, now) {
                self.round.due(now + wait);
                continue;
            }
            match self.shares.allowance(due, now) {
                Allowance::Take(most) => wanted.push((due, most)),
                Allowance::AtCap => self.round.short_of_slots = true,
                Allowance::TooFast(wait) => self.round.due(now + wait),
            }
        }
        self.shares.forget_idle(now);
        let (shares, rationed) = self.ration(&wanted, share, now);
        self.round.short_of_slots |= rationed;
        let gave = self.claim(shares).await?;
        for webhook in due.iter().filter(|due| gave.contains_key(&due.id)) {
            self.busy.gave(webhook, now);
        }
        Ok(gave.values().map(|count| *count as usize).sum())
    }

    /// Shares out what is free, and says whether anybody got less than it may take. Parks attempts for those that
    /// hold no slot and got none.
    fn ration(
        &mut self,
        wanted: &[(&DueWebhook, u32)],
        share: usize,
        now: Instant,
    ) -> (Vec<ClaimShare>, bool) {
        let most: Vec<_> = wanted.iter().map(|(due, most)| (due.id, *most)).collect();
        let mut ration = self.shares.ration(&most, self.free_slots().min(share));
        if self.lacks_slots(&ration) {
            let (count, unproven) = (ration.waiting, ration.only_unproven_wait);
            if self.flights.park_early(count, unproven, now, &mut self.shares) > 0 {
                ration = self.shares.ration(&most, self.free_slots().min(share));
            }
        }
        self.shares.pass_turn(&ration);
        let lacks_slots = self.lacks_slots(&ration);
        self.round.waits_for_slot |= lacks_slots;
        // The others of a page that has had its share come in the next round.
        self.round.more |= ration.waiting > 0 && !lacks_slots;
        self.round.lanes = ration.lanes;
        let rationed = ration.takes.iter().zip(wanted).any(|(take, (_, most))| take < most);
        let takes = ration.takes.into_iter().zip(wanted).filter(|(take, _)| *take > 0);
        let shares = takes.map(|(take, (due, _))| {
            let timeout = due.timeout.unwrap_or(self.options.delivery_timeout);
            ClaimShare { webhook: due.id, take, lease_for: timeout + LEASE_MARGIN }
        });
        (shares.collect(), rationed)
    }

    /// Whether some webhook gets nothing though no slot is left for it, beyond a page's share.
    fn lacks_slots(&self, ration: &Ration) -> bool {
        let taken: u32 = ration.takes.iter().sum();
        ration.waiting > 0 && (ration.only_unproven_wait || taken as usize >= self.free_slots())
    }

    /// Claims and hands out, and says how much of each. Notes whether some webhook gave all that was asked of
    /// it, so that it may have more.
    async fn claim(&mut self, shares: Vec<ClaimShare>) -> Result<HashMap<WebhookId, u32>, StoreError> {
        if shares.is_empty() {
            return Ok(HashMap::new());
        }
        let claimed_at = Instant::now();
        let claim = Claim { token: self.ambient.lease_token(), shares };
        let claimed = self.queue.claim(&claim).await?;
        self.measures.claimed(claimed.len());
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

    /// Gives a delivery to the least busy task; answers its lease if that task has ended.
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
        self.measures.in_flight(self.flights.in_slots(), self.flights.parked());
        Ok(())
    }

    fn free(&mut self, slots: &[Freed]) {
        for slot in slots {
            let Some((flight, was_parked)) = self.flights.end(slot.flight) else { continue };
            self.shares.freed(flight.webhook, was_parked, slot.experience);
            if slot.not_attempted {
                self.pauses.pause(flight.webhook, Instant::now());
            } else if slot.experience.is_some() {
                self.pauses.end(flight.webhook);
            }
            if let Some(task) = self.tasks.get_mut(flight.task) {
                task.in_flight = task.in_flight.saturating_sub(1);
            }
        }
        self.measures.in_flight(self.flights.in_slots(), self.flights.parked());
    }

    /// Waits for what `next` says, for a wake-up, or for the end.
    async fn wait(&mut self, next: Next, freed: &mut mpsc::Receiver<Vec<Freed>>, drain: &CancellationToken) {
        let mut until = next.at;
        let queue = Arc::clone(&self.queue);
        let wake_up = queue.wait_for_work();
        tokio::pin!(wake_up);
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                () = &mut wake_up => return,
                Some(slots) = freed.recv() => {
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

    /// Waits while the database is away, or outcomes wait for it: wake-ups mean nothing then.
    async fn pause(
        &mut self,
        wait: Duration,
        freed: &mut mpsc::Receiver<Vec<Freed>>,
        drain: &CancellationToken,
    ) {
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                Some(slots) = freed.recv() => self.free(&slots),
            }
        }
    }
}
