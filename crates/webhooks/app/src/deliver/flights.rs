//! The attempts under way, and which of them are parked.

use std::collections::BTreeMap;
use std::time::Duration;

use rdev_webhooks_domain::WebhookId;
use tokio::time::Instant;

use super::share::FairShares;
use super::standing::{MAX_SLOW_DURATION, Standing};

/// An attempt that has no answer after this time is parked: it goes on, and its slot is free.
const PARKED_AFTER: Duration = Duration::from_millis(800);
/// Where other webhooks wait for a slot and hold none, as many are parked after this time already.
const PARKED_EARLY_AFTER: Duration = Duration::from_millis(50);
/// How many attempts are parked early within [`PARKED_EARLY_AFTER`]: a crowd of endpoints that do not answer begins bit
/// by bit, so that connecting to all of them at once does not use up the processor.
const MAX_PARKED_EARLY: usize = 64;
/// How many of these one page of webhooks gets, so that those of other pages get some as well.
const MAX_PARKED_EARLY_FOR_PAGE: usize = 12;

/// A delivery from its claim until the end of its attempt.
#[derive(Debug)]
pub(super) struct Flight {
    pub(super) webhook: WebhookId,
    /// The task of the pool that has it.
    pub(super) task: usize,
    pub(super) begun: Instant,
}

/// All flights, by the order of their beginning. Those under way for long are parked, so many at the most.
#[derive(Debug)]
pub(super) struct Flights {
    next: u64,
    max_parked: usize,
    in_slots: BTreeMap<u64, Flight>,
    parked: BTreeMap<u64, Flight>,
    /// Parked ones that have lasted long.
    lasting: BTreeMap<u64, Flight>,
    /// When early parking was last counted from, and how many were parked early since.
    early: Option<(Instant, usize)>,
}

impl Flights {
    pub(super) fn new(max_parked: usize) -> Self {
        Self {
            next: 0,
            max_parked,
            in_slots: BTreeMap::new(),
            parked: BTreeMap::new(),
            lasting: BTreeMap::new(),
            early: None,
        }
    }

    /// The number of the next flight.
    pub(super) const fn next(&self) -> u64 {
        self.next
    }

    /// Adds a flight, which holds a slot.
    pub(super) fn begin(&mut self, flight: Flight) {
        self.in_slots.insert(self.next, flight);
        self.next += 1;
    }

    /// Removes a flight, and says whether it was parked.
    pub(super) fn end(&mut self, number: u64) -> Option<(Flight, bool)> {
        if let Some(flight) = self.in_slots.remove(&number) {
            return Some((flight, false));
        }
        let flight = self.parked.remove(&number).or_else(|| self.lasting.remove(&number));
        flight.map(|flight| (flight, true))
    }

    pub(super) fn in_slots(&self) -> usize {
        self.in_slots.len()
    }

    pub(super) fn parked(&self) -> usize {
        self.parked.len() + self.lasting.len()
    }

    /// Parks what has no answer for long, and notes whose attempts last.
    pub(super) fn sweep(&mut self, now: Instant, shares: &mut FairShares) {
        self.park_after(PARKED_AFTER, usize::MAX, now, shares, |_| true);
        let lasting = underway_for(MAX_SLOW_DURATION, &self.parked, now);
        for number in lasting.map(|(number, _)| *number).collect::<Vec<_>>() {
            if let Some(flight) = self.parked.remove(&number) {
                shares.lasts(flight.webhook);
                self.lasting.insert(number, flight);
            }
        }
    }

    /// Parks up to so many attempts early, and says how many.
    pub(super) fn park_early(
        &mut self,
        count: usize,
        only_unproven: bool,
        now: Instant,
        shares: &mut FairShares,
    ) -> usize {
        let may = |standing| !only_unproven || standing != Standing::Proven;
        let (since, before) = match self.early {
            Some((since, before)) if now.duration_since(since) < PARKED_EARLY_AFTER => (since, before),
            _ => (now, 0),
        };
        let parked = self.park_after(
            PARKED_EARLY_AFTER,
            count.min(MAX_PARKED_EARLY - before).min(MAX_PARKED_EARLY_FOR_PAGE),
            now,
            shares,
            may,
        );
        self.early = Some((since, before + parked));
        parked
    }

    /// When the next attempt may be parked, early or not.
    pub(super) fn slot_at(&self, early: bool) -> Option<Instant> {
        if self.parked() >= self.max_parked {
            return None;
        }
        let oldest = self.in_slots.values().next();
        oldest.map(|flight| flight.begun + if early { PARKED_EARLY_AFTER } else { PARKED_AFTER })
    }

    fn park_after(
        &mut self,
        age: Duration,
        count: usize,
        now: Instant,
        shares: &mut FairShares,
        may: impl Fn(Standing) -> bool,
    ) -> usize {
        let room = self.max_parked.saturating_sub(self.parked());
        let old =
            underway_for(age, &self.in_slots, now).filter(|(_, flight)| may(shares.standing(flight.webhook)));
        let numbers: Vec<_> = old.map(|(number, _)| *number).take(count.min(room)).collect();
        for number in &numbers {
            if let Some(flight) = self.in_slots.remove(number) {
                shares.parked(flight.webhook);
                self.parked.insert(*number, flight);
            }
        }
        numbers.len()
    }
}

/// The flights that have been under way for so long, the oldest first.
fn underway_for(
    age: Duration,
    flights: &BTreeMap<u64, Flight>,
    now: Instant,
) -> impl Iterator<Item = (&u64, &Flight)> {
    flights.iter().take_while(move |(_, flight)| now.duration_since(flight.begun) >= age)
}

#[cfg(test)]
#[path = "flights_tests.rs"]
mod tests;
