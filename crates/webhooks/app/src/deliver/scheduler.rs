//! The scheduler, which decides which deliveries are sent next.

mod advance;
mod announced;
mod claim;

use std::sync::Arc;
use std::time::Duration;

use rdev_app::{Ambient, Outages};
use rdev_webhooks_domain::ports::{DeliveryQueue, StoreError};
use rdev_webhooks_domain::{Discovery, WakeUp, WebhookId};
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::active_webhooks::ActiveWebhooks;
use super::flights::Flights;
use super::pauses::Pauses;
use super::pool::Job;
use super::progress::{Ended, Progress};
use super::recording::Recording;
use super::round::Round;
use super::share::FairShares;
use super::{Heartbeat, WorkerOptions};
use crate::metrics::Scheduling;
use advance::Advance;

/// Maximum number of pages per round while webhooks wait for slots.
const MAX_SHORT_PAGES: u32 = 8;
/// Number of free slots from which a page leaves some to the pages behind it. Fewer slots go to the pages in
/// turn.
const MIN_DIVIDED_SLOTS: usize = 16;
/// Shortest and longest wait between two tries while the database is unavailable.
const MIN_RETRY_WAIT: Duration = Duration::from_millis(100);
const MAX_RETRY_WAIT: Duration = Duration::from_secs(2);

/// Shortest wait for a slot before the next look at the queue.
const SLOT_WAIT: Duration = Duration::from_millis(10);
/// Wait between two checks whether the recording of outcomes has caught up.
const RECORDING_WAIT: Duration = Duration::from_millis(50);
/// Number of deliveries in flight from which a claim for slots that become free waits a moment for more of them, and how
/// long: one claim for all costs less than one for each.
const MIN_LOADED: usize = 4;
const LINGER: Duration = Duration::from_millis(1);
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
    /// Number of deliveries whose attempts have ended and wait for their record.
    unrecorded: usize,
    /// The settler's backlog.
    recording: Recording,
    shares: FairShares,
    pauses: Pauses,
    active: ActiveWebhooks,
    advance: Option<Advance>,
    /// What wake-ups have announced that is not claimed yet.
    announced: Option<WakeUp>,
    /// The webhook after which the next round begins, so that the webhooks that the last round skipped get
    /// their turn.
    begin_after: Option<WebhookId>,
    /// Number of deliveries claimed from the page that the next round begins with.
    taken_of_page: usize,
    looked_when_full: Option<Instant>,
    /// True if at the last discovery some webhook got nothing for lack of slots. Slots that become free are
    /// then not for the active webhooks alone.
    is_short: bool,
    /// True if the current round, or else the last one, has more than one page.
    has_pages: bool,
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
            unrecorded: 0,
            recording,
            shares,
            pauses: Pauses::default(),
            active: ActiveWebhooks::default(),
            advance: None,
            announced: None,
            begin_after: None,
            taken_of_page: 0,
            looked_when_full: None,
            is_short: false,
            has_pages: false,
            round: Round::default(),
            metrics,
            outages,
        }
    }

    /// Hands out deliveries until `drain` is cancelled. The end of the scheduler closes the channels of the
    /// pool's tasks.
    pub(super) async fn run(
        mut self,
        mut progress: mpsc::Receiver<Progress>,
        drain: CancellationToken,
        heartbeat: &Heartbeat,
    ) {
        heartbeat.beat();
        let mut failing_wait = MIN_RETRY_WAIT;
        while !drain.is_cancelled() {
            while let Ok(step) = progress.try_recv() {
                self.note(step);
            }
            if self.recording.is_behind(Instant::now()) {
                self.pause(RECORDING_WAIT, &mut progress, &drain).await;
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
                    // What was announced may not be claimed.
                    self.active.end_quiet(Instant::now());
                    self.pause(failing_wait, &mut progress, &drain).await;
                    failing_wait = (failing_wait * 2).min(MAX_RETRY_WAIT);
                    continue;
                }
            };
            self.wait(next, &mut progress, &drain).await;
        }
        self.finish_advance().await;
    }

    /// Makes one claim: from the webhooks that a wake-up announces, from the active webhooks, or else from a page of
    /// webhooks with due deliveries.
    async fn pass(&mut self) -> Result<Next, StoreError> {
        let now = Instant::now();
        let poll_at = now + self.options.poll_interval;
        self.flights.sweep(now, &mut self.shares);
        if self.free_slots() == 0
            && let Some(look_at) = self.look_when_full(now)
        {
            return Ok(Next { at: look_at.min(poll_at), when_freed: true });
        }
        let may_continue = !self.round.is_under_way && !self.is_short;
        if may_continue && let Some(wake_up) = self.announced.take() {
            if let Some(next) = self.take_announced(&wake_up, now).await? {
                return Ok(next);
            }
            self.announced = Some(wake_up);
        }
        if may_continue && let Some((active, discover_at)) = self.active.candidates(now) {
            let taken = self.take(&active, usize::MAX, now).await?;
            // ActiveWebhooks webhooks at their caps continue as soon as they may. All other webhooks wait until
            // `discover_at` in either case.
            if taken > 0 || self.round.short_of_slots && self.active.has_recent_yield(now) {
                return Ok(self.end_of_round(now, discover_at));
            }
            self.round = Round::default();
        }
        self.take_ahead_of_round(now).await?;
        if !self.round.is_under_way {
            self.round.is_under_way = true;
            self.has_pages = self.begin_after.is_some();
            self.round.after = self.begin_after;
            self.round.began_after = self.begin_after.take();
            // The round finds that too.
            self.announced = None;
        }
        let discovery = self.discover().await?;
        let now = Instant::now();
        if let Some(due_in) = discovery.next_due_in {
            self.round.due(now + due_in);
        }
        self.active.record_discovery(&discovery.due, now);
        self.has_pages |= discovery.has_more;
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
        let leaves_none = !self.round.more && !self.round.short_of_slots;
        let next = self.end_of_round(now, poll_at);
        if leaves_none {
            self.active.begin_quiet(next.at);
        }
        Ok(next)
    }

    /// Returns the next page of webhooks with due deliveries. Meanwhile publications may use the claim in advance.
    async fn discover(&mut self) -> Result<Discovery, StoreError> {
        let queue = Arc::clone(&self.queue);
        let mut discovery = queue.discover(self.round.after, self.page_size());
        loop {
            tokio::select! {
                biased;
                leases = advance::leased(&mut self.advance) => self.accept(leases).await,
                discovery = &mut discovery => return discovery,
            }
        }
    }

    /// Returns the number of deliveries that may be claimed now.
    fn free_slots(&self) -> usize {
        let reserved = self.advance.as_ref().map_or(0, |advance| advance.slots);
        let slots = self.options.slots().saturating_sub(self.flights.in_slots() + reserved);
        slots.min(self.options.max_unrecorded().saturating_sub(self.unrecorded))
    }

    /// Returns when to look at the queue although no slot is free, or `None` for now: a webhook may wait for
    /// a slot while an attempt can be parked.
    fn look_when_full(&mut self, now: Instant) -> Option<Instant> {
        if self.unrecorded >= self.options.max_unrecorded() {
            return Some(now + self.options.poll_interval);
        }
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

    /// Notes a step of deliveries. Returns whether more may be claimed now, and when one of them is due again, if known.
    fn note(&mut self, step: Progress) -> (bool, Option<Duration>) {
        let was_full = self.unrecorded >= self.options.max_unrecorded();
        let (frees, due_in) = match step {
            Progress::Ended(ended) => {
                self.free(&ended);
                (true, None)
            }
            Progress::Recorded(recorded) => {
                self.unrecorded = self.unrecorded.saturating_sub(recorded.webhooks.len());
                let mut frees = was_full;
                for webhook in recorded.webhooks {
                    frees |= self.shares.recorded(webhook);
                }
                (frees, recorded.due_in)
            }
        };
        self.metrics.unrecorded(self.unrecorded);
        if let Some(due_in) = due_in {
            self.active.end_quiet(Instant::now() + due_in);
        }
        (frees && self.free_slots() > 0, due_in)
    }

    /// Frees the slot of an attempt that has ended.
    fn free(&mut self, ended: &Ended) {
        let Some((flight, was_parked)) = self.flights.end(ended.flight) else { return };
        self.unrecorded += 1;
        self.shares.freed(flight.webhook, was_parked, ended.observation);
        if ended.not_attempted {
            self.pauses.pause(flight.webhook, Instant::now());
        } else if ended.observation.is_some() {
            self.pauses.end(flight.webhook);
        }
        if let Some(task) = self.tasks.get_mut(flight.task) {
            task.in_flight = task.in_flight.saturating_sub(1);
        }
        self.metrics.in_flight(self.flights.in_slots(), self.flights.parked());
    }

    /// Waits for the time or the slot that `next` names, for a wake-up, or for `drain`.
    async fn wait(&mut self, next: Next, progress: &mut mpsc::Receiver<Progress>, drain: &CancellationToken) {
        let mut until = next.at;
        let queue = Arc::clone(&self.queue);
        let wake_up = queue.wait_for_work();
        tokio::pin!(wake_up);
        self.claim_in_advance(Instant::now());
        loop {
            tokio::select! {
                // A wake-up that has come is heeded even if the time is over.
                biased;
                () = drain.cancelled() => return,
                wake_up = &mut wake_up => {
                    self.announced = Some(wake_up.after(self.announced.take()));
                    return;
                }
                () = tokio::time::sleep_until(until) => return,
                leases = advance::leased(&mut self.advance) => {
                    self.accept(leases).await;
                    self.claim_in_advance(Instant::now());
                }
                Some(step) = progress.recv() => {
                    let (frees, due_in) = self.note(step);
                    if next.when_freed && frees {
                        if self.flights.in_slots() < MIN_LOADED {
                            return;
                        }
                        until = until.min(Instant::now() + LINGER);
                    }
                    if let Some(due_in) = due_in {
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
        progress: &mut mpsc::Receiver<Progress>,
        drain: &CancellationToken,
    ) {
        self.withdraw_advance();
        let until = Instant::now() + wait;
        loop {
            tokio::select! {
                () = drain.cancelled() => return,
                () = tokio::time::sleep_until(until) => return,
                Some(step) = progress.recv() => {
                    self.note(step);
                }
            }
        }
    }
}
