//! Delivering a range of finished deliveries again.
//!
//! A replay is durable work: what it has still to do stands in the store, and whoever has a moment takes
//! it a step further ([`ports::ReplayRepository::advance`](crate::ports::ReplayRepository::advance)). Its
//! deliveries go through the queue like any other, but only a [window](Replay::window) of them at a time,
//! so that an event published meanwhile waits behind few of them.

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::{CancelReason, DeliveryId, ProjectName, RateLimit, ReplayId, Timestamp, WebhookId};

/// How many of a replay's deliveries are in the queue at the most.
pub const MOST_WAITING: u32 = 100;

/// How many may be there however little the endpoint takes.
pub const LEAST_WAITING: u32 = 8;

/// How many times what ended since the last step may wait. While something does, steps are at most about a
/// second apart, so what waits is what the endpoint takes in so many seconds or less. More than one, so that
/// the window of an endpoint that took all that it had grows.
const STEPS_WAITING: u32 = 2;

/// How many deliveries one step of a replay looks at, whether it takes them or not.
pub const LOOK_AT: u32 = 500;

/// How many deliveries are looked at, whether it would take them or not, to count what a replay has before it.
pub const COUNT_LIMIT: u32 = 100_000;

/// How soon a replay is due again after a step that got nowhere, and how late while its webhook is enabled, and
/// while it is disabled.
pub const DUE_IN_MIN: Duration = Duration::from_millis(100);
/// See [`DUE_IN_MIN`].
pub const DUE_IN_MAX: Duration = Duration::from_secs(60);
/// See [`DUE_IN_MIN`].
pub const DUE_IN_MAX_DISABLED: Duration = Duration::from_secs(60 * 60);

/// How many rounds of what a webhook takes at once may be in the queue: one that is being sent, and what
/// several workers have at the ready.
const ROUNDS_WAITING: u32 = 4;

/// How a delivery ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DeliveryOutcome {
    /// The endpoint took it.
    Succeeded,
    /// Given up.
    #[default]
    Failed,
    /// Called off.
    Cancelled,
}

impl DeliveryOutcome {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Cancelled];

    /// The name on the outside and in stores: that of the [`DeliveryStatus`](crate::DeliveryStatus).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Reads [`Self::as_str`] back.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

/// Which deliveries are to be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySelection {
    /// To this webhook.
    pub webhook_id: WebhookId,
    /// Of events accepted at or after.
    pub since: Timestamp,
    /// Of events accepted before.
    pub until: Timestamp,
    /// That ended so.
    pub outcome: DeliveryOutcome,
    /// Of events of these projects only; none for all, and for events without a project.
    pub projects: Option<BTreeSet<ProjectName>>,
}

/// How many deliveries there are that a replay would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// So many, of the first [`COUNT_LIMIT`] that were looked at.
    pub deliveries: u64,
    /// Whether these were all there are to look at.
    pub is_exact: bool,
    /// When they were counted, by the store's clock.
    pub at: Timestamp,
}

/// A replay and how far it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// Its id.
    pub id: ReplayId,
    /// What it takes.
    pub selection: ReplaySelection,
    /// How many there were, and when: what ended later than that is left out.
    pub matched: Matched,
    /// Up to which delivery it has looked through what it takes, in the order of their ids; none once it
    /// is through.
    pub looked_to: Option<DeliveryId>,
    /// How many it has put into the queue so far.
    pub queued: u64,
    /// How many of these have not ended yet.
    pub waiting: u32,
    /// How many of these succeeded.
    pub succeeded: u64,
    /// How many failed again.
    pub failed: u64,
    /// How many were cancelled.
    pub cancelled: u64,
    /// Whether it goes on.
    pub state: ReplayState,
}

/// Whether a replay goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayState {
    /// It does; it pauses while its webhook is disabled.
    Running,
    /// All that it was to deliver has ended.
    Completed {
        /// When that was found.
        at: Timestamp,
    },
    /// It queues no more. What it had queued goes its way.
    Cancelled {
        /// When.
        at: Timestamp,
        /// Why.
        reason: CancelReason,
    },
}

/// What became of deliveries that a replay had queued.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// These succeeded.
    pub succeeded: u32,
    /// These failed.
    pub failed: u32,
    /// These were cancelled.
    pub cancelled: u32,
    /// These are gone together with their events.
    pub removed: u32,
}

/// Which replays to list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplayFilter {
    /// Of this webhook.
    pub webhook: WebhookId,
    /// Limited to some of these projects; none for all replays.
    pub projects: Option<BTreeSet<ProjectName>>,
}

impl ReplayState {
    /// The state's name on the outside and in stores.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed { .. } => "completed",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// When it ended, for a replay that has.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Running => None,
            Self::Completed { at } | Self::Cancelled { at, .. } => Some(*at),
        }
    }
}

impl Ended {
    /// One more.
    pub fn add(&mut self, outcome: Option<DeliveryOutcome>) {
        *match outcome {
            Some(DeliveryOutcome::Succeeded) => &mut self.succeeded,
            Some(DeliveryOutcome::Failed) => &mut self.failed,
            Some(DeliveryOutcome::Cancelled) => &mut self.cancelled,
            None => &mut self.removed,
        } += 1;
    }

    /// All of them.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled + self.removed
    }
}

impl Replay {
    /// A replay of what was counted: complete at once if that is nothing.
    #[must_use]
    pub fn new(id: ReplayId, selection: ReplaySelection, matched: Matched) -> Self {
        let (looked_to, state) = match matched.deliveries {
            0 => (None, ReplayState::Completed { at: matched.at }),
            // No delivery has the smallest id of a millisecond itself.
            _ => (Some(DeliveryId::floor(selection.since)), ReplayState::Running),
        };
        Self {
            id,
            selection,
            matched,
            looked_to,
            queued: 0,
            waiting: 0,
            succeeded: 0,
            failed: 0,
            cancelled: 0,
            state,
        }
    }

    /// Whether there is something left to be done: it is running, or not all that it has queued has ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == ReplayState::Running || self.waiting > 0
    }

    /// How many of a replay's deliveries may be in a webhook's queue at once, when so many have ended since
    /// the last step. What is published meanwhile waits for them, so they are no more than the endpoint takes in
    /// about two seconds, or [`LEAST_WAITING`]; and where there is a rate limit or a cap, no more than it allows
    /// in a second, or than a few rounds of what it allows at once.
    #[must_use]
    pub fn window(rate_limit: Option<RateLimit>, max_in_flight: Option<NonZeroU32>, ended: Ended) -> u32 {
        // A rate is at most 10,000.
        let by_rate = rate_limit.map(|rate| rate.as_per_second().ceil() as u32);
        let by_rounds = max_in_flight.map(|cap| cap.get().saturating_mul(ROUNDS_WAITING));
        let by_pace = ended.total().saturating_mul(STEPS_WAITING).max(LEAST_WAITING);
        by_rate.into_iter().chain(by_rounds).chain([by_pace]).fold(MOST_WAITING, u32::min).max(1)
    }

    /// When a replay is due again after a step that got nowhere, if the last that got on was made `idle_for` ago:
    /// each time after twice as long.
    #[must_use]
    pub fn due_in(idle_for: Duration, webhook_is_enabled: bool) -> Duration {
        let max = if webhook_is_enabled { DUE_IN_MAX } else { DUE_IN_MAX_DISABLED };
        idle_for.clamp(DUE_IN_MIN, max)
    }

    /// How many it may queue now, with so many in the window; none if there is nothing to be looked for.
    #[must_use]
    pub fn room(&self, window: u32) -> u32 {
        match (self.state, self.looked_to) {
            (ReplayState::Running, Some(_)) => window.saturating_sub(self.waiting),
            _ => 0,
        }
    }

    /// Takes in what became of deliveries that it had queued.
    pub fn settle(&mut self, ended: Ended) {
        self.succeeded += u64::from(ended.succeeded);
        self.failed += u64::from(ended.failed);
        self.cancelled += u64::from(ended.cancelled);
        self.waiting = self.waiting.saturating_sub(ended.total());
    }

    /// Takes in that so many more were queued, and how far it has looked; none once it is through.
    pub fn queue(&mut self, count: u32, looked_to: Option<DeliveryId>) {
        self.queued += u64::from(count);
        self.waiting += count;
        self.looked_to = looked_to;
    }

    /// Completes it if there is nothing left.
    pub fn complete(&mut self, now: Timestamp) {
        if self.state == ReplayState::Running && self.looked_to.is_none() && self.waiting == 0 {
            self.state = ReplayState::Completed { at: now };
        }
    }

    /// Cancels it, unless it has ended.
    pub fn cancel(&mut self, reason: CancelReason, now: Timestamp) -> bool {
        let running = self.state == ReplayState::Running;
        if running {
            self.state = ReplayState::Cancelled { at: now, reason };
        }
        running
    }
}

#[cfg(test)]
#[path = "replay_tests.rs"]
mod tests;
