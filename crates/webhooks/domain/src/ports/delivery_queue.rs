use std::collections::BTreeSet;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    Claim, Delivery, DeliveryId, Discovery, LeaseRef, LeasedDelivery, ProjectName, QueueSurvey,
    RedeliveryRequest, Settlement, WebhookId,
};

/// The queue of unfinished deliveries. [`Progress`](crate::delivery::Progress) has the rules.
#[async_trait]
pub trait DeliveryQueue: Send + Sync + 'static {
    /// Says which enabled webhooks have something claimable: the first `limit` of them with an id
    /// after `after`.
    ///
    /// 1. MUST list a webhook whose delivery is due and not leased, or whose lease has expired, and no
    ///    other; a disabled or deleted one never. (`discovery_lists_just_what_can_be_claimed`)
    /// 2. MUST say how long until the next becomes claimable. (`discovery_tells_when_the_next_is_due`)
    /// 3. MUST go through all of them in the order of their ids, by `after` and
    ///    [`has_more`](Discovery::has_more). (`discovery_goes_through_the_webhooks_in_pages`)
    /// 4. MUST leave out a webhook whose [circuit](crate::Health::circuit) is open, and count what would
    ///    be claimable as becoming so when the circuit's wait ends.
    ///    (`an_open_circuit_holds_deliveries_without_using_attempts`)
    /// 5. MUST say of each webhook how its last attempt failed, also to a worker that has just started.
    ///    (`discovery_tells_how_the_last_attempt_failed`)
    async fn discover(&self, after: Option<WebhookId>, limit: u32) -> Result<Discovery, StoreError>;

    /// Leases deliveries, each with all that is needed to send it.
    ///
    /// 1. MUST give a delivery to one claimant only while the lease lasts, however many ask at once.
    ///    (`concurrent_claims_share_nothing`)
    /// 2. MUST take no more than the share of each webhook, the longest due first.
    ///    (`a_claim_takes_its_share_oldest_first`)
    /// 3. MUST skip what is leased, not due, or of a webhook that is disabled or deleted.
    ///    (`claim_skips_a_leased_delivery`, `a_disabled_webhook_holds_its_deliveries`) It may skip what has become
    ///    claimable since the last [`discover`](Self::discover).
    /// 4. MUST let an expired lease be taken over, and record the attempt that it had begun with the
    ///    class [`Abandoned`](crate::FailureClass::Abandoned).
    ///    (`an_expired_lease_is_taken_over_and_its_attempt_recorded`)
    /// 5. MUST return the event and the webhook, its secrets included, as they are now.
    ///    (`a_claim_holds_all_that_is_needed_to_send`)
    /// 6. MUST give nothing of a webhook whose circuit is open.
    ///    (`an_open_circuit_holds_deliveries_without_using_attempts`)
    /// 7. MUST give just one delivery, the [probe](crate::Health::probe), of a webhook whose circuit is
    ///    half open, however many ask at once. (`a_half_open_circuit_lets_one_probe_through`)
    async fn claim(&self, claim: &Claim) -> Result<Vec<LeasedDelivery>, StoreError>;

    /// Gives claims back unused; a lease that was lost is passed over.
    ///
    /// 1. MUST make the delivery claimable at once and take back the attempt.
    ///    (`a_released_delivery_is_claimable_at_once`)
    /// 2. MUST release the rest of the batch when one of its leases was lost. (`a_lost_lease_releases_nothing`)
    /// 3. MUST cancel a delivery whose webhook was deleted meanwhile.
    ///    (`a_release_after_the_webhook_was_deleted_cancels`)
    async fn release(&self, leases: &[LeaseRef]) -> Result<(), StoreError>;

    /// Records how attempts ended, in one transaction, and says for each, in the same order, whether
    /// it was recorded.
    ///
    /// 1. MUST record nothing for a lease that was lost: no attempt, no change, no webhook disabled; and
    ///    a lease once only. (`a_lost_lease_records_nothing`, `a_settlement_counts_once`)
    /// 2. MUST record the rest of the batch all the same. (`a_lost_lease_records_nothing`)
    /// 3. MUST never make a retry due before its wait is over. (`a_retry_is_due_after_its_wait`)
    /// 4. MUST leave the automatic retry behind a failed attempt that was asked for.
    ///    (`a_redelivery_leaves_the_automatic_retry_alone`)
    /// 5. MUST disable the webhook of a settlement that says [`gone`](Settlement::gone), if it is
    ///    enabled and of that version. (`gone_disables_the_webhook`,
    ///    `gone_says_nothing_of_a_webhook_that_was_changed`)
    /// 6. MUST end the delivery in the state, and with the reason, that the settlement gives.
    ///    (`a_settlement_ends_the_delivery_as_it_says`)
    /// 7. MUST take what the holder of an expired lease reports, unless another took it over.
    ///    (`an_expired_lease_that_nobody_took_over_still_counts`)
    /// 8. MUST [take](crate::Health::record) what the batch's attempts say into the health of a webhook
    ///    that is not deleted. (`failures_in_a_row_open_the_circuit`,
    ///    `a_burst_of_failures_does_not_open_the_circuit`, `a_success_closes_the_circuit`,
    ///    `a_rejection_neither_opens_nor_closes_the_circuit`)
    /// 9. MUST make a delivery claimable at once whose attempt was
    ///    [interrupted](crate::Settled::Interrupted), as if that attempt had not been, but for the history.
    ///    (`an_interrupted_attempt_is_recorded_and_costs_nothing`)
    async fn settle(&self, settlements: &[Settlement]) -> Result<Vec<bool>, StoreError>;

    /// Makes an attempt at one delivery due now; none if there is no such delivery.
    ///
    /// 1. MUST take a finished delivery up again, and keep its attempts.
    ///    (`a_finished_delivery_can_be_redelivered`)
    /// 2. MUST refuse while the delivery is in flight. (`redelivery_is_refused_in_flight`)
    /// 3. MUST refuse for a webhook that is disabled or deleted. (`redelivery_needs_an_enabled_webhook`)
    /// 4. MUST wake [`Self::wait_for_work`]. (`a_redelivery_wakes_a_waiting_worker`)
    /// 5. MUST find no delivery that is not visible to whom the request is limited to, at the moment that it is
    ///    made due. (`who_sees_no_delivery_changes_none`)
    /// 6. MUST make it due once under one idempotency key, for as long as
    ///    [`IdempotencyRepository`](super::IdempotencyRepository) remembers that it was taken; and answer
    ///    [`Queued`](Redelivery::Queued), with the delivery as it is then, to whoever asks under that key again.
    ///    (`a_redelivery_is_made_once_under_a_key`)
    async fn redeliver(
        &self,
        id: DeliveryId,
        request: &RedeliveryRequest,
    ) -> Result<Option<Redelivery>, StoreError>;

    /// Looks the queue over, at a bounded cost.
    ///
    /// 1. MUST count what is unfinished, and tell for how long something has been claimable; what is
    ///    leased, or held back because its webhook is disabled or its circuit open, is not.
    ///    (`a_survey_tells_what_waits`)
    /// 2. MUST list the circuits that are not closed. (`a_survey_lists_open_circuits`)
    async fn survey(&self) -> Result<QueueSurvey, StoreError>;

    /// Calls one delivery off that waits, whether its webhook takes deliveries or not; none if there is no
    /// such delivery; with `visible_to`, none that is visible to who is limited to these projects.
    ///
    /// 1. MUST end one that is pending or retrying as cancelled, with the reason
    ///    [`Requested`](crate::CancelReason::Requested), and keep its attempts.
    ///    (`what_waits_can_be_cancelled`)
    /// 2. MUST refuse while the delivery is in flight. (`cancelling_is_refused_in_flight`)
    /// 3. MUST take one whose lease has expired, and record the attempt that was begun under it as
    ///    [`claim`](Self::claim) does; what its worker reports later is not recorded.
    ///    (`what_a_dead_worker_left_can_be_cancelled`)
    /// 4. MUST change nothing of one that has ended. (`what_has_ended_is_not_cancelled`)
    /// 5. MUST leave it to be redelivered. (`a_cancelled_delivery_can_be_redelivered`)
    /// 6. MUST either cancel a delivery or leave it to a claim, never both, however many ask at once.
    ///    (`concurrent_claims_and_cancellations_share_nothing`)
    /// 7. MUST find no delivery that is not visible at the moment that it would be cancelled.
    ///    (`who_sees_no_delivery_changes_none`)
    async fn cancel(
        &self,
        id: DeliveryId,
        visible_to: Option<&BTreeSet<ProjectName>>,
    ) -> Result<Option<Cancellation>, StoreError>;

    /// Resolves when there may be new work since the last time it resolved; a hint only, for polling
    /// must suffice. A wake-up that comes while nobody waits is kept for the next call. Safe to drop.
    async fn wait_for_work(&self);

    /// Says whether the database answers.
    async fn check(&self) -> Result<(), StoreError>;
}

/// What became of a request to deliver again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Redelivery {
    /// It is due now, or was made due under the same key before.
    Queued(Delivery),
    /// It is being sent at this moment.
    InFlight,
    /// Its webhook is disabled.
    WebhookDisabled,
    /// Its webhook is gone.
    WebhookDeleted,
}

/// What became of a request to call a delivery off.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cancellation {
    /// It is cancelled.
    Cancelled(Delivery),
    /// It is being sent at this moment.
    InFlight,
    /// It had ended before.
    Ended,
}
