use async_trait::async_trait;

use super::{AdvanceClaim, StoreError};
use crate::{
    Access, Claim, Delivery, DeliveryId, Discovery, LeaseRef, LeasedDelivery, QueueStats, RedeliveryRequest,
    Settlement, WakeUp, WebhookId,
};

/// The queue of unfinished deliveries. [`Progress`](crate::delivery::Progress) has the rules.
#[async_trait]
pub trait DeliveryQueue: Send + Sync + 'static {
    /// Returns the first `limit` enabled webhooks with an id after `after` that have a claimable delivery.
    ///
    /// 1. MUST list a webhook whose delivery is due and not leased, or whose delivery has an expired lease,
    ///    and no other; never a disabled or deleted one. (`discovery_lists_just_what_can_be_claimed`)
    /// 2. MUST return the time until the next delivery becomes claimable.
    ///    (`discovery_tells_when_the_next_is_due`)
    /// 3. MUST return all of them in the order of their ids, by `after` and
    ///    [`has_more`](Discovery::has_more). (`discovery_goes_through_the_webhooks_in_pages`)
    /// 4. MUST omit a webhook whose [circuit](crate::Health::circuit) is open, and treat its deliveries as
    ///    claimable when the circuit's wait ends. (`an_open_circuit_holds_deliveries_without_using_attempts`)
    /// 5. MUST return for each webhook how its last attempt failed, even to a worker that has just started.
    ///    (`discovery_tells_how_the_last_attempt_failed`)
    /// 6. MUST omit a webhook whose [rate](crate::RateLimit::next_at) is spent, and treat its deliveries as
    ///    claimable when the next one is allowed. (`all_claimants_together_keep_a_rate_limit`)
    async fn discover(&self, after: Option<WebhookId>, limit: u32) -> Result<Discovery, StoreError>;

    /// Leases deliveries and returns each with all that is needed to send it.
    ///
    /// 1. MUST give a delivery to only one claimant while the lease lasts, however many claim concurrently.
    ///    (`concurrent_claims_share_nothing`)
    /// 2. MUST take no more than the share of each webhook, the longest due first.
    ///    (`a_claim_takes_its_share_oldest_first`)
    /// 3. MUST skip a delivery that is leased or not due, or whose webhook is disabled or deleted.
    ///    (`claim_skips_a_leased_delivery`, `a_disabled_webhook_holds_its_deliveries`) It may skip a delivery
    ///    that has become claimable since the last [`discover`](Self::discover).
    /// 4. MUST take over a delivery with an expired lease, and record its unfinished attempt with the class
    ///    [`Abandoned`](crate::FailureClass::Abandoned).
    ///    (`an_expired_lease_is_taken_over_and_its_attempt_recorded`)
    /// 5. MUST return the current event and webhook, including its secrets.
    ///    (`a_claim_holds_all_that_is_needed_to_send`)
    /// 6. MUST return no delivery of a webhook whose circuit is open.
    ///    (`an_open_circuit_holds_deliveries_without_using_attempts`)
    /// 7. MUST return exactly one delivery, the [probe](crate::Health::probe), of a webhook whose circuit is
    ///    half open, however many claim concurrently. (`a_half_open_circuit_lets_one_probe_through`)
    /// 8. MUST take no more of a webhook than its [rate](crate::RateLimit::allowed) allows over all claims.
    ///    (`all_claimants_together_keep_a_rate_limit`)
    /// 9. MUST NOT lease more deliveries of a webhook at once than its own `max_in_flight`, over all claims.
    ///    (`all_claimants_together_keep_a_cap`) Concurrent claims MUST NOT wait for each other: one of them may
    ///    skip the webhook.
    async fn claim(&self, claim: &Claim) -> Result<Vec<LeasedDelivery>, StoreError>;

    /// Leaves a claim for deliveries that this process publishes from now on. Returns `None` if the store takes no such
    /// claim. A publication may pass a claim by; it uses a claim once.
    ///
    /// 1. MUST lease new deliveries that [`claim`](Self::claim) would lease, and no others, and return the same of
    ///    them. It may skip a webhook with limits, and lease deliveries that were due before.
    ///    (`an_advance_claim_leases_new_deliveries`, `an_advance_claim_leases_beside_many_other_webhooks`,
    ///    `an_advance_claim_leases_nothing_that_may_not_be_sent`)
    /// 2. MUST take no more than the share of each webhook, and MUST wake [`Self::wait_for_work`] for the other new
    ///    deliveries. (`what_an_advance_claim_leaves_is_announced`)
    /// 3. MUST lease nothing once the claim is withdrawn. (`a_withdrawn_advance_claim_leases_nothing`)
    /// 4. MUST keep a claim that no new delivery is for. (`an_advance_claim_waits_for_its_webhooks`)
    fn claim_in_advance(&self, claim: Claim) -> Option<Box<dyn AdvanceClaim>>;

    /// Returns claimed deliveries to the queue unsent. Ignores a lost lease.
    ///
    /// 1. MUST make the delivery claimable at once and undo the attempt.
    ///    (`a_released_delivery_is_claimable_at_once`)
    /// 2. MUST release the rest of the batch if one of its leases was lost. (`a_lost_lease_releases_nothing`)
    /// 3. MUST cancel a delivery whose webhook was deleted meanwhile.
    ///    (`a_release_after_the_webhook_was_deleted_cancels`)
    async fn release(&self, leases: &[LeaseRef]) -> Result<(), StoreError>;

    /// Records the outcomes of attempts in one transaction. Returns for each, in input order, whether it was
    /// recorded.
    ///
    /// 1. MUST record nothing for a lost lease: no attempt, no change, no disabled webhook. MUST record a
    ///    lease only once. (`a_lost_lease_records_nothing`, `a_settlement_counts_once`)
    /// 2. MUST record the rest of the batch nevertheless. (`a_lost_lease_records_nothing`)
    /// 3. MUST never make a retry due before its wait is over. (`a_retry_is_due_after_its_wait`)
    /// 4. MUST keep the automatic retry that waits behind a failed requested attempt.
    ///    (`a_redelivery_leaves_the_automatic_retry_alone`)
    /// 5. MUST disable the webhook of a settlement with [`gone`](Settlement::gone) if it is enabled and has
    ///    that version, and add the [event](crate::DisabledWebhook::event) of that as
    ///    [`disable_failing`](super::WebhookRepository::disable_failing) does. (`gone_disables_the_webhook`,
    ///    `gone_says_nothing_of_a_webhook_that_was_changed`,
    ///    `a_disabled_webhook_is_published_with_its_disabling`)
    /// 6. MUST end the delivery in the state and with the reason of the settlement.
    ///    (`a_settlement_ends_the_delivery_as_it_says`)
    /// 7. MUST accept a settlement under an expired lease unless the delivery was leased again.
    ///    (`an_expired_lease_that_nobody_took_over_still_counts`)
    /// 8. MUST [record](crate::Health::record) the results of the batch in the health of each webhook that is
    ///    not deleted. (`failures_in_a_row_open_the_circuit`,
    ///    `a_burst_of_failures_does_not_open_the_circuit`, `a_success_closes_the_circuit`,
    ///    `a_rejection_neither_opens_nor_closes_the_circuit`)
    /// 9. MUST make a delivery whose attempt was [interrupted](crate::Settled::Interrupted) claimable at
    ///    once, as if the attempt had not been made, except that the history keeps it.
    ///    (`an_interrupted_attempt_is_recorded_and_costs_nothing`)
    /// 10. MUST add the events [`FailingWebhook`](crate::FailingWebhook), [`RecoveredWebhook`](crate::RecoveredWebhook)
    ///     and [`FailedDelivery`](crate::FailedDelivery) to the transaction, once for each transition, while a webhook
    ///     subscribes to such events. MUST report a webhook as failing only after a failed attempt at an event that is
    ///     not operational, and as recovered only if it was reported as failing.
    ///     (`a_failing_webhook_is_published_once_and_so_is_its_recovery`,
    ///     `concurrent_batches_publish_each_transition_once`, `operational_events_report_no_failing_webhook`,
    ///     `a_failed_delivery_is_published_once`, `attempts_publish_nothing_without_a_subscriber`,
    ///     `reports_belong_to_the_project_of_their_webhook`)
    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<bool>, StoreError>;

    /// Makes an attempt at one delivery due now. Returns `None` if the delivery does not exist, or if the
    /// caller does not see it.
    ///
    /// 1. MUST return a finished delivery to the queue and keep its attempts.
    ///    (`a_finished_delivery_can_be_redelivered`)
    /// 2. MUST refuse while the delivery is in flight. (`redelivery_is_refused_in_flight`)
    /// 3. MUST refuse if the webhook is disabled or deleted. (`redelivery_needs_an_enabled_webhook`)
    /// 4. MUST wake [`Self::wait_for_work`]. (`a_redelivery_wakes_a_waiting_worker`)
    /// 5. MUST NOT find a delivery that the caller cannot see at that moment.
    ///    (`who_sees_no_delivery_changes_none`)
    /// 6. MUST make the delivery due only once per idempotency key, as long as the store keeps the key. MUST
    ///    return [`Queued`](Redelivery::Queued) with the current delivery to a repeated request with that key.
    ///    (`a_redelivery_is_made_once_under_a_key`)
    async fn redeliver(
        &self,
        access: &Access,
        id: DeliveryId,
        request: &RedeliveryRequest,
    ) -> Result<Option<Redelivery>, StoreError>;

    /// Returns statistics of the queue, at a bounded cost.
    ///
    /// 1. MUST count the unfinished deliveries, and return for how long the oldest claimable one has been
    ///    claimable. A delivery is not claimable if it is leased, its webhook is disabled, or its circuit is
    ///    open. (`a_survey_tells_what_waits`)
    /// 2. MUST list the circuits that are not closed. (`a_survey_lists_open_circuits`)
    async fn survey(&self) -> Result<QueueStats, StoreError>;

    /// Cancels a pending or retrying delivery, even if its webhook is disabled. Returns `None` if the
    /// delivery does not exist, or if the caller does not see it.
    ///
    /// 1. MUST cancel a pending or retrying delivery with the reason
    ///    [`Requested`](crate::CancelReason::Requested), and keep its attempts.
    ///    (`what_waits_can_be_cancelled`)
    /// 2. MUST refuse while the delivery is in flight. (`cancelling_is_refused_in_flight`)
    /// 3. MUST cancel a delivery whose lease has expired, and record its unfinished attempt as
    ///    [`claim`](Self::claim) does. Its worker's later settlement is not recorded.
    ///    (`what_a_dead_worker_left_can_be_cancelled`)
    /// 4. MUST NOT change a finished delivery. (`what_has_ended_is_not_cancelled`)
    /// 5. MUST allow a later redelivery. (`a_cancelled_delivery_can_be_redelivered`)
    /// 6. MUST either cancel a delivery or leave it to a claim, never both, under any concurrency.
    ///    (`concurrent_claims_and_cancellations_share_nothing`)
    /// 7. MUST NOT find a delivery that the caller cannot see at the moment of the cancellation.
    ///    (`who_sees_no_delivery_changes_none`)
    async fn cancel(&self, access: &Access, id: DeliveryId) -> Result<Option<Cancellation>, StoreError>;

    /// Resolves when there may be new work since the last time it resolved, and returns what. This is only a hint:
    /// polling must suffice. A wake-up without a waiting caller is kept for the next call. Safe to drop.
    ///
    /// 1. MUST NOT name webhooks if deliveries of others became claimable too, or deliveries that were queued before.
    ///    (`a_wake_up_covers_all_that_is_new`)
    async fn wait_for_work(&self) -> WakeUp;

    /// Checks that the database responds.
    async fn check(&self) -> Result<(), StoreError>;
}

/// The result of a redelivery request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redelivery {
    /// The delivery is due now, or was made due under the same key before.
    Queued(Delivery),
    /// The delivery is being sent.
    InFlight,
    /// The webhook is disabled.
    WebhookDisabled,
    /// The webhook was deleted.
    WebhookDeleted,
}

/// The result of a cancellation request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// The delivery is cancelled.
    Cancelled(Delivery),
    /// The delivery is being sent.
    InFlight,
    /// The delivery had already ended.
    Ended,
}
