use std::collections::BTreeSet;

use async_trait::async_trait;

use super::StoreError;
use crate::replay::ReplayFilter;
use crate::{Matched, Page, PageRequest, ProjectName, Replay, ReplayId, ReplaySelection, ReplayState};

/// Where replays are kept and taken further. [`Replay`] has the rules.
#[async_trait]
pub trait ReplayRepository: Send + Sync + 'static {
    /// Counts the deliveries that a replay would take, and changes nothing.
    ///
    /// 1. MUST count the finished deliveries that the selection describes and no other.
    ///    (`a_count_is_of_what_the_selection_describes`)
    /// 2. MUST look at no more than [`COUNT_LIMIT`](crate::replay::COUNT_LIMIT) deliveries, whatever they match,
    ///    and say so where there are more. (the stores' own tests)
    async fn count(&self, selection: &ReplaySelection) -> Result<Matched, StoreError>;

    /// Stores a new replay; with `visible_to`, of a webhook that is visible to who is limited to these projects.
    ///
    /// 1. MUST keep every field exactly. (`a_replay_is_kept_exactly`)
    /// 2. MUST refuse while another one of the same webhook is running, however many begin at once; but not one
    ///    that is complete from the beginning. (`one_replay_of_a_webhook_runs_at_a_time`,
    ///    `a_replay_of_nothing_is_complete_at_once`)
    /// 3. MUST refuse for a webhook that is disabled or deleted. (`a_replay_needs_an_enabled_webhook`)
    /// 4. MUST find no webhook that is not visible at the moment that the replay would begin.
    ///    (`who_sees_no_webhook_replays_none`)
    async fn begin(
        &self,
        replay: &Replay,
        visible_to: Option<&BTreeSet<ProjectName>>,
    ) -> Result<ReplayBegun, StoreError>;

    /// One replay.
    async fn get(&self, id: ReplayId) -> Result<Option<Replay>, StoreError>;

    /// A page of replays, newest first.
    ///
    /// 1. MUST page without gaps and repetitions. (`replays_are_paged_newest_first`)
    /// 2. MUST leave out those that may tell of other projects than the filter has.
    ///    (`replays_are_filtered_by_project`)
    async fn list(
        &self,
        filter: &ReplayFilter,
        page: PageRequest<ReplayId>,
    ) -> Result<Page<Replay>, StoreError>;

    /// Cancels a replay; none if there is none.
    ///
    /// 1. MUST let it queue no more, and leave what it has queued to go its way and be counted.
    ///    (`a_cancelled_replay_queues_no_more`)
    /// 2. MUST leave one alone that has ended. (`a_replay_that_has_ended_is_not_cancelled`)
    async fn cancel(&self, id: ReplayId) -> Result<Option<ReplayCancelled>, StoreError>;

    /// The first `limit` [open](Replay::is_open) replays that are due for a step, with an id after `after`, in the
    /// order of their ids.
    ///
    /// 1. MUST list those that are running or have something in the queue, and no other.
    ///    (`open_replays_are_listed_until_all_has_ended`)
    /// 2. MUST leave out a replay whose last step got nowhere until it is
    ///    [due again](Replay::due_in), or until its webhook is changed or deleted.
    ///    (`a_replay_that_gets_nowhere_is_due_ever_more_seldom`)
    async fn due(&self, after: Option<ReplayId>, limit: u32) -> Result<Vec<ReplayId>, StoreError>;

    /// Takes a replay one bounded step further: counts what has ended of what it had queued, and queues
    /// the next. None if there is no such replay, or somebody else is at it.
    ///
    /// 1. MUST take just the deliveries that the selection describes and that had ended when they were
    ///    [counted](Replay::matched), in the order of their ids, and each once, however many take the
    ///    replay further at once, and whoever dies meanwhile: a step is made whole or not at all.
    ///    (`a_replay_takes_just_what_its_selection_describes`, `what_ends_later_is_not_replayed`,
    ///    `concurrent_steps_take_each_delivery_once`)
    /// 2. MUST make a delivery due now as [`Trigger::Replay`](crate::Trigger::Replay), and keep its
    ///    attempts. (`a_replayed_delivery_is_attempted_once_more`)
    /// 3. MUST have no more of them in the queue than the [window](Replay::window).
    ///    (`a_replay_keeps_within_its_window`, `an_event_waits_behind_no_more_than_a_replays_window`)
    /// 4. MUST look at no more than [`LOOK_AT`](crate::replay::LOOK_AT) deliveries.
    ///    (`a_step_looks_at_so_many_deliveries_only`)
    /// 5. MUST count what became of each, and complete the replay when all have ended.
    ///    (`a_replay_counts_what_became_of_its_deliveries`)
    /// 6. MUST queue nothing while the webhook is disabled, and go on when it is enabled again.
    ///    (`a_replay_pauses_while_its_webhook_is_disabled`)
    /// 7. MUST cancel the replay of a webhook that was deleted. (`a_replay_of_a_deleted_webhook_ends`)
    /// 8. MUST wake [`DeliveryQueue::wait_for_work`](super::DeliveryQueue::wait_for_work) when there is
    ///    something to deliver. (`a_replay_wakes_a_waiting_worker`)
    async fn advance(&self, id: ReplayId) -> Result<Option<Advance>, StoreError>;
}

/// What became of a request to replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayBegun {
    /// It is running, or was complete from the beginning.
    Started,
    /// Another one of the same webhook is.
    AlreadyRunning,
    /// Its webhook is disabled.
    WebhookDisabled,
    /// Its webhook is gone, or is not visible.
    WebhookDeleted,
}

/// What became of a request to cancel a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayCancelled {
    /// It was running, and is cancelled now.
    Cancelled(Replay),
    /// It had ended before.
    Ended(Replay),
}

/// What one step of a replay did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Advance {
    /// How many deliveries it put into the queue.
    pub queued: u32,
    /// How many that it had queued have ended.
    pub ended: u32,
    /// Whether it looked at deliveries that it may take, and so may find more of them.
    pub looked: bool,
    /// How it stands now.
    pub state: ReplayState,
}
