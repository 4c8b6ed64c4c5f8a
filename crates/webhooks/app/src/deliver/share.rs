//! Each webhook's share of the pool: a cap on its deliveries in flight.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use rdev_webhooks_domain::{DueWebhook, HealthEffect, WebhookId};

use super::permits::{Permits, Place};
use super::standing::{Holdings, Lack, Observation, Standing};
use super::window::{FIRST_WINDOW, Window};

/// Maximum number of remembered webhooks. Above it, [`FORGOTTEN`] idle webhooks are forgotten, the least
/// recently served ones.
const MAX_REMEMBERED: usize = 10_000;
const FORGOTTEN: usize = MAX_REMEMBERED / 10;

/// Number of lanes that take turns: one for each standing, and a second one for unknown and for proven
/// webhooks, which serves the most recently due first. So a crowd that becomes due at once does not delay a
/// later webhook.
const LANES: usize = Standing::COUNT + 2;
const NEWEST_UNKNOWN: usize = Standing::COUNT;
const NEWEST_PROVEN: usize = Standing::COUNT + 1;

/// Maximum number of deliveries that are claimed ahead of their attempts, in caps of the webhook. The endpoint gets them
/// without waiting for a claim, and one claim for many costs less than many claims.
const MAX_AHEAD: u32 = 3;

/// The shares of all webhooks that this worker serves.
///
/// An endpoint that does not respond holds its places until the deadline, and enough such endpoints would
/// hold all places. So each webhook has a [`Window`], and the places of all webhooks of one [`Standing`] are
/// bounded ([`Holdings`]). Free slots go to each standing in turn, and within a standing to the webhooks that
/// hold fewest.
#[derive(Debug)]
pub(super) struct FairShares {
    /// The cap of a webhook without a cap of its own.
    default_cap: u32,
    loads: HashMap<WebhookId, Load>,
    /// The places that are kept for deliveries that may be claimed later.
    reserved: HashMap<WebhookId, u32>,
    holdings: Holdings,
    /// When each lane had its last turn. The lane that has waited longest is next.
    turns: Turns,
    /// Counts claims, to find the least recently served webhook.
    turn: u64,
    /// Number of slots in use up to which deliveries are claimed ahead.
    ahead_up_to: u32,
    /// Number of remembered webhooks above which a search for idle ones is worthwhile.
    crowded_from: usize,
}

#[derive(Debug)]
struct Load {
    in_flight: u32,
    /// The number of these that hold a slot. The rest are parked.
    in_slots: u32,
    /// Number of deliveries that have ended and are not recorded yet.
    unrecorded: u32,
    /// True if the webhook has a cap of its own. The store checks it too, over all workers, and there a delivery is in
    /// flight until it is recorded.
    is_capped: bool,
    window: Window,
    permits: Arc<Permits>,
    standing: Standing,
    /// True if the last attempt was so short that deliveries may wait for others to end.
    is_prompt: bool,
    /// How long the webhook was overdue at the last discovery.
    overdue: Duration,
    /// The turn in which the webhook was last served.
    served: u64,
}

/// A division of the free slots.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Allocation {
    /// Number of slots for each webhook, in input order.
    pub(super) takes: Vec<u32>,
    /// Number of webhooks that got none for lack of slots. A webhook that already holds a slot counts only if
    /// it is not proven and other unproven webhooks hold slots too.
    pub(super) waiting: usize,
    /// Number of lanes with webhooks that want deliveries.
    pub(super) lanes: usize,
    /// True if slots are free, but not for unproven webhooks.
    pub(super) only_unproven_wait: bool,
    /// The lanes' turns after this division.
    turns: Turns,
}

/// When each lane had its last turn.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Turns {
    count: u64,
    last: [u64; LANES],
}

impl Turns {
    /// Returns the lane whose turn it is, among the lanes that `has_some` accepts.
    fn next(&self, has_some: impl Fn(usize) -> bool) -> Option<usize> {
        (0..LANES).filter(|lane| has_some(*lane)).min_by_key(|lane| self.last[*lane])
    }

    fn took(&mut self, lane: usize) {
        self.count += 1;
        self.last[lane] = self.count;
    }
}

impl FairShares {
    /// Creates the shares of a pool of `slots` slots and at most `max_parked` parked attempts.
    pub(super) fn new(default_cap: u32, slots: usize, max_parked: usize) -> Self {
        Self {
            default_cap,
            loads: HashMap::new(),
            reserved: HashMap::new(),
            holdings: Holdings::new(slots, max_parked),
            turns: Turns::default(),
            turn: 0,
            ahead_up_to: u32::try_from(slots / 2).unwrap_or(u32::MAX),
            crowded_from: MAX_REMEMBERED,
        }
    }

    /// Returns the number of deliveries that `due` may take. If it is none, one in flight must end first.
    pub(super) fn quota(&mut self, due: &DueWebhook) -> u32 {
        let cap = due.max_in_flight.map_or(self.default_cap, |cap| cap.get().min(self.default_cap));
        let is_crowded = self.holdings.is_crowded();
        let free_ahead = self.ahead_up_to.saturating_sub(self.holdings.in_slots());
        let default_cap = self.default_cap;
        let at_first = || Load::new(Standing::at_first(due.last_failure), default_cap);
        let load = self.loads.entry(due.id).or_insert_with(at_first);
        load.overdue = due.overdue;
        load.is_capped = due.max_in_flight.is_some();
        let window = match load.standing {
            Standing::Silent => 1,
            _ if is_crowded && load.in_flight > load.in_slots => load.window.size().min(FIRST_WINDOW),
            _ => load.window.size(),
        };
        let left_of_cap = cap.saturating_sub(if load.is_capped { load.unrecorded } else { 0 });
        let reserved = self.reserved.get(&due.id).copied().unwrap_or(0);
        let ahead = if load.may_wait() && !due.is_limited && window >= cap {
            free_ahead.min(MAX_AHEAD.saturating_mul(cap))
        } else {
            0
        };
        (left_of_cap.min(window) + ahead).saturating_sub(load.in_flight + reserved)
    }

    /// Returns the place of a claimed delivery in the line for an attempt.
    pub(super) fn place(&mut self, webhook: WebhookId) -> Place {
        self.load(webhook).permits.place()
    }

    fn load(&mut self, webhook: WebhookId) -> &mut Load {
        let cap = self.default_cap;
        self.loads.entry(webhook).or_insert_with(|| Load::new(Standing::Unknown, cap))
    }

    /// Reserves places for deliveries that may be claimed later.
    pub(super) fn reserve(&mut self, webhook: WebhookId, places: u32) {
        self.reserved.insert(webhook, places);
    }

    /// Ends all reservations.
    pub(super) fn end_reservations(&mut self) {
        self.reserved.clear();
    }

    /// Divides `free` slots among webhooks, each with the number it wants. The lanes take turns. In its turn
    /// a lane gives one slot to the webhook that holds fewest, or among equals to the least recently served.
    pub(super) fn allocate(&mut self, wanted: &[(WebhookId, u32)], free: usize) -> Allocation {
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
            // A webhook in two lanes may have got some or all that it wants from the other lane.
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
        Allocation { takes, waiting, lanes: in_lanes, only_unproven_wait: left > 0, turns }
    }

    /// Records the lanes' turns of a division that is about to be claimed.
    pub(super) fn record_turns(&mut self, allocation: &Allocation) {
        self.turns = allocation.turns;
    }

    /// Returns the standing of a webhook.
    pub(super) fn standing(&self, webhook: WebhookId) -> Standing {
        self.loads.get(&webhook).map_or(Standing::Unknown, |load| load.standing)
    }

    /// True if every delivery in flight is of a proven webhook.
    pub(super) fn are_all_proven(&self) -> bool {
        self.holdings.unproven_in_slots() == 0
    }

    fn holds(&self, webhook: WebhookId) -> u32 {
        self.loads.get(&webhook).map_or(0, |load| load.in_flight)
    }

    /// Records a claimed delivery.
    pub(super) fn claimed(&mut self, webhook: WebhookId) {
        self.turn += 1;
        let turn = self.turn;
        self.load(webhook);
        self.change(webhook, |load| {
            load.in_flight += 1;
            load.in_slots += 1;
            load.served = turn;
        });
    }

    /// Records a parked attempt, whose slot is free.
    pub(super) fn parked(&mut self, webhook: WebhookId) {
        self.change(webhook, |load| load.in_slots -= 1);
    }

    /// Records an attempt that takes long.
    pub(super) fn lasts(&mut self, webhook: WebhookId) {
        self.change(webhook, |load| load.standing = Standing::Silent);
    }

    /// Records the end of an attempt, with its observation if it was made.
    pub(super) fn freed(&mut self, webhook: WebhookId, was_parked: bool, observation: Option<Observation>) {
        let cap = self.default_cap.max(FIRST_WINDOW);
        self.change(webhook, |load| {
            load.in_flight -= 1;
            load.in_slots -= u32::from(!was_parked);
            load.unrecorded += 1;
            let Some(observation) = observation else {
                // It may have been turned away: the next one would only wait too.
                load.is_prompt = false;
                return;
            };
            load.standing = observation.standing;
            load.is_prompt = observation.is_prompt;
            if !load.may_wait() {
                load.permits.set_back();
            }
            match observation.effect {
                HealthEffect::Succeeded => load.window.succeeded(cap),
                HealthEffect::Unavailable | HealthEffect::Silent => load.window.failed(),
                // The outcome does not depend on the number of concurrent requests.
                HealthEffect::Rejected | HealthEffect::None => {}
            }
        });
    }

    /// Records that a delivery is recorded. Returns true if its webhook may take another one only now.
    pub(super) fn recorded(&mut self, webhook: WebhookId) -> bool {
        let Some(load) = self.loads.get_mut(&webhook) else { return false };
        load.unrecorded = load.unrecorded.saturating_sub(1);
        load.is_capped
    }

    /// Changes a webhook's load and updates the holdings.
    fn change(&mut self, webhook: WebhookId, change: impl FnOnce(&mut Load)) {
        let Some(load) = self.loads.get_mut(&webhook) else { return };
        self.holdings.remove(load.standing, load.in_slots, load.in_flight);
        change(load);
        self.holdings.add(load.standing, load.in_slots, load.in_flight);
    }

    /// Forgets the longest idle webhooks if too many are remembered: each loses only the result of its last
    /// attempt.
    pub(super) fn forget_idle(&mut self) {
        if self.loads.len() <= self.crowded_from {
            return;
        }
        let mut idle: Vec<_> = self
            .loads
            .iter()
            .filter(|(_, load)| load.in_flight == 0 && load.unrecorded == 0)
            .map(|(webhook, load)| (load.served, *webhook))
            .collect();
        idle.sort_unstable();
        for (_, webhook) in idle.into_iter().take(FORGOTTEN) {
            self.loads.remove(&webhook);
        }
        // If few are idle, another search is not worthwhile before many more webhooks are remembered.
        self.crowded_from = self.loads.len().saturating_add(FORGOTTEN).max(MAX_REMEMBERED);
    }
}

impl Load {
    fn new(standing: Standing, cap: u32) -> Self {
        let window = Window::default();
        Self {
            in_flight: 0,
            in_slots: 0,
            unrecorded: 0,
            is_capped: false,
            window,
            permits: Permits::new(cap),
            standing,
            is_prompt: false,
            overdue: Duration::ZERO,
            served: 0,
        }
    }

    /// True if deliveries may be claimed ahead of their attempts.
    fn may_wait(&self) -> bool {
        self.is_prompt && self.standing == Standing::Proven
    }
}

#[cfg(test)]
#[path = "share_tests.rs"]
mod tests;
