use async_trait::async_trait;

use super::StoreError;
use crate::replay::Advance;
use crate::{Access, Matched, Page, PageRequest, Replay, ReplayId, ReplaySelection, WebhookId};

/// The stored replays and their steps. [`Replay`] has the rules.
#[async_trait]
pub trait ReplayRepository: Send + Sync + 'static {
    /// Counts the deliveries that a replay would take. Changes nothing.
    ///
    /// 1. MUST count the finished deliveries that the selection describes and no others.
    ///    (`a_count_is_of_what_the_selection_describes`) With [`Missing`](crate::ReplayStatus::Missing) these are the
    ///    events that [`MissingEvents`](crate::replay::MissingEvents) takes and the webhook has no delivery of.
    ///    (`missing_events_are_replayed`)
    /// 2. MUST look at no more than [`COUNT_LIMIT`](crate::replay::COUNT_LIMIT) deliveries, whatever they
    ///    match, and report whether there are more. (the stores' own tests)
    async fn count(&self, selection: &ReplaySelection) -> Result<Matched, StoreError>;

    /// Stores a new replay of a webhook that the caller sees.
    ///
    /// 1. MUST keep every field exactly. (`a_replay_is_kept_exactly`)
    /// 2. MUST refuse while another replay of the same webhook is running, under any concurrency, unless the
    ///    new replay is complete from the beginning. (`one_replay_of_a_webhook_runs_at_a_time`,
    ///    `a_replay_of_nothing_is_complete_at_once`)
    /// 3. MUST refuse if the webhook is disabled or deleted. (`a_replay_needs_an_enabled_webhook`)
    /// 4. MUST NOT find a webhook that the caller cannot see at the moment when the replay begins.
    ///    (`who_sees_no_webhook_replays_none`)
    async fn begin(&self, access: &Access, replay: &Replay) -> Result<ReplayBegun, StoreError>;

    /// Returns one replay; `None` if the caller does not see it.
    ///
    /// 1. MUST return what [`Self::list`] shows to the caller, and nothing else.
    ///    (`replays_are_filtered_by_project`)
    async fn get(&self, access: &Access, id: ReplayId) -> Result<Option<Replay>, StoreError>;

    /// Returns a page of the replays of a webhook, or of all webhooks, newest first.
    ///
    /// 1. MUST page without gaps and repetitions. (`replays_are_paged_newest_first`)
    /// 2. MUST omit replays that may cover projects that the caller does not see. (`replays_are_filtered_by_project`)
    async fn list(
        &self,
        access: &Access,
        webhook: Option<WebhookId>,
        page: PageRequest<ReplayId>,
    ) -> Result<Page<Replay>, StoreError>;

    /// Cancels a replay. Returns `None` if it does not exist, or if the caller does not see it.
    ///
    /// 1. MUST queue no more deliveries. Those already queued are delivered and counted.
    ///    (`a_cancelled_replay_queues_no_more`)
    /// 2. MUST NOT change a replay that has ended. (`a_replay_that_has_ended_is_not_cancelled`)
    /// 3. MUST NOT find a replay that the caller does not see. (`replays_are_filtered_by_project`)
    async fn cancel(&self, access: &Access, id: ReplayId) -> Result<Option<ReplayCancelled>, StoreError>;

    /// Returns the first `limit` [open](Replay::is_open) replays that are due for a step, with an id after
    /// `after`, in the order of their ids.
    ///
    /// 1. MUST list the replays that are running or have deliveries in the queue, and no others.
    ///    (`open_replays_are_listed_until_all_has_ended`)
    /// 2. MUST omit a replay whose last step made no progress until it is [due again](Replay::due_in), or
    ///    until its webhook is changed or deleted. (`a_replay_that_gets_nowhere_is_due_ever_more_seldom`)
    async fn due(&self, after: Option<ReplayId>, limit: u32) -> Result<Vec<ReplayId>, StoreError>;

    /// Advances a replay by one bounded step: counts the queued deliveries that have ended, and queues the
    /// next ones. Returns `None` if the replay does not exist, or another process is advancing it.
    ///
    /// 1. MUST take exactly the deliveries that the selection describes and that had ended when they were
    ///    [counted](Replay::matched), in the order of their ids, each once, under any concurrency and after
    ///    any crash: a step is atomic. (`a_replay_takes_just_what_its_selection_describes`,
    ///    `what_ends_later_is_not_replayed`, `concurrent_steps_take_each_delivery_once`)
    /// 2. MUST make a delivery due now as [`Trigger::Replay`](crate::Trigger::Replay), and keep its attempts.
    ///    (`a_replayed_delivery_is_attempted_once_more`)
    /// 3. MUST keep no more of them in the queue than the [window](Replay::window).
    ///    (`a_replay_keeps_within_its_window`, `an_event_waits_behind_no_more_than_a_replays_window`)
    /// 4. MUST look at no more than [`SCAN_LIMIT`](crate::replay::SCAN_LIMIT) deliveries or
    ///    [`EVENT_SCAN_LIMIT`](crate::replay::EVENT_SCAN_LIMIT) events. (`a_step_looks_at_so_many_deliveries_only`,
    ///    `a_step_looks_at_so_many_events_only`)
    /// 5. MUST count the result of each, and complete the replay when all have ended.
    ///    (`a_replay_counts_what_became_of_its_deliveries`)
    /// 6. MUST queue nothing while the webhook is disabled, and continue when it is enabled again.
    ///    (`a_replay_pauses_while_its_webhook_is_disabled`)
    /// 7. MUST cancel the replay of a deleted webhook. (`a_replay_of_a_deleted_webhook_ends`)
    /// 8. MUST wake [`DeliveryQueue::wait_for_work`](super::DeliveryQueue::wait_for_work) when there is
    ///    something to deliver. (`a_replay_wakes_a_waiting_worker`)
    /// 9. MUST add the event [`completed_replay`](crate::completed_replay) to the transaction that completes the replay,
    ///    as [`Self::begin`] does with a replay that is complete from the beginning.
    ///    (`a_completed_replay_is_published_once`)
    /// 10. MUST make a new delivery of each missing event, with an automatic attempt that is due now, and never a second
    ///     delivery of an event to the webhook. MUST count it as failed once that attempt has failed, and leave its
    ///     retries alone. (`missing_events_are_replayed`, `concurrent_replays_make_each_missing_delivery_once`,
    ///     `a_missing_delivery_is_retried_without_its_replay`)
    async fn advance(&self, id: ReplayId) -> Result<Option<Advance>, StoreError>;
}

/// The result of a request to replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReplayBegun {
    /// The replay is running, or was complete from the beginning.
    Started,
    /// Another replay of the same webhook is running.
    AlreadyRunning,
    /// The webhook is disabled.
    WebhookDisabled,
    /// The webhook was deleted, or is not visible.
    WebhookDeleted,
}

/// The result of a request to cancel a replay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplayCancelled {
    /// The replay was running and is now cancelled.
    Cancelled(Replay),
    /// The replay had already ended.
    Ended(Replay),
}
