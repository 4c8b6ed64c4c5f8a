use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    Access, Health, Page, PageRequest, SecretRotation, SigningSecrets, Timestamp, Webhook, WebhookFilter,
    WebhookId,
};

/// The stored webhooks.
#[async_trait]
pub trait WebhookRepository: Send + Sync + 'static {
    /// Stores a new webhook.
    ///
    /// 1. MUST keep every field exactly. (`a_webhook_is_kept_exactly`)
    /// 2. MUST NOT change an existing webhook with that id, deleted or not, as after a call whose response
    ///    was lost. (`a_webhook_is_created_once`)
    /// 3. MUST encrypt the secrets and the values of the custom headers with the keyring, with the webhook's
    ///    id as associated data. (the stores' own tests)
    async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) -> Result<(), StoreError>;

    /// Returns one webhook; `None` if it does not exist, was deleted, or is not visible to the caller.
    ///
    /// 1. MUST return what [`Self::list`] shows to the caller, and nothing else.
    ///    (`webhooks_are_shown_to_their_projects_alone`)
    async fn get(&self, access: &Access, id: WebhookId) -> Result<Option<Webhook>, StoreError>;

    /// Returns a page of the visible webhooks, newest first, without deleted ones.
    ///
    /// 1. MUST page without gaps and repetitions. (`webhooks_are_paged_newest_first`)
    /// 2. MUST apply every given filter. (`webhooks_are_filtered`, `webhooks_are_filtered_by_metadata`,
    ///    `webhooks_are_shown_to_their_projects_alone`)
    async fn list(
        &self,
        access: &Access,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, StoreError>;

    /// Replaces a webhook whose stored version is `webhook.version - 1`.
    ///
    /// 1. MUST change nothing and report it if the version is another one. Of several concurrent updates of
    ///    one version, exactly one applies. (`an_update_of_an_old_version_is_refused`,
    ///    `concurrent_updates_of_a_version_apply_once`)
    /// 2. MUST apply to all later published events and all later claims.
    ///    (`an_update_applies_to_what_is_claimed_after_it`)
    /// 3. MUST hold the deliveries of a disabled webhook, and continue them once it is enabled again.
    ///    (`a_disabled_webhook_holds_its_deliveries`)
    /// 4. MUST replace every field except those that describe the secrets. (`an_update_replaces_every_field`,
    ///    `an_update_leaves_the_secrets_alone`)
    /// 5. MUST reset the health of a webhook that gets another URL, takes other projects' events (others may
    ///    then see it) or is enabled again, and of no other.
    ///    (`a_new_url_other_projects_and_enabling_reset_the_health`)
    async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError>;

    /// Replaces the signing secret of a webhook.
    ///
    /// 1. MUST, for all later claims, sign with the new secret first, and with the replaced one for as long
    ///    as the rotation says. (`a_rotation_applies_to_what_is_claimed_after_it`)
    /// 2. MUST delete the secret before the replaced one, and the replaced one too if the rotation has no
    ///    overlap. (`a_rotation_drops_the_oldest_secret`)
    /// 3. MUST raise the version by one and return the webhook as it is then, with the public parts of both
    ///    secrets. (`a_rotation_updates_the_public_keys`)
    /// 4. MUST change nothing and report it if the version is not one of the rotation's `versions`. Of
    ///    several concurrent rotations of one version, exactly one applies.
    ///    (`a_rotation_of_another_version_is_refused`, `concurrent_rotations_of_a_version_apply_once`)
    /// 5. MUST change nothing, and return the result of a new rotation, if the webhook already has the new
    ///    secret, so that a rotation whose response was lost can be repeated. (`a_rotation_can_be_repeated`)
    /// 6. MUST NOT find a webhook that the caller cannot see at the moment of the rotation.
    ///    (`who_sees_no_webhook_changes_none`)
    async fn rotate_secret(
        &self,
        access: &Access,
        id: WebhookId,
        rotation: &SecretRotation,
    ) -> Result<Rotated, StoreError>;

    /// Returns the signing secrets of a webhook that the caller sees, to sign for it; `None` as [`Self::get`].
    ///
    /// 1. MUST return the secrets that sign the next claim, and of no webhook that the caller does not see.
    ///    (`the_secrets_of_a_webhook_are_those_that_sign`)
    async fn secrets(&self, access: &Access, id: WebhookId) -> Result<Option<SigningSecrets>, StoreError>;

    /// Deletes a webhook; with `versions`, only one of these versions.
    ///
    /// 1. MUST cancel its waiting deliveries and keep the history.
    ///    (`deleting_a_webhook_cancels_what_waits_and_keeps_the_history`)
    /// 2. MUST record an attempt in flight; a delivery that would be retried is cancelled.
    ///    (`a_failure_after_the_webhook_was_deleted_cancels`)
    /// 3. MUST NOT find a webhook that the caller cannot see at the moment of the deletion.
    ///    (`who_sees_no_webhook_changes_none`)
    /// 4. MUST change nothing and report it if the version is not one of `versions`. Of
    ///    several concurrent changes and deletions of one version, exactly one applies.
    ///    (`a_deletion_of_another_version_is_refused`, `a_deletion_and_updates_of_a_version_apply_once`)
    async fn delete(
        &self,
        access: &Access,
        id: WebhookId,
        versions: Option<&[u64]>,
    ) -> Result<Updated, StoreError>;

    /// Returns the endpoint health of each webhook, in input order. A webhook with no recorded failure is
    /// healthy.
    ///
    /// 1. MUST return the health that [`DeliveryQueue`](super::DeliveryQueue) has recorded.
    ///    (`failures_in_a_row_open_the_circuit`)
    async fn health(&self, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError>;

    /// Returns the moments up to which the [rates](crate::RateLimit::next_at) of the webhooks are spent, in input
    /// order; `None` for a rate that was never spent.
    ///
    /// 1. MUST return the moments by which [`DeliveryQueue`](super::DeliveryQueue) keeps the rates.
    ///    (`the_next_delivery_that_a_rate_allows_is_known`)
    async fn spent_rates(&self, ids: &[WebhookId]) -> Result<Vec<Option<Timestamp>>, StoreError>;

    /// Disables up to `limit` webhooks that [have failed for](crate::Health::has_failed_for) `after`, the
    /// longest failing first, and returns each with the time since when it has failed.
    ///
    /// 1. MUST disable all of them and no others, with the reason [`Failing`](crate::DisabledReason::Failing)
    ///    and a new version, so that they get no more deliveries. (`webhooks_that_fail_are_disabled`)
    /// 2. MUST count an attempt as failed once it is recorded, and not while it is in flight.
    ///    (`an_attempt_in_flight_disables_nothing`)
    /// 3. MUST NOT disable a webhook whose success was recorded before.
    ///    (`a_webhook_that_recovered_is_not_disabled`)
    /// 4. MUST add the [event](crate::DisabledWebhook::event) of each, with its deliveries, in the same
    ///    transaction and after all of them are disabled. If the event would create more than
    ///    [`MAX_EVENT_DELIVERIES`](crate::MAX_EVENT_DELIVERIES), the webhook is disabled without it.
    ///    (`a_disabled_webhook_is_published_with_its_disabling`)
    async fn disable_failing(
        &self,
        after: Duration,
        limit: u32,
    ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError>;

    /// Disables up to `limit` webhooks whose [`expires_at`](crate::WebhookSettings::expires_at) has passed, and
    /// returns their ids, the earliest first. A webhook that another transaction is changing may be left to the
    /// next call.
    ///
    /// 1. MUST disable no others, with the reason [`Expired`](crate::DisabledReason::Expired) and a new version,
    ///    so that they get no more deliveries. (`webhooks_that_expire_are_disabled`)
    /// 2. MUST add the event of each as [`disable_failing`](Self::disable_failing) does.
    ///    (`a_disabled_webhook_is_published_with_its_disabling`)
    async fn disable_expired(&self, limit: u32) -> Result<Vec<WebhookId>, StoreError>;
}

/// The result of a rotation.
#[derive(Debug, Clone, PartialEq)]
pub enum Rotated {
    /// The secret was replaced. Contains the webhook as it is now.
    Applied(Box<Webhook>),
    /// The webhook has another version.
    VersionMismatch,
    /// The webhook does not exist or was deleted.
    NotFound,
}

/// The result of an update or a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// The change was made.
    Applied,
    /// The webhook has another version.
    VersionMismatch,
    /// The webhook does not exist or was deleted.
    NotFound,
}
