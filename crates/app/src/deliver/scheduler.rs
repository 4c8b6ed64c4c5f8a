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
use super::pauses::Pauses;
use super::pool::Job;
use super::settler::Freed;
use super::share::{Allowance, Shares};
use super::{Heartbeat, WorkerOptions};
use crate::measures::Scheduling;
use crate::{Ambient, Outages};

/// How many webhooks are looked at in one go.
const PAGE: u32 = 256;
/// A lease lasts the attempt's deadline and this much more, for waiting and recording.
const LEASE_MARGIN: Duration = Duration::from_secs(30);
/// The first and the longest wait between two tries while the database is away.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(2);

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
    in_flight: usize,
    shares: Shares,
    pauses: Pauses,
    busy: Busy,
    round: Round,
    measures: Scheduling,
    outages: Outages,
}

/// One round over the webhooks that have something due, a page at a time.
#[derive(Debug, Default)]
struct Round {
    /// Where the next page begins.
    after: Option<WebhookId>,
    /// Some webhook gave all that was asked of it, and so may have more.
    more: bool,
    /// Some webhook has more than there are slots for it.
    short_of_slots: bool,
    /// When the next delivery becomes due, or a rate allows it.
    due_at: Option<Instant>,
}

impl Round {
    fn due(&mut self, at: Instant) {
        self.due_at = Some(self.due_at.map_or(at, |sooner| sooner.min(at)));
    }
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
        outages: Outages,
    ) -> Self {
        let shares = Shares::new(options.max_in_flight_per_webhook.max(1), options.slots());
        let measures = Scheduling::new(options.slots());
        Self {
            queue,
            ambient,
            options,
            tasks,
            in_flight: 0,
            shares,
            pauses: Pauses::default(),
            busy: Busy::default(),
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
        let free = self.options.slots().saturating_sub(self.in_flight);
        let now = Instant::now();
        let poll_at = now + self.options.poll_interval;
        if free == 0 {
            return Ok(Next { at: poll_at, when_freed: true });
        }
        if self.round.after.is_none()
            && let Some((busy, discover_at)) = self.busy.known(now)
        {
            let taken = self.take(&busy, free, now).await?;
            // Those at their caps go on as soon as they may; what else there is can wait as long for both.
            if taken > 0 || self.round.short_of_slots && self.busy.is_at_it(now) {
                return Ok(self.end_of_round(now, discover_at));
            }
            self.round = Round::default();
        }
        let discovery = self.queue.discover(self.round.after, PAGE).await?;
        let now = Instant::now();
        if let Some(due_in) = discovery.next_due_in {
            self.round.due(now + due_in);
        }
        self.busy.discovered(&discovery.due, now);
        self.take(&discovery.due, free, now).await?;

        self.round.after = discovery.due.last().filter(|_| discovery.has_more).map(|webhook| webhook.id);
        if self.round.after.is_some() {
            return Ok(Next { at: now, when_freed: true });
        }
        Ok(self.end_of_round(now, poll_at))
    }

    /// When to go on after a round, at the latest at `latest`.
    fn end_of_round(&mut self, now: Instant, latest: Instant) -> Next {
        let round = std::mem::take(&mut self.round);
        let at = if round.more { now } else { round.due_at.map_or(latest, |due_at| due_at.min(latest)) };
        Next { at, when_freed: round.short_of_slots }
    }

    /// Claims of these webhooks what each may take, and says how much that was.
    async fn take(&mut self, due: &[DueWebhook], free: usize, now: Instant) -> Result<usize, StoreError> {
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
        let (shares, rationed) = self.ration(&wanted, free);
        self.round.short_of_slots |= rationed;
        let gave = self.claim(shares).await?;
        for webhook in due.iter().filter(|due| gave.contains_key(&due.id)) {
            self.busy.gave(webhook, now);
        }
        Ok(gave.values().map(|count| *count as usize).sum())
    }

    /// Shares out what is free, and says whether anybody got less than it may take.
    fn ration(&self, wanted: &[(&DueWebhook, u32)], free: usize) -> (Vec<ClaimShare>, bool) {
        let most: Vec<_> = wanted.iter().map(|(due, most)| (due.id, *most)).collect();
        let takes = self.shares.ration(&most, free);
        let rationed = takes.iter().zip(wanted).any(|(take, (_, most))| take < most);
        let shares = takes.into_iter().zip(wanted).filter(|(take, _)| *take > 0).map(|(take, (due, _))| {
            let timeout = due.timeout.unwrap_or(self.options.delivery_timeout);
            ClaimShare { webhook: due.id, take, lease_for: timeout + LEASE_MARGIN }
        });
        (shares.collect(), rationed)
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
        let lease = leased.lease;
        let task = self.tasks.iter_mut().min_by_key(|task| task.in_flight).ok_or(lease)?;
        let job = Job { leased, claimed, lease_ends: claimed + lease_for };
        task.jobs.try_send(job).map_err(|_| lease)?;
        task.in_flight += 1;
        self.in_flight += 1;
        self.measures.in_flight(self.in_flight);
        Ok(())
    }

    fn free(&mut self, slots: &[Freed]) {
        for slot in slots {
            self.shares.freed(slot.webhook, slot.experience);
            if slot.not_attempted {
                self.pauses.pause(slot.webhook, Instant::now());
            } else if slot.experience.is_some() {
                self.pauses.end(slot.webhook);
            }
            self.in_flight = self.in_flight.saturating_sub(1);
            if let Some(task) = self.tasks.get_mut(slot.task) {
                task.in_flight = task.in_flight.saturating_sub(1);
            }
        }
        self.measures.in_flight(self.in_flight);
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

    /// Waits while the database is away: wake-ups mean nothing then.
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
