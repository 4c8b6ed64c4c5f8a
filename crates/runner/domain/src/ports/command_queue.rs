use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    AbandonedCommands, AttachRequest, ClaimRequest, ClusterId, CommandId, Host, LeaseRef, LeaseState,
    LeasedCommand, QueueLimits, RunBeginning, RunReport, Waiting,
};

/// The queue of commands. [`CommandState`](crate::CommandState) has the rules.
///
/// Every change of a state, its events and the webhook event that reports it MUST be one transaction. The
/// webhook event has the command's id and state as its key. (`each_state_is_published_once`)
#[async_trait]
pub trait CommandQueue: Send + Sync + 'static {
    /// Starts the oldest queued command that may run, under a new lease.
    ///
    /// 1. MUST give a command to one claimant only, however many claim concurrently, and never start it a
    ///    second time, unless it was returned to the queue. (`concurrent_claims_share_nothing`,
    ///    `a_started_command_is_never_claimed_again`)
    /// 2. MUST start the oldest command that may run, past those that may not.
    ///    (`the_oldest_command_starts_first`)
    /// 3. MUST keep the limits in all, of the provider and of the project over all claimants; a command counts
    ///    from its start to its end. (`limits_hold_for_all_claimants_together`,
    ///    `each_limit_holds_commands_back`)
    /// 4. MUST NOT start a command of a provider that the limits do not name.
    ///    (`a_runner_gets_commands_of_its_providers_alone`)
    /// 5. MUST NOT start a command that resumes a session on which another command of the same project and
    ///    provider runs: one that resumes it too, or whose agent has reported it.
    ///    (`one_command_at_a_time_runs_on_a_session`)
    async fn claim(&self, claim: &ClaimRequest) -> Result<Option<LeasedCommand>, StoreError>;

    /// Records that the agent of a command is about to begin. Whatever the runner does before has no effect that counts.
    ///
    /// 1. MUST record nothing under a lost lease. (`a_stale_lease_writes_nothing`)
    /// 2. MUST accept a repetition. (`a_command_that_has_begun_is_not_requeued`)
    async fn begin(&self, lease: &LeaseRef, beginning: &RunBeginning) -> Result<LeaseState, StoreError>;

    /// Returns a command to the queue whose agent certainly did not begin and never will; one that is being cancelled
    /// ends.
    ///
    /// 1. MUST leave it as it was before the claim, save for its events. (`a_returned_command_is_claimed_again`)
    /// 2. MUST change nothing under a lost lease. (`a_stale_lease_writes_nothing`)
    async fn requeue(&self, lease: &LeaseRef) -> Result<(), StoreError>;

    /// Returns up to `limit` started commands to the queue whose lease has expired before [`Self::begin`], of any host.
    /// Returns them.
    ///
    /// 1. MUST return no others. (`a_command_that_did_not_begin_is_requeued`,
    ///    `a_command_that_has_begun_is_not_requeued`)
    /// 2. MUST end one that is being cancelled instead. (`a_command_that_did_not_begin_is_cancelled`)
    async fn requeue_expired(&self, limit: u32) -> Result<Vec<CommandId>, StoreError>;

    /// Takes over a command that has begun and whose lease has expired, under a new lease: one of this host, or one in a
    /// pod of this cluster. It is a command of this host from then on.
    ///
    /// 1. MUST NOT take over a command of another host or cluster, under a valid lease, that has not begun, or that has
    ///    ended. (`an_expired_lease_is_taken_over_on_its_host_alone`)
    /// 2. MUST give it to one runner only, with the state, the number of the last event and the checkpoint as
    ///    they were stored. (`an_expired_lease_is_taken_over_once`)
    /// 3. MUST NOT take over a command of [`AttachRequest::except`].
    ///    (`an_expired_lease_is_taken_over_on_its_host_alone`)
    /// 4. MUST leave a run in a pod to the runners of its cluster. (`a_run_in_a_pod_is_taken_over_in_its_cluster`)
    async fn attach(&self, attach: &AttachRequest) -> Result<Option<LeasedCommand>, StoreError>;

    /// Ends the leases of all started commands of this host, whose runners have died. Returns their number.
    ///
    /// 1. MUST let [`Self::attach`] take them over at once, and change no other host's.
    ///    (`the_leases_of_a_host_are_ended`)
    async fn expire_leases(&self, host: &Host) -> Result<u64, StoreError>;

    /// Extends a lease.
    ///
    /// 1. MUST extend an expired lease too, unless the command was taken over, has ended or is lost.
    ///    (`a_heartbeat_keeps_the_lease`, `a_stale_lease_writes_nothing`)
    async fn heartbeat(&self, lease: &LeaseRef, lease_for: Duration) -> Result<LeaseState, StoreError>;

    /// Stores the report of a run: its events, its checkpoint, the state and the result.
    ///
    /// 1. MUST store nothing under a lost lease. (`a_stale_lease_writes_nothing`)
    /// 2. MUST store a report once, also if it is repeated after a lost response: a report whose `after_seq`
    ///    is not the number of the last stored event changes nothing. (`a_report_is_stored_once`)
    /// 3. MUST number the events from 1 without gaps, and keep at most
    ///    [`MAX_STORED_BYTES`](crate::MAX_STORED_BYTES), by [`EventLog`](crate::EventLog); the result MUST be
    ///    kept always. (`events_beyond_the_bound_are_a_warning`)
    /// 4. MUST make a session that an event or the result names the session of the command.
    ///    (`one_command_at_a_time_runs_on_a_session`, `a_result_is_kept_exactly`)
    /// 5. MUST confirm a repeated end. (`a_report_is_stored_once`)
    async fn record(&self, lease: &LeaseRef, report: &RunReport) -> Result<LeaseState, StoreError>;

    /// Ends up to `limit` commands as lost that have begun and whose lease expired longer ago than `after`. Returns them,
    /// and up to `limit` that are left to the runners of another cluster.
    ///
    /// 1. MUST end no others, and MUST refuse what their runners report later.
    ///    (`a_command_without_a_runner_is_lost`)
    /// 2. MUST NOT end a run in a pod of another cluster than this one, unless it is being cancelled.
    ///    (`a_run_in_a_pod_is_lost_to_its_cluster_alone`)
    async fn lose(
        &self,
        after: Duration,
        cluster: Option<&ClusterId>,
        limit: u32,
    ) -> Result<AbandonedCommands, StoreError>;

    /// Returns for each command, in input order, its place in the queue; `None` if it does not wait.
    ///
    /// 1. MUST name the limit that holds the command back. (`each_limit_holds_commands_back`)
    async fn waiting(
        &self,
        limits: &QueueLimits,
        commands: &[CommandId],
    ) -> Result<Vec<Option<Waiting>>, StoreError>;
}
