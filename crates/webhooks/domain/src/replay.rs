//! Replays: the redelivery of a range of finished deliveries, or the delivery of missing events.
//!
//! A replay is durable work: its remaining work is in the store, and any process can advance it by a step
//! ([`ports::ReplayRepository::advance`](crate::ports::ReplayRepository::advance)). Its deliveries use the
//! queue like all others, but only a [window](Replay::window) of them at a time, so that a new event waits
//! behind few of them.

mod missing;
mod step;

use std::collections::BTreeSet;
use std::num::NonZeroU32;
use std::time::Duration;

use rdev_core::id::Uuid;

use crate::{CancelReason, DeliveryId, ProjectName, RateLimit, ReplayId, Timestamp, WebhookId};

pub use missing::MissingEvents;
pub use step::{Advance, FinishedStep, ReplayStep, Scan, WebhookStatus};

/// The largest window: the maximum number of a replay's deliveries in the queue.
pub const MAX_WINDOW: u32 = 100;

/// The smallest window, however slow the endpoint is.
pub const MIN_WINDOW: u32 = 8;

/// The window as a multiple of what ended since the last step. While deliveries end, steps are at most about
/// a second apart, so the endpoint takes the waiting deliveries in about that many seconds or less. The
/// factor is greater than 1, so that the window of an endpoint that emptied it grows.
const WINDOW_STEPS: u32 = 2;

/// The number of deliveries that one step looks at, whether it takes them or not.
pub const SCAN_LIMIT: u32 = 500;

/// The number of events that one step of a replay of missing events looks at, whether it takes them or not.
pub const EVENT_SCAN_LIMIT: u32 = 5_000;

/// The number of deliveries or events that a count looks at, whether the replay would take them or not.
pub const COUNT_LIMIT: u32 = 100_000;

/// The shortest wait after a step without progress. The longest waits are [`DUE_IN_MAX`] while the webhook is
/// enabled and [`DUE_IN_MAX_DISABLED`] while it is disabled.
pub const DUE_IN_MIN: Duration = Duration::from_millis(100);
/// The longest wait after a step without progress, while the webhook is enabled.
pub const DUE_IN_MAX: Duration = Duration::from_secs(60);
/// The longest wait after a step without progress, while the webhook is disabled.
pub const DUE_IN_MAX_DISABLED: Duration = Duration::from_secs(60 * 60);

/// The largest window as a multiple of a webhook's cap: one round that is being sent, and those that several
/// workers hold ready.
const WINDOW_ROUNDS: u32 = 4;

/// The outcome of a finished delivery.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum DeliveryOutcome {
    /// The endpoint accepted the delivery.
    Succeeded,
    /// The delivery failed.
    #[default]
    Failed,
    /// The delivery was cancelled.
    Cancelled,
}

impl DeliveryOutcome {
    /// All outcomes.
    pub const ALL: [Self; 3] = [Self::Succeeded, Self::Failed, Self::Cancelled];

    /// Returns the name in the API and in stores: that of the [`DeliveryStatus`](crate::DeliveryStatus).
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Parses a name from [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

/// What a replay takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ReplayStatus {
    /// Finished deliveries with this outcome.
    Finished(DeliveryOutcome),
    /// Events that the webhook takes and has no delivery of; see [`MissingEvents`]. It gets new deliveries of them.
    Missing,
}

impl ReplayStatus {
    /// All of them.
    pub const ALL: [Self; 4] = [
        Self::Finished(DeliveryOutcome::Failed),
        Self::Finished(DeliveryOutcome::Succeeded),
        Self::Finished(DeliveryOutcome::Cancelled),
        Self::Missing,
    ];

    /// Returns the name in the API and in stores.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Finished(outcome) => outcome.as_str(),
            Self::Missing => "missing",
        }
    }

    /// Parses a name from [`Self::as_str`].
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.as_str() == text)
    }
}

impl Default for ReplayStatus {
    fn default() -> Self {
        DeliveryOutcome::default().into()
    }
}

impl From<DeliveryOutcome> for ReplayStatus {
    fn from(outcome: DeliveryOutcome) -> Self {
        Self::Finished(outcome)
    }
}

/// The deliveries that a replay takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReplaySelection {
    /// Deliveries to this webhook.
    pub webhook_id: WebhookId,
    /// Deliveries of events accepted at or after this moment.
    pub since: Timestamp,
    /// Deliveries of events accepted before this moment.
    pub until: Timestamp,
    /// Deliveries with this status, or missing ones.
    pub status: ReplayStatus,
    /// Only deliveries of events of these projects; `None` for all, including events without a project.
    pub projects: Option<BTreeSet<ProjectName>>,
}

/// The number of deliveries that a replay would take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Matched {
    /// The number of matching deliveries among the first [`COUNT_LIMIT`].
    pub deliveries: u64,
    /// Whether all deliveries were examined.
    pub is_exact: bool,
    /// When they were counted, by the store's clock.
    pub at: Timestamp,
}

/// A replay and its progress.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replay {
    /// The id.
    pub id: ReplayId,
    /// The deliveries that it takes.
    pub selection: ReplaySelection,
    /// The number of deliveries, and when they were counted: deliveries that ended later are left out.
    pub matched: Matched,
    /// The id of the last delivery that it has examined, or of the last event if it replays missing events, in the order
    /// of the ids; `None` once it has examined all.
    pub scan_cursor: Option<Uuid>,
    /// The number of deliveries that it has queued so far.
    pub queued: u64,
    /// The number of queued deliveries that have not ended yet.
    pub waiting: u32,
    /// The number of queued deliveries that succeeded.
    pub succeeded: u64,
    /// The number of queued deliveries that failed again. A missing event counts as failed once the first attempt at
    /// its delivery has failed: the replay does not wait for the retries.
    pub failed: u64,
    /// The number of queued deliveries that were cancelled.
    pub cancelled: u64,
    /// The current state.
    pub state: ReplayState,
}

/// The state of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayState {
    /// The replay is running; it pauses while its webhook is disabled.
    Running,
    /// All its deliveries have ended.
    Completed {
        /// When that was found.
        at: Timestamp,
    },
    /// The replay queues no more deliveries. Those already queued continue.
    Cancelled {
        /// When it was cancelled.
        at: Timestamp,
        /// The reason.
        reason: CancelReason,
    },
}

/// The results of queued deliveries.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct FinishedCounts {
    /// The number that succeeded.
    pub succeeded: u32,
    /// The number that failed.
    pub failed: u32,
    /// The number that were cancelled.
    pub cancelled: u32,
    /// The number that were deleted together with their events.
    pub removed: u32,
}

impl ReplayState {
    /// Returns the state's name in the API and in stores.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Completed { .. } => "completed",
            Self::Cancelled { .. } => "cancelled",
        }
    }

    /// Returns when the replay ended, if it has.
    #[must_use]
    pub const fn ended_at(&self) -> Option<Timestamp> {
        match self {
            Self::Running => None,
            Self::Completed { at } | Self::Cancelled { at, .. } => Some(*at),
        }
    }
}

impl FinishedCounts {
    /// Counts one more delivery.
    pub fn add(&mut self, outcome: Option<DeliveryOutcome>) {
        *match outcome {
            Some(DeliveryOutcome::Succeeded) => &mut self.succeeded,
            Some(DeliveryOutcome::Failed) => &mut self.failed,
            Some(DeliveryOutcome::Cancelled) => &mut self.cancelled,
            None => &mut self.removed,
        } += 1;
    }

    /// Returns the total.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.succeeded + self.failed + self.cancelled + self.removed
    }
}

impl Replay {
    /// Creates a replay of the counted deliveries. It is complete at once if there are none.
    #[must_use]
    pub fn new(id: ReplayId, selection: ReplaySelection, matched: Matched) -> Self {
        let (scan_cursor, state) = match matched {
            Matched { deliveries: 0, is_exact: true, at } => (None, ReplayState::Completed { at }),
            // Neither a delivery nor an event has the smallest id of a millisecond.
            _ => (Some(DeliveryId::floor(selection.since).as_uuid()), ReplayState::Running),
        };
        Self {
            id,
            selection,
            matched,
            scan_cursor,
            queued: 0,
            waiting: 0,
            succeeded: 0,
            failed: 0,
            cancelled: 0,
            state,
        }
    }

    /// Returns whether work remains: the replay is running, or some of its queued deliveries have not ended.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.state == ReplayState::Running || self.waiting > 0
    }

    /// Returns how many of a replay's deliveries may be in a webhook's queue at once, if `ended` have ended
    /// since the last step. New events wait for these deliveries. The window is therefore at most the number
    /// that the endpoint takes in about two seconds, or [`MIN_WINDOW`]; with a rate limit also at most the
    /// number that it allows in a second, and with a cap at most a few rounds of it.
    #[must_use]
    pub fn window(
        rate_limit: Option<RateLimit>,
        max_in_flight: Option<NonZeroU32>,
        ended: FinishedCounts,
    ) -> u32 {
        // A rate is at most 10,000.
        let by_rate = rate_limit.map(|rate| rate.as_per_second().ceil() as u32);
        let by_rounds = max_in_flight.map(|cap| cap.get().saturating_mul(WINDOW_ROUNDS));
        let by_pace = ended.total().saturating_mul(WINDOW_STEPS).max(MIN_WINDOW);
        by_rate.into_iter().chain(by_rounds).chain([by_pace]).fold(MAX_WINDOW, u32::min).max(1)
    }

    /// Returns when a replay is due again after a step that made no progress, if the last step with progress
    /// was `idle_for` ago: each time after twice as long.
    #[must_use]
    pub fn due_in(idle_for: Duration, webhook_is_enabled: bool) -> Duration {
        let max = if webhook_is_enabled { DUE_IN_MAX } else { DUE_IN_MAX_DISABLED };
        idle_for.clamp(DUE_IN_MIN, max)
    }

    /// Returns how many deliveries it may queue now with this window; zero if none remain to be examined.
    #[must_use]
    pub fn room(&self, window: u32) -> u32 {
        match (self.state, self.scan_cursor) {
            (ReplayState::Running, Some(_)) => window.saturating_sub(self.waiting),
            _ => 0,
        }
    }

    /// Records the results of queued deliveries.
    pub fn settle(&mut self, ended: FinishedCounts) {
        self.succeeded += u64::from(ended.succeeded);
        self.failed += u64::from(ended.failed);
        self.cancelled += u64::from(ended.cancelled);
        self.waiting = self.waiting.saturating_sub(ended.total());
    }

    /// Records that `count` more deliveries were queued, and the last examined delivery; `None` once all are
    /// examined.
    pub fn queue(&mut self, count: u32, scan_cursor: Option<Uuid>) {
        self.queued += u64::from(count);
        self.waiting += count;
        self.scan_cursor = scan_cursor;
    }

    /// Completes the replay if no work remains.
    pub fn complete(&mut self, now: Timestamp) {
        if self.state == ReplayState::Running && self.scan_cursor.is_none() && self.waiting == 0 {
            self.state = ReplayState::Completed { at: now };
        }
    }

    /// Cancels the replay, unless it has ended. Returns whether it was cancelled.
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
