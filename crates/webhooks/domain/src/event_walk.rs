//! Pages of deliveries that are found by their events.

use std::time::Duration;

use crate::{DeliveryId, EventId, PageRequest, Timestamp};

/// The number of events of the first step; each later step takes twice as many, up to the maximum.
const FIRST_STEP: u32 = 32;
const MAX_STEP: u32 = 4_096;

/// The number of events after which a walk with a budget gives up.
const BUDGET: u32 = 480;

/// A walk along events, the newest first, that collects a page of their deliveries. Stores use it for filters by a
/// property of the event, by which events have an index and deliveries have none.
///
/// A delivery has its event's millisecond, but deliveries of one millisecond have an order of their own. So the last
/// millisecond of a step, whose events may continue in the next step, is read again there.
#[derive(Debug)]
pub struct EventWalk<T> {
    limit: usize,
    before: Option<EventId>,
    step: u32,
    examined: u32,
    budget: Option<u32>,
    found: Vec<(DeliveryId, T)>,
    is_complete: bool,
}

/// The events of a step: the newest `limit` of those before `before`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WalkStep {
    /// The exclusive upper bound of the ids.
    pub before: Option<EventId>,
    /// The maximum number of events.
    pub limit: u32,
}

impl<T> EventWalk<T> {
    /// Begins a walk for a page of deliveries of events accepted before `until`. With `has_alternative`, it gives up
    /// after a few hundred events, because the deliveries can be found in another way.
    #[must_use]
    pub fn new(page: PageRequest<DeliveryId>, until: Option<Timestamp>, has_alternative: bool) -> Self {
        let before =
            page.before.map(|id| after(id.time())).into_iter().chain(until.map(EventId::floor)).min();
        Self {
            limit: page.limit as usize,
            before,
            step: FIRST_STEP,
            examined: 0,
            budget: has_alternative.then_some(BUDGET),
            found: Vec::new(),
            is_complete: false,
        }
    }

    /// Returns the next step; `None` if the walk has ended.
    #[must_use]
    pub fn next(&self) -> Option<WalkStep> {
        let gives_up = self.budget.is_some_and(|budget| self.examined >= budget);
        (!self.is_complete && !gives_up).then_some(WalkStep { before: self.before, limit: self.step })
    }

    /// Takes the events of the step, the newest first, and those of their deliveries that are in the list.
    pub fn add(&mut self, events: &[EventId], deliveries: impl IntoIterator<Item = (DeliveryId, T)>) {
        let is_last = events.len() < self.step as usize;
        let oldest = events.last().map(EventId::time).filter(|_| !is_last);
        let is_whole = |id: &DeliveryId| oldest.is_none_or(|oldest| id.time() > oldest);
        self.found.extend(deliveries.into_iter().filter(|(id, _)| is_whole(id)));
        self.is_complete = is_last || self.found.len() > self.limit;
        self.before = oldest.map(after).or(self.before);
        self.examined = self.examined.saturating_add(self.step);
        // One millisecond may have more events than a step.
        let is_stuck = oldest.is_some() && events.first().map(EventId::time) == oldest;
        self.step = match is_stuck {
            true => self.step.saturating_mul(2),
            false => self.step.saturating_mul(2).min(MAX_STEP),
        };
    }

    /// Returns the deliveries, the newest first, one more than the page has if there are more; `None` if the walk gave
    /// up.
    #[must_use]
    pub fn finish(mut self) -> Option<Vec<T>> {
        if !self.is_complete {
            return None;
        }
        self.found.sort_unstable_by(|(one, _), (other, _)| other.cmp(one));
        self.found.truncate(self.limit + 1);
        Some(self.found.into_iter().map(|(_, delivery)| delivery).collect())
    }
}

/// Returns the exclusive upper bound of the events of a millisecond.
fn after(millisecond: Timestamp) -> EventId {
    EventId::floor(millisecond + Duration::from_millis(1))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::WebhookId;

    proptest! {
        #[test]
        fn a_walk_finds_the_newest_deliveries(
            times in prop::collection::vec((0_i64..40, 0_u32..3), 0..1_500),
            limit in 1_u32..40,
            before in prop::option::of(0_usize..1_500),
        ) {
            let mut events: Vec<_> = times.iter().zip(0_u32..).map(|((ms, deliveries), n)| {
                let mut bytes = [0; 10];
                bytes[..4].copy_from_slice(&n.to_be_bytes());
                (EventId::from_parts(Timestamp::from_millis(1_000 + ms), bytes), *deliveries)
            }).collect();
            events.sort_unstable_by(|one, other| other.cmp(one));
            let of = |event: EventId, count: u32| (0..count).map(move |n| {
                DeliveryId::derive(event, WebhookId::from_parts(Timestamp::EPOCH, [n as u8; 10]))
            });
            let mut all: Vec<_> = events.iter().flat_map(|(event, count)| of(*event, *count)).collect();
            all.sort_unstable_by(|one, other| other.cmp(one));
            let before = before.and_then(|place| all.get(place).copied());
            let is_in = |id: &DeliveryId| before.is_none_or(|before| *id < before);
            let expected: Vec<_> = all.into_iter().filter(is_in).take(limit as usize + 1).collect();

            let mut walk = EventWalk::new(PageRequest { limit, before }, None, false);
            while let Some(step) = walk.next() {
                let page: Vec<_> = events.iter()
                    .filter(|(event, _)| step.before.is_none_or(|before| *event < before))
                    .take(step.limit as usize)
                    .collect();
                let ids: Vec<_> = page.iter().map(|(event, _)| *event).collect();
                let found = page.iter().flat_map(|(event, count)| of(*event, *count)).filter(is_in);
                walk.add(&ids, found.map(|id| (id, id)));
            }
            prop_assert_eq!(walk.finish(), Some(expected));
        }
    }
}
