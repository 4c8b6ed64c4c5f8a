//! The standing of a webhook's endpoint, and the part of the pool that all webhooks of one standing may hold.

use std::time::Duration;

use rdev_webhooks_domain::health::SILENT_AFTER;
use rdev_webhooks_domain::{Attempt, HealthEffect, LastFailure};

/// Longest duration of a quick attempt.
const MAX_FAST_DURATION: Duration = SILENT_AFTER;
/// Longest duration of a prompt attempt.
const MAX_PROMPT_DURATION: Duration = Duration::from_millis(20);
/// Duration above which an attempt counts as silent, as if the endpoint never responded.
pub(super) const MAX_SLOW_DURATION: Duration = Duration::from_secs(5);

/// The standing of a webhook's endpoint by its last attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// The attempt succeeded quickly.
    Proven,
    /// The endpoint responded within [`MAX_SLOW_DURATION`].
    Slow,
    /// The attempt failed quickly.
    Failing,
    /// No attempt was made yet.
    Unknown,
    /// The attempt held its place for long, or still holds it.
    Silent,
}

impl Standing {
    pub(super) const COUNT: usize = 5;

    /// Returns the standing of a webhook that this worker has not sent to yet.
    pub(super) fn at_first(last_failure: Option<LastFailure>) -> Self {
        match last_failure {
            None => Self::Unknown,
            Some(LastFailure::Prompt) => Self::Failing,
            Some(LastFailure::Silent) => Self::Silent,
        }
    }
}

/// How an endpoint responded to an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Observation {
    pub(super) standing: Standing,
    pub(super) effect: HealthEffect,
    /// True if the attempt was so short that another one can wait for its end.
    pub(super) is_prompt: bool,
}

impl Observation {
    /// Returns the observation of an attempt with this effect on the webhook's health.
    pub(super) fn new(attempt: &Attempt, effect: HealthEffect) -> Self {
        let standing = match attempt.outcome.is_success() {
            true if attempt.duration <= MAX_FAST_DURATION => Standing::Proven,
            false if attempt.duration <= MAX_FAST_DURATION => Standing::Failing,
            _ if attempt.outcome.response.is_some() && attempt.duration <= MAX_SLOW_DURATION => {
                Standing::Slow
            }
            _ => Standing::Silent,
        };
        Self { standing, effect, is_prompt: attempt.duration <= MAX_PROMPT_DURATION }
    }
}

/// The slots and places that the webhooks of one standing hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Slots of the pool.
    pub(super) slots: u32,
    /// Slots and parked attempts.
    pub(super) places: u32,
    /// Number of webhooks that hold any.
    pub(super) webhooks: u32,
}

/// What a webhook lacks for one more delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// A slot: becomes free when an attempt is parked.
    Slot,
    /// A place: becomes free when an attempt ends.
    Place,
}

/// The slots and places that all webhooks hold, and their bounds.
///
/// A place is a slot or a parked attempt. Unproven webhooks share half of the slots. Unknown and silent
/// webhooks share half of the places and leave the rest to slow and failing ones. Silent webhooks, with one
/// place each, leave some of that half to unknown ones. If a standing holds much, a webhook that holds a
/// place leaves the rest to webhooks that hold none.
#[derive(Debug, Clone)]
pub(super) struct Holdings {
    held: [Held; Standing::COUNT],
    parked: u32,
    unproven_slots: u32,
    max_parked: u32,
    /// One sixteenth of all places.
    part: u32,
}

impl Holdings {
    pub(super) fn new(slots: usize, max_parked: usize) -> Self {
        let [slots, max_parked] = [slots, max_parked].map(|count| u32::try_from(count).unwrap_or(u32::MAX));
        Self {
            held: Default::default(),
            parked: 0,
            unproven_slots: (slots / 2).max(1),
            max_parked,
            part: (slots.saturating_add(max_parked) / 16).max(1),
        }
    }

    /// Checks whether a webhook of this standing that holds `holds` places may take one more.
    pub(super) fn check(&self, standing: Standing, holds: u32) -> Result<(), Lack> {
        if standing == Standing::Proven {
            return Ok(());
        }
        let part = self.part;
        let of = |standing: Standing| self.held[standing as usize];
        let places = of(standing).places;
        let unknown_and_silent = of(Standing::Unknown).places + of(Standing::Silent).places;
        // One that holds something is served only while there is plenty.
        let (bound, plenty) = match standing {
            Standing::Proven | Standing::Unknown => (8 * part, 4 * part),
            Standing::Silent => (8 * part, 0),
            Standing::Slow => (5 * part, 5 * part / 2),
            Standing::Failing => (2 * part, part),
        };
        let is_full = match standing {
            Standing::Unknown => unknown_and_silent >= bound,
            Standing::Silent => unknown_and_silent >= bound || of(standing).webhooks >= 5 * part,
            _ => places >= bound,
        };
        let in_slots: u32 = self.unproven_in_slots();
        // An attempt that cannot be parked holds its slot to the end.
        let parkable = self.max_parked - self.max_parked / 16;
        let is_parking_full = self.parked + in_slots >= parkable.max(self.unproven_slots);
        if is_full || is_parking_full || holds > 0 && places >= plenty.max(1) {
            return Err(Lack::Place);
        }
        if in_slots >= self.unproven_slots {
            return Err(Lack::Slot);
        }
        Ok(())
    }

    /// True if so many attempts are parked that a webhook with parked attempts gets a smaller window.
    pub(super) fn is_crowded(&self) -> bool {
        self.parked > self.max_parked / 4
    }

    /// Returns the number of slots in use.
    pub(super) fn in_slots(&self) -> u32 {
        self.held.iter().map(|held| held.slots).sum()
    }

    pub(super) fn unproven_in_slots(&self) -> u32 {
        self.in_slots() - self.held[Standing::Proven as usize].slots
    }

    #[cfg(test)]
    pub(super) fn held_by(&self, standing: Standing) -> Held {
        self.held[standing as usize]
    }

    /// Adds the slots and places of one webhook.
    pub(super) fn add(&mut self, standing: Standing, in_slots: u32, in_flight: u32) {
        let held = &mut self.held[standing as usize];
        held.slots += in_slots;
        held.places += in_flight;
        held.webhooks += u32::from(in_flight > 0);
        self.parked += in_flight - in_slots;
    }

    /// Subtracts the slots and places of one webhook.
    pub(super) fn remove(&mut self, standing: Standing, in_slots: u32, in_flight: u32) {
        let held = &mut self.held[standing as usize];
        held.slots -= in_slots;
        held.places -= in_flight;
        held.webhooks -= u32::from(in_flight > 0);
        self.parked -= in_flight - in_slots;
    }

    /// Adds one slot for a webhook that held `holds` places.
    pub(super) fn take_one(&mut self, standing: Standing, holds: u32) {
        let held = &mut self.held[standing as usize];
        held.slots += 1;
        held.places += 1;
        held.webhooks += u32::from(holds == 0);
    }
}
