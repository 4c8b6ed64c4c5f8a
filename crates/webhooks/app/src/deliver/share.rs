//! What each webhook may take of the pool: a cap on what is in flight, and a rate.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::time::Duration;

use rdev_webhooks_domain::{DueWebhook, HealthEffect, RateLimit, WebhookId};
use tokio::time::Instant;

use super::rate::TokenBucket;
use super::standing::{Experience, Holdings, Lack, Standing};
use super::window::{FIRST_WINDOW, Window};

/// Idle webhooks are forgotten when there are more than this many to remember: those that were served longest
/// ago, so many of them.
const MAX_REMEMBERED: usize = 10_000;
const FORGOTTEN: usize = MAX_REMEMBERED / 10;

/// How many lanes take turns: one for each standing, and a second one for the unknown and for the proven, where those come
/// first that became due last. So a crowd that becomes due at once holds back none that comes after it.
const LANES: usize = Standing::COUNT + 2;
const NEWEST_UNKNOWN: usize = Standing::COUNT;
const NEWEST_PROVEN: usize = Standing::COUNT + 1;

/// The shares of all webhooks that this worker has to do with.
///
/// Endpoints that do not answer hold their places until the deadline, and enough of them would hold all there
/// are. So each webhook has a [`Window`], and what the webhooks of one [`Standing`] hold is bounded
/// ([`Holdings`]). What is free goes in turn to each standing, and of those to the webhooks that hold least.
#[derive(Debug)]
pub(super) struct Shares {
    /// The cap of a webhook that has none of its own.
    default_cap: u32,
    loads: HashMap<WebhookId, Load>,
    holdings: Holdings,
    /// When each lane had its last turn: the next is the turn of the one that waited longest.
    turns: Turns,
    /// Counts who was served, to tell who was served longest ago.
    turn: u64,
    /// From how many on it is worth while to look for some to forget.
    crowded_from: usize,
}

#[derive(Debug)]
struct Load {
    in_flight: u32,
    /// How many of these hold a slot; the rest is parked.
    in_slots: u32,
    window: Window,
    standing: Standing,
    /// For how long it had been due when it was last looked at.
    overdue: Duration,
    /// The turn in which it was served last.
    served: u64,
    bucket: Option<TokenBucket>,
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

/// What was shared out.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Ration {
    /// How many each gets, in the order of those that want some.
    pub(super) takes: Vec<u32>,
    /// How many of them got none for lack of slots: of those that hold one already none that is proven, and none that
    /// nobody else takes the slots of.
    pub(super) waiting: usize,
    /// How many lanes there are with some that want any.
    pub(super) lanes: usize,
    /// Whether slots are free, but not for webhooks that are not proven.
    pub(super) only_unproven_wait: bool,
    /// The lanes' turns then.
    turns: Turns,
}

/// When each lane had its last turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Turns {
    count: u64,
    last: [u64; LANES],
}

impl Turns {
    /// The lane whose turn it is, of those that `has_some`.
    fn next(&self, has_some: impl Fn(usize) -> bool) -> Option<usize> {
        (0..LANES).filter(|lane| has_some(*lane)).min_by_key(|lane| self.last[*lane])
    }

    fn took(&mut self, lane: usize) {
        self.count += 1;
        self.last[lane] = self.count;
    }
}

impl Shares {
    /// Shares of a pool of so many slots, beside which so many attempts may be parked.
    pub(super) fn new(default_cap: u32, slots: usize, max_parked: usize) -> Self {
        Self {
            default_cap,
            loads: HashMap::new(),
            holdings: Holdings::new(slots, max_parked),
            turns: Turns::default(),
            turn: 0,
            crowded_from: MAX_REMEMBERED,
        }
    }

    /// What `due` may take at `now`.
    pub(super) fn allowance(&mut self, due: &DueWebhook, now: Instant) -> Allowance {
        let cap = due.max_in_flight.map_or(self.default_cap, |cap| cap.get().min(self.default_cap));
        let is_crowded = self.holdings.is_crowded();
        let at_first = || Load::new(Standing::at_first(due.last_failure));
        let load = self.loads.entry(due.id).or_insert_with(at_first);
        load.overdue = due.overdue;
        let window = match load.standing {
            Standing::Silent => 1,
            _ if is_crowded && load.in_flight > load.in_slots => load.window.size().min(FIRST_WINDOW),
            _ => load.window.size(),
        };
        let free = cap.min(window).saturating_sub(load.in_flight);
        load.set_rate(due.rate_limit, now);
        let Some(bucket) = &mut load.bucket else {
            return if free == 0 { Allowance::AtCap } else { Allowance::Take(free) };
        };
        bucket.refill(now);
        let tokens = bucket.whole_tokens();
        match (free, tokens) {
            (0, _) => Allowance::AtCap,
            (_, 0) => Allowance::TooFast(bucket.wait()),
            _ => Allowance::Take(free.min(tokens)),
        }
    }

    /// Shares out `free` slots among webhooks that want so many each: in turn to each lane, there one at a time to
    /// the webhook that holds least, of several to the one that was served longest ago.
    pub(super) fn ration(&mut self, wanted: &[(WebhookId, u32)], free: usize) -> Ration {
        let mut lanes: [BinaryHeap<_>; LANES] = Default::default();
        for (place, (webhook, most)) in wanted.iter().enumerate() {
            if *most > 0
                && let Some(load) = self.loads.get(webhook)
            {
                lanes[load.standing as usize].push(Reverse((load.in_flight, load.served, place)));
                let newest = match load.standing {
                    Standing::Unknown => Some(NEWEST_UNKNOWN),
                    Standing::Proven => Some(NEWEST_PROVEN),
                    _ => None,
                };
                if let Some(newest) = newest {
                    let overdue_us = u64::try_from(load.overdue.as_micros()).unwrap_or(u64::MAX);
                    lanes[newest].push(Reverse((load.in_flight, overdue_us, place)));
                }
            }
        }
        let in_lanes = lanes.iter().filter(|lane| !lane.is_empty()).count();
        let mut holdings = self.holdings.clone();
        let mut takes = vec![0; wanted.len()];
        let (mut left, mut turns) = (free, self.turns);
        while left > 0
            && let Some(lane) = turns.next(|lane| !lanes[lane].is_empty())
            && let Some(Reverse((holds, order, place))) = lanes[lane].pop()
        {
            let standing = self.standing(wanted[place].0);
            // One that is in two lanes may have got some, or all that it wants, by the other.
            let holds_now = self.holds(wanted[place].0) + takes[place];
            if takes[place] == wanted[place].1 {
                continue;
            }
            if holds < holds_now {
                lanes[lane].push(Reverse((holds_now, order, place)));
                continue;
            }
            if holdings.check(standing, holds).is_ok() {
                holdings.take_one(standing, holds);
                turns.took(lane);
                left -= 1;
                takes[place] += 1;
                if takes[place] < wanted[place].1 {
                    lanes[lane].push(Reverse((holds + 1, order, place)));
                }
            }
        }
        let mut waiting = 0;
        for ((webhook, most), take) in wanted.iter().zip(&takes) {
            if let Some(load) = self.loads.get(webhook)
                && *take == 0
                && *most > 0
            {
                let lacks_a_place = holdings.check(load.standing, load.in_flight) == Err(Lack::Place);
                let shares_slots =
                    load.standing != Standing::Proven && load.in_slots < holdings.unproven_in_slots();
                waiting += usize::from(!lacks_a_place && (load.in_slots == 0 || shares_slots));
            }
        }
        Ration { takes, waiting, lanes: in_lanes, only_unproven_wait: left > 0, turns }
    }

    /// What was shared out is claimed: the lanes had their turns.
    pub(super) fn pass_turn(&mut self, ration: &Ration) {
        self.turns = ration.turns;
    }

    /// The standing of a webhook.
    pub(super) fn standing(&self, webhook: WebhookId) -> Standing {
        self.loads.get(&webhook).map_or(Standing::Unknown, |load| load.standing)
    }

    fn holds(&self, webhook: WebhookId) -> u32 {
        self.loads.get(&webhook).map_or(0, |load| load.in_flight)
    }

    /// One of a webhook's deliveries was claimed.
    pub(super) fn claimed(&mut self, webhook: WebhookId) {
        self.turn += 1;
        let turn = self.turn;
        self.loads.entry(webhook).or_insert_with(|| Load::new(Standing::Unknown));
        self.change(webhook, |load| {
            load.in_flight += 1;
            load.in_slots += 1;
            load.served = turn;
            if let Some(bucket) = &mut load.bucket {
                bucket.take();
            }
        });
    }

    /// One of a webhook's attempts was parked, and its slot is free.
    pub(super) fn parked(&mut self, webhook: WebhookId) {
        self.change(webhook, |load| load.in_slots -= 1);
    }

    /// One of a webhook's attempts has lasted long.
    pub(super) fn lasts(&mut self, webhook: WebhookId) {
        self.change(webhook, |load| load.standing = Standing::Silent);
    }

    /// One of a webhook's deliveries is done, with this experience if it was tried.
    pub(super) fn freed(&mut self, webhook: WebhookId, was_parked: bool, experience: Option<Experience>) {
        let cap = self.default_cap.max(FIRST_WINDOW);
        self.change(webhook, |load| {
            load.in_flight -= 1;
            load.in_slots -= u32::from(!was_parked);
            let Some(experience) = experience else { return };
            load.standing = experience.standing;
            match experience.effect {
                HealthEffect::Succeeded => load.window.succeeded(cap),
                HealthEffect::Unavailable | HealthEffect::Silent => load.window.failed(),
                // It is no matter of how many at a time.
                HealthEffect::Rejected | HealthEffect::None => {}
            }
        });
    }

    /// Changes a load, and what is held along with it.
    fn change(&mut self, webhook: WebhookId, change: impl FnOnce(&mut Load)) {
        let Some(load) = self.loads.get_mut(&webhook) else { return };
        self.holdings.remove(load.standing, load.in_slots, load.in_flight);
        change(load);
        self.holdings.add(load.standing, load.in_slots, load.in_flight);
    }

    /// Forgets those that have been idle longest, if there are too many. One whose rate is not used up has
    /// nothing to be remembered for but how its last attempt went.
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

impl Load {
    fn new(standing: Standing) -> Self {
        let window = Window::default();
        Self { in_flight: 0, in_slots: 0, window, standing, overdue: Duration::ZERO, served: 0, bucket: None }
    }

    /// Whether it has nothing in flight, and nothing of its rate is used.
    fn is_idle(&mut self, now: Instant) -> bool {
        self.in_flight == 0 && self.bucket.as_mut().is_none_or(|bucket| bucket.is_full(now))
    }

    fn set_rate(&mut self, limit: Option<RateLimit>, now: Instant) {
        let rate = limit.map(RateLimit::as_per_second);
        if self.bucket.as_ref().map(TokenBucket::rate) != rate {
            self.bucket = rate.map(|rate| TokenBucket::full(rate, now));
        }
    }
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
