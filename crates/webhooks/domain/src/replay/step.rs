//! One step of a replay: the decisions between a store's reads and writes.

use std::num::NonZeroU32;

use rdev_core::id::Uuid;

use super::{FinishedCounts, Replay, ReplayState};
use crate::{CancelReason, RateLimit, Timestamp};

/// The state of a replay's webhook.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum WebhookStatus {
    /// It takes deliveries.
    Enabled {
        /// Its rate limit.
        rate_limit: Option<RateLimit>,
        /// Its cap of deliveries in flight.
        max_in_flight: Option<NonZeroU32>,
    },
    /// It takes no deliveries for now.
    Disabled,
    /// It does not exist any more.
    Deleted,
}

/// The result of a scan for deliveries to queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scan {
    /// The number of deliveries that were queued.
    pub queued: u32,
    /// The id of the last examined delivery or event; `None` once all are examined.
    pub scan_cursor: Option<Uuid>,
}

/// A step in progress. The store begins it with what it has read, scans for at most [`room`](Self::room)
/// deliveries, and stores the [`FinishedStep`].
#[derive(Debug)]
pub struct ReplayStep {
    before: Replay,
    replay: Replay,
    ended: FinishedCounts,
    is_enabled: bool,
    room: u32,
    queued: u32,
}

/// The result of one step of a replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// The number of deliveries put into the queue.
    pub queued: u32,
    /// The number of queued deliveries that have ended.
    pub ended: u32,
    /// Whether the step looked at deliveries that it could take, so that there may be more of them.
    pub scanned: bool,
    /// The state after the step.
    pub state: ReplayState,
}

/// What a store writes after a step.
#[derive(Debug)]
pub struct FinishedStep {
    /// The replay after the step.
    pub replay: Replay,
    /// The result of the step.
    pub advance: Advance,
    /// `None` if the replay has changed, so that it is stored and due at once. Else it is postponed, by
    /// [`Replay::due_in`] with whether the webhook is enabled.
    pub postponed: Option<bool>,
}

impl ReplayStep {
    /// Begins a step of an open replay: records the deliveries that have ended since the last one, and cancels
    /// the replay of a deleted webhook.
    #[must_use]
    pub fn begin(before: Replay, ended: FinishedCounts, webhook: WebhookStatus, now: Timestamp) -> Self {
        let mut replay = before.clone();
        replay.settle(ended);
        let room = match webhook {
            WebhookStatus::Enabled { rate_limit, max_in_flight } => {
                replay.room(Replay::window(rate_limit, max_in_flight, ended))
            }
            WebhookStatus::Disabled => 0,
            WebhookStatus::Deleted => {
                replay.cancel(CancelReason::WebhookDeleted, now);
                0
            }
        };
        let is_enabled = matches!(webhook, WebhookStatus::Enabled { .. });
        Self { before, replay, ended, is_enabled, room, queued: 0 }
    }

    /// Returns the replay as it stands.
    #[must_use]
    pub const fn replay(&self) -> &Replay {
        &self.replay
    }

    /// Returns the maximum number of deliveries that the step may queue. If it is zero, there is no scan.
    #[must_use]
    pub const fn room(&self) -> u32 {
        self.room
    }

    /// Records a scan.
    pub fn scanned(&mut self, scan: Scan) {
        self.queued += scan.queued;
        self.replay.queue(scan.queued, scan.scan_cursor);
    }

    /// Ends the step: completes the replay if no work remains.
    #[must_use]
    pub fn finish(self, now: Timestamp) -> FinishedStep {
        let Self { before, mut replay, ended, is_enabled, room, queued } = self;
        replay.complete(now);
        let advance = Advance { queued, ended: ended.total(), scanned: room > 0, state: replay.state };
        FinishedStep { postponed: (replay == before).then_some(is_enabled), replay, advance }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeliveryOutcome, Matched, ReplayId, ReplaySelection, WebhookId};

    const ENABLED: WebhookStatus = WebhookStatus::Enabled { rate_limit: None, max_in_flight: None };

    fn replay() -> Replay {
        let webhook_id = WebhookId::from_parts(Timestamp::EPOCH, [1; 10]);
        let (since, until) = (Timestamp::EPOCH, Timestamp::from_micros(1_000_000));
        let selection = ReplaySelection {
            webhook_id,
            since,
            until,
            status: DeliveryOutcome::Failed.into(),
            projects: None,
        };
        let matched = Matched { deliveries: 3, is_exact: true, at: until };
        Replay::new(ReplayId::from_parts(until, [2; 10]), selection, matched)
    }

    #[test]
    fn a_step_queues_what_it_scans_and_a_later_one_completes_the_replay() {
        let now = Timestamp::from_micros(2_000_000);
        let mut step = ReplayStep::begin(replay(), FinishedCounts::default(), ENABLED, now);
        assert!(step.room() > 0);
        step.scanned(Scan { queued: 2, scan_cursor: None });
        let finished = step.finish(now);
        assert_eq!((finished.advance.queued, finished.postponed), (2, None));
        assert_eq!(finished.advance.state, ReplayState::Running);

        let ended = FinishedCounts { succeeded: 2, ..FinishedCounts::default() };
        let step = ReplayStep::begin(finished.replay, ended, ENABLED, now);
        assert_eq!(step.room(), 0, "nothing is left to scan");
        let finished = step.finish(now);
        assert_eq!((finished.advance.ended, finished.advance.scanned), (2, false));
        assert_eq!(finished.replay.state, ReplayState::Completed { at: now });
    }

    #[test]
    fn a_step_without_progress_is_postponed() {
        let now = Timestamp::from_micros(2_000_000);
        let finished =
            ReplayStep::begin(replay(), FinishedCounts::default(), WebhookStatus::Disabled, now).finish(now);
        assert_eq!((finished.postponed, finished.advance.scanned), (Some(false), false));
        let mut waiting = replay();
        waiting.queue(3, None);
        let finished = ReplayStep::begin(waiting, FinishedCounts::default(), ENABLED, now).finish(now);
        assert_eq!(finished.postponed, Some(true));
    }

    #[test]
    fn the_replay_of_a_deleted_webhook_is_cancelled() {
        let now = Timestamp::from_micros(2_000_000);
        let finished =
            ReplayStep::begin(replay(), FinishedCounts::default(), WebhookStatus::Deleted, now).finish(now);
        let reason = CancelReason::WebhookDeleted;
        assert_eq!(finished.advance.state, ReplayState::Cancelled { at: now, reason });
        assert_eq!(finished.postponed, None);
    }
}
