//! What is known of a webhook's endpoint, and how much of the pool all webhooks of one standing may hold.

use std::time::Duration;

use rdev_webhooks_domain::health::SILENT_AFTER;
use rdev_webhooks_domain::{Attempt, HealthEffect, LastFailure};

/// An attempt that ends within this time is quick.
const QUICK: Duration = SILENT_AFTER;
/// An attempt that takes longer than this holds its place as long as one that is never answered.
pub(super) const LASTING: Duration = Duration::from_secs(5);

/// What the last attempt at a webhook says of its endpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    /// It succeeded quickly.
    Proven,
    /// It was answered within [`LASTING`].
    Slow,
    /// It failed promptly.
    Failing,
    /// There was none yet.
    Unknown,
    /// It held its place for long, or does so still.
    Silent,
}

impl Standing {
    pub(super) const COUNT: usize = 5;

    /// The standing of a webhook that this worker has not sent to yet.
    pub(super) fn at_first(last_failure: Option<LastFailure>) -> Self {
        match last_failure {
            None => Self::Unknown,
            Some(LastFailure::Prompt) => Self::Failing,
            Some(LastFailure::Silent) => Self::Silent,
        }
    }
}

/// How an endpoint took a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Experience {
    pub(super) standing: Standing,
    pub(super) effect: HealthEffect,
}

impl Experience {
    /// The experience of an attempt with this effect on the webhook's health.
    pub(super) fn new(attempt: &Attempt, effect: HealthEffect) -> Self {
        let standing = match attempt.outcome.is_success() {
            true if attempt.duration <= QUICK => Standing::Proven,
            false if attempt.duration <= QUICK => Standing::Failing,
            _ if attempt.outcome.response.is_some() && attempt.duration <= LASTING => Standing::Slow,
            _ => Standing::Silent,
        };
        Self { standing, effect }
    }
}

/// What the webhooks of one standing hold.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Held {
    /// Slots of the pool.
    pub(super) slots: u32,
    /// Slots and parked attempts.
    pub(super) places: u32,
    /// How many webhooks hold any.
    pub(super) webhooks: u32,
}

/// Why a webhook may not take one more delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lack {
    /// A slot, which becomes free when an attempt is parked.
    Slot,
    /// A place, which becomes free when an attempt ends.
    Place,
}

/// What all webhooks hold, and the bounds of that.
///
/// A place is a slot or a parked attempt. Webhooks that are not proven share half of the slots. Of the places,
/// the unknown and the silent share half, so that they leave the rest to those that answer slowly or failed
/// lately; and the silent, one place each, leave some of that half to the unknown. Where a standing holds much,
/// a webhook that holds something leaves the rest to those that hold nothing.
#[derive(Debug, Clone)]
pub(super) struct Holdings {
    held: [Held; Standing::COUNT],
    parked: u32,
    unproven_slots: u32,
    max_parked: u32,
    /// Sixteenths of all places.
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

    /// Whether a webhook of this standing that holds so much may take one more.
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
        // What cannot be parked holds its slot to the end.
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

    /// Whether so many attempts are parked that a webhook with parked ones is held short.
    pub(super) fn is_crowded(&self) -> bool {
        self.parked > self.max_parked / 4
    }

    pub(super) fn unproven_in_slots(&self) -> u32 {
        let all: u32 = self.held.iter().map(|held| held.slots).sum();
        all - self.held[Standing::Proven as usize].slots
    }

    #[cfg(test)]
    pub(super) fn of(&self, standing: Standing) -> Held {
        self.held[standing as usize]
    }

    /// Adds what one webhook holds.
    pub(super) fn add(&mut self, standing: Standing, in_slots: u32, in_flight: u32) {
        let held = &mut self.held[standing as usize];
        held.slots += in_slots;
        held.places += in_flight;
        held.webhooks += u32::from(in_flight > 0);
        self.parked += in_flight - in_slots;
    }

    /// Takes away what one webhook held.
    pub(super) fn remove(&mut self, standing: Standing, in_slots: u32, in_flight: u32) {
        let held = &mut self.held[standing as usize];
        held.slots -= in_slots;
        held.places -= in_flight;
        held.webhooks -= u32::from(in_flight > 0);
        self.parked -= in_flight - in_slots;
    }

    /// Adds one more slot for a webhook that held so much.
    pub(super) fn take_one(&mut self, standing: Standing, holds: u32) {
        let held = &mut self.held[standing as usize];
        held.slots += 1;
        held.places += 1;
        held.webhooks += u32::from(holds == 0);
    }
}
