//! The contract of the stores: one test for each MUST of the ports that a store implements.
//!
//! A store's integration test implements [`StoreHarness`] and passes an expression that creates one to
//! [`store_contract_tests!`](crate::store_contract_tests). Each test gets an empty store. The store may use the
//! clock of a database, so no test assumes that the clock stands still.

mod beginnings;
mod claiming;
mod commands;
mod credentials;
mod events;
mod leases;
mod pipelines;
mod pods;
pub mod populated;
mod projects;
mod scene;
mod signals;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use rdev_runner_domain::SecretName;
use rdev_runner_domain::ports::{
    CommandQueue, CommandRepository, CommandSignals, CredentialRepository, PipelineRepository, PodRepository,
    ProjectRepository,
};

use crate::suite::suite;

pub use beginnings::*;
pub use claiming::*;
pub use commands::*;
pub use credentials::*;
pub use events::*;
pub use leases::*;
pub use pipelines::*;
pub use pods::*;
pub use projects::*;
pub use signals::*;

/// An empty store under test, and its time.
#[async_trait]
pub trait StoreHarness: Send + Sync {
    /// Returns the store's projects.
    fn projects(&self) -> Arc<dyn ProjectRepository>;

    /// Returns the store's commands.
    fn commands(&self) -> Arc<dyn CommandRepository>;

    /// Returns the store's credentials.
    fn credentials(&self) -> Arc<dyn CredentialRepository>;

    /// Returns the store's pipelines.
    fn pipelines(&self) -> Arc<dyn PipelineRepository>;

    /// Returns the store's pods of runs.
    fn pods(&self) -> Arc<dyn PodRepository>;

    /// Swaps the encrypted values of two versions in the rows of the database. A version is given by its credential and
    /// its number.
    async fn swap_values(&self, one: (&SecretName, i64), other: (&SecretName, i64));

    /// Returns the store's queue. The tests of concurrency use several handles at once.
    fn queue(&self) -> Arc<dyn CommandQueue>;

    /// Returns the store's signals.
    fn signals(&self) -> Arc<dyn CommandSignals>;

    /// Lets the store's time pass: afterwards every stored end of a lease or a command is earlier by `by`,
    /// relative to the store's clock.
    async fn advance(&self, by: Duration);

    /// Returns the type, the key and the data of each published webhook event, in any order.
    async fn published(&self) -> Vec<(String, String, String)>;
}

suite! {$
    /// Defines a test for each function of [`stores`](crate::stores). The expression creates
    /// a [`StoreHarness`](crate::stores::StoreHarness).
    store_contract_tests of stores:
    a_project_is_kept_exactly
    a_project_is_created_once
    projects_are_shown_to_their_callers_alone
    projects_are_paged_by_name
    an_update_of_an_old_version_is_refused
    concurrent_updates_of_a_version_apply_once
    a_changed_limit_applies_to_later_claims
    a_deletion_of_another_version_is_refused
    a_project_with_unfinished_commands_stays
    a_deletion_and_a_command_exclude_each_other
    an_archived_project_takes_no_commands
    archived_projects_are_filtered
    a_project_is_gone_once_its_commands_have_ended
    a_begun_deletion_needs_the_version
    a_projects_commands_are_counted_in_a_window
    a_credential_is_kept_exactly
    a_replaced_version_is_kept_for_the_overlap
    the_same_value_is_no_new_version
    the_number_of_a_version_is_never_reused
    credentials_are_shown_to_their_projects_alone
    the_oldest_versions_are_deleted
    credentials_are_paged_by_name
    credentials_are_filtered_by_project
    a_deleted_credential_leaves_its_uses
    each_use_is_recorded_once
    a_credential_is_granted_to_its_projects
    an_expired_version_is_not_granted
    a_command_keeps_its_version
    a_swapped_value_is_not_granted
    a_value_of_another_version_is_not_granted
    uses_are_paged_newest_first
    old_uses_are_pruned
    a_request_is_kept_exactly
    a_command_is_created_once
    a_command_needs_its_project
    commands_are_shown_to_their_projects_alone
    a_result_is_kept_exactly
    a_list_leaves_out_diffs
    the_first_command_of_a_session_is_found
    commands_are_paged_newest_first
    commands_are_filtered
    a_queued_command_is_cancelled_at_once
    a_started_command_is_cancelled_by_its_runner
    a_cancellation_can_be_repeated
    only_an_ended_command_is_deleted
    events_are_kept_exactly
    events_are_paged_oldest_first
    a_page_of_events_is_bounded_in_bytes
    events_beyond_the_bound_are_a_warning
    a_report_is_stored_once
    old_commands_are_pruned
    a_database_has_an_id
    each_state_is_published_once
    concurrent_claims_share_nothing
    a_started_command_is_never_claimed_again
    the_oldest_command_starts_first
    limits_hold_for_all_claimants_together
    each_limit_holds_commands_back
    a_runner_gets_commands_of_its_providers_alone
    one_command_at_a_time_runs_on_a_session
    an_expired_lease_is_taken_over_on_its_host_alone
    an_expired_lease_is_taken_over_once
    a_heartbeat_keeps_the_lease
    a_stale_lease_writes_nothing
    a_command_without_a_runner_is_lost
    the_leases_of_a_host_are_ended
    the_pod_of_a_run_is_kept_exactly
    a_run_in_a_pod_is_taken_over_in_its_cluster
    a_run_in_a_pod_is_lost_to_its_cluster_alone
    a_command_that_did_not_begin_is_requeued
    a_command_that_has_begun_is_not_requeued
    a_command_that_did_not_begin_is_cancelled
    a_returned_command_is_claimed_again
    each_change_is_signalled
    a_trigger_is_kept_until_its_pipeline_is_stored
    a_pipeline_is_kept_exactly
    pipelines_are_paged_newest_first
    unended_pipelines_take_turns
    the_end_of_a_pipeline_is_published_once
    old_pipelines_are_pruned
    a_use_by_pipelines_names_the_repository
}
