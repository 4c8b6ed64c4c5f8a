//! The list of the suite's tests.

/// Runs the store contract suite: one test for each function of [`contract`](crate::contract).
///
/// It takes an expression that creates a [`Harness`](crate::contract::Harness) over an empty store and may
/// await. The calling crate needs tokio with `macros` and `rt-multi-thread`.
#[macro_export]
macro_rules! contract_tests {
    ($harness:expr) => {
        $crate::contract_test_names!($crate::contract_tests, @tests ($harness));
    };
    (@tests ($harness:expr) $($name:ident)+) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                let harness = $harness;
                $crate::contract::run($crate::contract::$name(&harness)).await;
            }
        )+
    };
}

/// Passes the names of the suite's tests to a macro, after the given tokens.
#[doc(hidden)]
#[macro_export]
macro_rules! contract_test_names {
    ($then:path, $($given:tt)*) => {
        $then! {
            $($given)*
            // publishing
            publish_stores_the_event_and_a_delivery_for_each_subscriber
            publish_reaches_just_those_that_want_it
            publish_takes_a_key_once
            concurrent_publishers_take_a_key_once
            publish_takes_an_id_once
            publish_stores_nothing_over_its_limit
            publish_counts_the_visible_deliveries
            publish_to_one_webhook_reaches_it_alone
            publish_to_a_version_reaches_no_other
            publishing_wakes_a_waiting_worker
            a_wake_up_covers_all_that_is_new
            // claims in advance
            an_advance_claim_leases_new_deliveries
            an_advance_claim_leases_beside_many_other_webhooks
            what_an_advance_claim_leaves_is_announced
            an_advance_claim_leases_nothing_that_may_not_be_sent
            a_withdrawn_advance_claim_leases_nothing
            an_advance_claim_waits_for_its_webhooks
            // webhooks
            a_webhook_is_kept_exactly
            a_webhook_is_created_once
            webhooks_are_paged_newest_first
            webhooks_are_filtered
            webhooks_are_filtered_by_metadata
            an_update_replaces_every_field
            an_update_of_an_old_version_is_refused
            concurrent_updates_of_a_version_apply_once
            an_update_applies_to_what_is_claimed_after_it
            a_disabled_webhook_holds_its_deliveries
            deleting_a_webhook_cancels_what_waits_and_keeps_the_history
            a_failure_after_the_webhook_was_deleted_cancels
            a_deletion_of_another_version_is_refused
            a_deletion_and_updates_of_a_version_apply_once
            what_is_not_there_is_none
            // secrets
            a_rotation_applies_to_what_is_claimed_after_it
            the_secrets_of_a_webhook_are_those_that_sign
            a_rotation_drops_the_oldest_secret
            a_rotation_updates_the_public_keys
            an_update_leaves_the_secrets_alone
            a_rotation_of_another_version_is_refused
            concurrent_rotations_of_a_version_apply_once
            a_rotation_can_be_repeated
            // claiming
            discovery_lists_just_what_can_be_claimed
            discovery_tells_when_the_next_is_due
            discovery_goes_through_the_webhooks_in_pages
            a_claim_holds_all_that_is_needed_to_send
            concurrent_claims_share_nothing
            a_claim_takes_its_share_oldest_first
            claim_skips_a_leased_delivery
            all_claimants_together_keep_a_rate_limit
            a_new_rate_limit_is_kept_at_once
            the_next_delivery_that_a_rate_allows_is_known
            all_claimants_together_keep_a_cap
            a_survey_tells_what_waits
            an_expired_lease_is_taken_over_and_its_attempt_recorded
            // settling
            a_released_delivery_is_claimable_at_once
            a_lost_lease_releases_nothing
            a_release_after_the_webhook_was_deleted_cancels
            a_settlement_ends_the_delivery_as_it_says
            a_settlement_counts_once
            an_expired_lease_that_nobody_took_over_still_counts
            a_lost_lease_records_nothing
            a_retry_is_due_after_its_wait
            gone_disables_the_webhook
            gone_says_nothing_of_a_webhook_that_was_changed
            // circuits
            a_burst_of_failures_does_not_open_the_circuit
            failures_in_a_row_open_the_circuit
            an_open_circuit_holds_deliveries_without_using_attempts
            a_half_open_circuit_lets_one_probe_through
            a_success_closes_the_circuit
            a_rejection_neither_opens_nor_closes_the_circuit
            a_new_url_other_projects_and_enabling_reset_the_health
            a_disabled_webhook_is_published_with_its_disabling
            webhooks_that_expire_are_disabled
    webhooks_that_fail_are_disabled
            an_attempt_in_flight_disables_nothing
            a_webhook_that_recovered_is_not_disabled
            discovery_tells_how_the_last_attempt_failed
            an_interrupted_attempt_is_recorded_and_costs_nothing
            a_survey_lists_open_circuits
            // redelivery
            a_redelivery_leaves_the_automatic_retry_alone
            a_finished_delivery_can_be_redelivered
            redelivery_is_refused_in_flight
            redelivery_needs_an_enabled_webhook
            a_redelivery_wakes_a_waiting_worker
            a_redelivery_is_made_once_under_a_key
            // cancelling
            what_waits_can_be_cancelled
            cancelling_is_refused_in_flight
            what_a_dead_worker_left_can_be_cancelled
            what_has_ended_is_not_cancelled
            a_cancelled_delivery_can_be_redelivered
            concurrent_claims_and_cancellations_share_nothing
            // operational events
            a_failing_webhook_is_published_once_and_so_is_its_recovery
            concurrent_batches_publish_each_transition_once
            operational_events_report_no_failing_webhook
            a_failed_delivery_is_published_once
            attempts_publish_nothing_without_a_subscriber
            reports_belong_to_the_project_of_their_webhook
            a_completed_replay_is_published_once
            // replays
            a_count_is_of_what_the_selection_describes
            a_replay_is_kept_exactly
            one_replay_of_a_webhook_runs_at_a_time
            a_replay_of_nothing_is_complete_at_once
            a_replay_needs_an_enabled_webhook
            who_sees_no_webhook_replays_none
            replays_are_paged_newest_first
            replays_are_filtered_by_project
            a_replay_that_has_ended_is_not_cancelled
            open_replays_are_listed_until_all_has_ended
            a_replay_that_gets_nowhere_is_due_ever_more_seldom
            // replaying
            a_replay_takes_just_what_its_selection_describes
            what_ends_later_is_not_replayed
            concurrent_steps_take_each_delivery_once
            a_replayed_delivery_is_attempted_once_more
            a_replay_keeps_within_its_window
            an_event_waits_behind_no_more_than_a_replays_window
            a_step_looks_at_so_many_deliveries_only
            a_replay_counts_what_became_of_its_deliveries
            a_replay_pauses_while_its_webhook_is_disabled
            a_replay_of_a_deleted_webhook_ends
            a_cancelled_replay_queues_no_more
            a_replay_wakes_a_waiting_worker
            missing_events_are_replayed
            concurrent_replays_make_each_missing_delivery_once
            a_missing_delivery_is_retried_without_its_replay
            a_step_looks_at_so_many_events_only
            // browsing
            an_event_tells_what_became_of_it
            events_are_paged_newest_first
            events_are_filtered
            the_events_of_a_project_are_listed_whatever_their_types
            events_are_filtered_by_key_and_command
            a_list_of_events_leaves_out_large_bodies
            deliveries_are_paged_newest_first_whatever_their_state
            deliveries_are_filtered
            deliveries_are_found_by_their_status_of_the_moment
            deliveries_are_filtered_by_their_last_attempt
            deliveries_are_found_along_their_events
            an_attempt_is_kept_exactly
            attempts_are_paged_last_first
            the_last_attempts_of_a_page_are_read_at_once
            a_success_outlives_what_comes_after_it
            // idempotency
            an_idempotency_key_is_taken_by_one
            idempotency_keys_belong_to_their_owners
            an_answer_is_remembered_exactly
            an_idempotency_key_is_for_one_request
            an_idempotency_key_that_was_left_is_taken_over
            an_idempotency_key_is_forgotten_in_time
            who_lost_an_idempotency_key_records_nothing
            an_undone_request_leaves_its_idempotency_key_free
            pruning_removes_idempotency_keys_whose_time_is_over
            // event types
            an_event_type_is_kept_exactly
            concurrent_registrations_make_a_type_once
            an_event_type_that_is_subscribed_to_stays
            the_version_of_the_event_types_tells_of_changes
            // pruning
            pruning_keeps_what_is_unfinished
            pruning_removes_what_is_old
            pruning_cancels_what_a_dead_worker_left_of_a_deleted_webhook
            nothing_waits_for_good_for_a_deleted_webhook
            pruning_removes_replays_that_ended_long_ago
            pruning_forgets_secrets_that_sign_no_more
            // API keys
            an_api_key_is_kept_exactly
            an_api_key_is_stored_once
            an_api_key_is_found_by_its_hash
            api_keys_are_paged_newest_first
            a_deleted_api_key_is_gone
            the_last_use_of_an_api_key_is_the_latest
            // visibility
            webhooks_are_shown_to_their_projects_alone
            events_are_shown_to_their_projects_alone
            deliveries_are_shown_to_their_projects_alone
            deliveries_are_counted_for_their_projects_alone
            who_sees_no_webhook_changes_none
            who_sees_no_delivery_changes_none
            // statistics
            sums_add_up_and_are_kept_exactly
            sums_that_are_added_at_once_all_count
            statistics_cover_their_window
            statistics_have_a_course
            statistics_tell_of_what_is_unfinished
            old_statistics_are_removed
            // feed
            the_feed_tells_what_was_accepted
            the_feed_tells_what_ended_or_failed_in_order
            the_feed_tells_what_was_put_back
            the_feed_is_paged
            the_feed_misses_nothing_that_is_recorded_meanwhile
            the_feed_tells_whose_a_delivery_is
            // the feed of events
            the_event_feed_has_one_order
            consumers_of_the_event_feed_see_the_same_order
            the_event_feed_is_filtered
            the_event_feed_shows_events_to_their_projects
            a_page_of_the_event_feed_is_bounded
            the_event_feed_begins_now
            the_event_feed_reports_what_was_pruned
            the_event_feed_refuses_a_cursor_of_the_future
            // model
            any_sequence_of_steps_keeps_the_rules
        }
    };
}

macro_rules! name_texts {
    ($($name:ident)+) => {
        /// The names of the suite's tests.
        pub const NAMES: &[&str] = &[$(stringify!($name)),+];
    };
}

contract_test_names!(name_texts,);
