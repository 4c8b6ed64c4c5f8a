//! What each webhook may take of the pool: a cap on what is in flight, and a rate.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use rdev_webhooks_domain::{Attempt, DueWebhook, RateLimit, WebhookId};
use tokio::time::Instant;

/// The shortest wait for a rate limit, so that a high rate is served in small batches rather than one
/// by one.
const MIN_RATE_WAIT: Duration = Duration::from_millis(5);
/// How much of a second's worth may go out at once after a quiet time.
const BURST_SECONDS: f64 = 0.1;
/// Idle webhooks are forgotten when there are more than this many to remember: those that were served longest
/// ago, so many of them.
const MAX_REMEMBERED: usize = 10_000;
const FORGOTTEN: usize = MAX_REMEMBERED / 10;

/// What a webhook may have in flight before its endpoint has shown that it answers, and after a failure
/// at the least.
const FIRST_WINDOW: u32 = 4;
/// Which part of the pool all webhooks together may hold whose endpoints have not shown that.
const UNPROVEN_PART: u32 = 2;
/// An endpoint that takes longer than this to take a delivery shows nothing: enough of them hold a pool as well
/// as those that never answer.
const QUICK: Duration = Duration::from_secs(2);

/// The shares of all webhooks that this worker has to do with.
///
/// Endpoints that do not answer hold their slots until the deadline, and enough of them would hold the
/// whole pool. So a webhook begins with a small window, which grows by one with each delivery that
/// succeeds and is halved by each that fails; and those that have not succeeded lately, and quickly, share half
/// of the pool, however many they are. What is free goes to those that hold least.
#[derive(Debug)]
pub(super) struct Shares {
    /// The cap of a webhook that has none of its own.
    default_cap: u32,
    loads: HashMap<WebhookId, Load>,
    /// Counts who was served, to tell who was served longest ago.
    turn: u64,
    /// From how many on it is worth while to look for some to forget.
    crowded_from: usize,
    /// How many slots the unproven may hold, and how many they do.
    unproven_slots: u32,
    unproven_in_flight: u32,
}

#[derive(Debug)]
struct Load {
    in_flight: u32,
    window: u32,
    /// The last delivery that came back had succeeded quickly.
    proven: bool,
    /// The turn in which it was served last.
    served: u64,
    bucket: Option<TokenBucket>,
}

/// How an endpoint took a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Experience {
    /// It took it at once.
    Quick,
    /// It took it, in its time.
    Slow,
    /// It did not.
    Failed,
}

impl Experience {
    /// What an attempt tells.
    pub(super) fn of(attempt: &Attempt) -> Self {
        match attempt.outcome.is_success() {
            true if attempt.duration <= QUICK => Self::Quick,
            true => Self::Slow,
            false => Self::Failed,
        }
    }
}

/// What a webhook may take now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Allowance {
    /// This many, at least one.
    Take(u32),
    /// Nothing before a delivery in flight is done.
    AtCap,
    /// Nothing before that time is over.
    TooFast(Duration),
}

impl Shares {
    /// Shares of a pool of so many slots.
    pub(super) fn new(default_cap: u32, slots: usize) -> Self {
        let slots = u32::try_from(slots).unwrap_or(u32::MAX);
        Self {
            default_cap,
            loads: HashMap::new(),
            turn: 0,
            crowded_from: MAX_REMEMBERED,
            unproven_slots: (slots / UNPROVEN_PART).max(1),
            unproven_in_flight: 0,
        }
    }

    /// What `due` may take at `now`.
    pub(super) fn allowance(&mut self, due: &DueWebhook, now: Instant) -> Allowance {
        let cap = due.max_in_flight.map_or(self.default_cap, |cap| cap.get().min(self.default_cap));
        let unproven_room = self.unproven_room();
        let load = self.loads.entry(due.id).or_default();
        let mut free = cap.min(load.window).saturating_sub(load.in_flight);
        if !load.proven {
            free = free.min(unproven_room);
        }
        load.set_rate(due.rate_limit, now);
        let Some(bucket) = &mut load.bucket else {
            return if free == 0 { Allowance::AtCap } else { Allowance::Take(free) };
        };
        bucket.refill(now);
        let tokens = bucket.whole_tokens();
        match (free, tokens) {
            (0, _) => Allowance::AtCap,
            (_, 0) => Allowance::TooFast(bucket.until_one().max(MIN_RATE_WAIT)),
            _ => Allowance::Take(free.min(tokens)),
        }
    }

    /// Shares out `free` slots among webhooks that want so many each, and says how many each gets, in the same
    /// order: one at a time to whoever holds least, of several to who was served longest ago.
    pub(super) fn ration(&self, wanted: &[(WebhookId, u32)], free: usize) -> Vec<u32> {
        let mut waiting = BinaryHeap::with_capacity(wanted.len());
        for (place, (webhook, most)) in wanted.iter().enumerate() {
            let load = self.loads.get(webhook);
            let (holds, served) = load.map_or((0, 0), |load| (load.in_flight, load.served));
            if *most > 0 {
                waiting.push(Reverse((holds, served, place)));
            }
        }
        let is_proven = |place: usize| self.loads.get(&wanted[place].0).is_some_and(|load| load.proven);
        let (mut left, mut unproven_left) = (free, self.unproven_room());
        let mut takes = vec![0; wanted.len()];
        while left > 0
            && let Some(Reverse((holds, served, place))) = waiting.pop()
        {
            if !is_proven(place) {
                if unproven_left == 0 {
                    continue;
                }
                unproven_left -= 1;
            }
            left -= 1;
            takes[place] += 1;
            if takes[place] < wanted[place].1 {
                waiting.push(Reverse((holds + 1, served, place)));
            }
        }
        takes
    }

    /// How many more slots the unproven may hold.
    fn unproven_room(&self) -> u32 {
        self.unproven_slots.saturating_sub(self.unproven_in_flight)
    }

    /// One of a webhook's deliveries was claimed.
    pub(super) fn claimed(&mut self, webhook: WebhookId) {
        self.turn += 1;
        let load = self.loads.entry(webhook).or_default();
        load.in_flight += 1;
        load.served = self.turn;
        if !load.proven {
            self.unproven_in_flight += 1;
        }
        if let Some(bucket) = &mut load.bucket {
            bucket.tokens -= 1.0;
        }
    }

    /// One of a webhook's deliveries is done, with this experience if it was tried.
    pub(super) fn freed(&mut self, webhook: WebhookId, experience: Option<Experience>) {
        let Some(load) = self.loads.get_mut(&webhook) else { return };
        if !load.proven {
            self.unproven_in_flight = self.unproven_in_flight.saturating_sub(1);
        }
        load.in_flight = load.in_flight.saturating_sub(1);
        let was_proven = load.proven;
        let grown = load.window.saturating_add(1).min(self.default_cap.max(FIRST_WINDOW));
        match experience {
            Some(Experience::Quick) => (load.window, load.proven) = (grown, true),
            Some(Experience::Slow) => (load.window, load.proven) = (grown, false),
            Some(Experience::Failed) => {
                (load.window, load.proven) = ((load.window / 2).max(FIRST_WINDOW), false);
            }
            None => {}
        }
        // What else it has in flight counts as what it is now.
        match (was_proven, load.proven) {
            (false, true) => {
                self.unproven_in_flight = self.unproven_in_flight.saturating_sub(load.in_flight);
            }
            (true, false) => self.unproven_in_flight += load.in_flight,
            _ => {}
        }
    }

    /// Forgets those that have been idle longest, if there are too many. One whose rate is not used up has
    /// nothing to be remembered for but that its endpoint works.
    pub(super) fn forget_idle(&mut self, now: Instant) {
        if self.loads.len() <= self.crowded_from {
            return;
        }
        let mut idle: Vec<_> = self
            .loads
            .iter_mut()
            .filter_map(|(webhook, load)| load.is_idle(now).then_some((load.served, *webhook)))
            .collect();
        idle.sort_unstable();
        for (_, webhook) in idle.into_iter().take(FORGOTTEN) {
            self.loads.remove(&webhook);
        }
        // Where few are idle, a look at all of them is not worth while again before there are many more.
        self.crowded_from = self.loads.len().saturating_add(FORGOTTEN).max(MAX_REMEMBERED);
    }
}

impl Default for Load {
    fn default() -> Self {
        Self { in_flight: 0, window: FIRST_WINDOW, proven: false, served: 0, bucket: None }
    }
}

impl Load {
    /// Whether it has nothing in flight, and nothing of its rate is used.
    fn is_idle(&mut self, now: Instant) -> bool {
        self.in_flight == 0 && self.bucket.as_mut().is_none_or(|bucket| bucket.is_full(now))
    }

    fn set_rate(&mut self, limit: Option<RateLimit>, now: Instant) {
        let rate = limit.map(RateLimit::as_per_second);
        if self.bucket.as_ref().map(|bucket| bucket.rate) != rate {
            self.bucket = rate.map(|rate| TokenBucket::full(rate, now));
        }
    }
}

/// Tokens come in at a rate, up to a bound, and each delivery takes one.
#[derive(Debug)]
struct TokenBucket {
    rate: f64,
    tokens: f64,
    refilled_at: Instant,
}

impl TokenBucket {
    fn full(rate: f64, now: Instant) -> Self {
        Self { rate, tokens: Self::burst(rate), refilled_at: now }
    }

    fn burst(rate: f64) -> f64 {
        (rate * BURST_SECONDS).max(1.0)
    }

    fn refill(&mut self, now: Instant) {
        let gained = now.saturating_duration_since(self.refilled_at).as_secs_f64() * self.rate;
        self.tokens = (self.tokens + gained).min(Self::burst(self.rate));
        self.refilled_at = now;
    }

    fn is_full(&mut self, now: Instant) -> bool {
        self.refill(now);
        self.tokens >= Self::burst(self.rate)
    }

    fn whole_tokens(&self) -> u32 {
        // A burst is at most 1,000 tokens; below one, and below zero, there are none.
        self.tokens.max(0.0) as u32
    }

    fn until_one(&self) -> Duration {
        Duration::try_from_secs_f64((1.0 - self.tokens) / self.rate).unwrap_or_default()
    }
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
