use std::collections::BTreeSet;
use std::time::Duration;

use async_trait::async_trait;

use super::StoreError;
use crate::{
    DisabledReason, Health, Page, PageRequest, ProjectName, SecretRotation, SigningSecrets, Timestamp,
    Webhook, WebhookDeletion, WebhookFilter, WebhookId,
};

/// Where webhooks are kept.
#[async_trait]
pub trait WebhookRepository: Send + Sync + 'static {
    /// Stores a new webhook.
    ///
    /// 1. MUST keep every field exactly. (`a_webhook_is_kept_exactly`)
    /// 2. MUST leave a webhook as it is, deleted or not, that is there already with that id, as after a call
    ///    whose answer was lost. (`a_webhook_is_created_once`)
    /// 3. MUST seal the secrets and the values of the custom headers with the keyring, under the
    ///    webhook's id as associated data. (the stores' own tests)
    async fn create(&self, webhook: &Webhook, secrets: &SigningSecrets) -> Result<(), StoreError>;

    /// One webhook; none if there is none or it was deleted.
    async fn get(&self, id: WebhookId) -> Result<Option<Webhook>, StoreError>;

    /// A page of webhooks, newest first, without the deleted ones.
    ///
    /// 1. MUST page without gaps and repetitions. (`webhooks_are_paged_newest_first`)
    /// 2. MUST apply every filter that is given. (`webhooks_are_filtered`,
    ///    `webhooks_are_shown_to_their_projects_alone`)
    async fn list(
        &self,
        filter: &WebhookFilter,
        page: PageRequest<WebhookId>,
    ) -> Result<Page<Webhook>, StoreError>;

    /// Replaces a webhook whose stored version is `webhook.version - 1`.
    ///
    /// 1. MUST change nothing and say so if the version is another; of several updates of one version
    ///    at once, one applies. (`an_update_of_an_old_version_is_refused`,
    ///    `concurrent_updates_of_a_version_apply_once`)
    /// 2. MUST apply to events published from then on, and to deliveries claimed from then on.
    ///    (`an_update_applies_to_what_is_claimed_after_it`)
    /// 3. MUST hold the deliveries of a webhook that is disabled, and let them go on once it is enabled
    ///    again. (`a_disabled_webhook_holds_its_deliveries`)
    /// 4. MUST replace every field but what it tells of the secrets. (`an_update_replaces_every_field`,
    ///    `an_update_leaves_the_secrets_alone`)
    /// 5. MUST forget the health of a webhook that gets another URL, that takes other projects' events (it may
    ///    be shown to others then) or that is enabled again, and of no other.
    ///    (`a_new_url_other_projects_and_enabling_reset_the_health`)
    async fn update(&self, webhook: &Webhook) -> Result<Updated, StoreError>;

    /// Gives a webhook another secret.
    ///
    /// 1. MUST sign with the new secret first, and with the one that it replaces for as long as the rotation
    ///    says, whatever is claimed from then on. (`a_rotation_applies_to_what_is_claimed_after_it`)
    /// 2. MUST forget the secret before the one that it replaces, and that one too if the rotation leaves it
    ///    no time. (`a_rotation_drops_the_oldest_secret`)
    /// 3. MUST raise the version by one, and answer the webhook as it is then, with what may be known of both
    ///    secrets. (`a_rotation_is_told_of_the_webhook`)
    /// 4. MUST change nothing and say so if the version is none of those that the rotation is meant for; of
    ///    several rotations of one version at once, one applies.
    ///    (`a_rotation_of_another_version_is_refused`, `concurrent_rotations_of_a_version_apply_once`)
    /// 5. MUST change nothing, and answer as if it had just been made, when the new secret is the webhook's
    ///    already: so it can be repeated when its answer was lost. (`a_rotation_can_be_repeated`)
    /// 6. MUST find no webhook that is not visible to whom the rotation is limited to, at the moment that it is
    ///    made. (`who_sees_no_webhook_changes_none`)
    async fn rotate_secret(&self, id: WebhookId, rotation: &SecretRotation) -> Result<Rotated, StoreError>;

    /// Deletes a webhook.
    ///
    /// 1. MUST cancel its deliveries that wait, and keep the history.
    ///    (`deleting_a_webhook_cancels_what_waits_and_keeps_the_history`)
    /// 2. MUST let an attempt in flight be recorded; a delivery that would be tried again is cancelled.
    ///    (`a_failure_after_the_webhook_was_deleted_cancels`)
    /// 3. MUST find no webhook that is not visible to whom the deletion is limited to, at the moment that it is
    ///    made. (`who_sees_no_webhook_changes_none`)
    /// 4. MUST change nothing and say so if the version is none of those that the deletion is meant for; of
    ///    changes and deletions that are meant for one version and come at once, one applies.
    ///    (`a_deletion_of_another_version_is_refused`, `a_deletion_and_updates_of_a_version_apply_once`)
    async fn delete(&self, id: WebhookId, deletion: &WebhookDeletion) -> Result<Updated, StoreError>;

    /// How the webhooks' endpoints are doing, in the same order; one of which nothing is known is well.
    ///
    /// 1. MUST tell what [`DeliveryQueue`](super::DeliveryQueue) has come to know.
    ///    (`failures_in_a_row_open_the_circuit`)
    async fn health(&self, ids: &[WebhookId]) -> Result<Vec<Health>, StoreError>;

    /// Disables up to `limit` webhooks that [have failed for](crate::Health::has_failed_for) `after`, those first
    /// that have failed longest, and returns them with the time since when they have failed.
    ///
    /// 1. MUST disable all of them and no other, with the reason
    ///    [`Failing`](crate::DisabledReason::Failing) and another version, so that they get no deliveries any
    ///    more. (`webhooks_that_fail_are_disabled`)
    /// 2. MUST count attempts as failed once they are recorded, and not while they are in flight.
    ///    (`an_attempt_in_flight_disables_nothing`)
    /// 3. MUST NOT disable a webhook whose success was recorded before.
    ///    (`a_webhook_that_recovered_is_not_disabled`)
    async fn disable_failing(
        &self,
        after: Duration,
        limit: u32,
    ) -> Result<Vec<(WebhookId, Timestamp)>, StoreError>;

    /// The first `limit` webhooks that were disabled for one of these reasons at `since` or later, the longest
    /// disabled first, and only those that come after `after`.
    ///
    /// 1. MUST list all of them and no other, and page without gaps and repetitions.
    ///    (`disabled_webhooks_are_listed`)
    /// 2. MUST list a webhook that cannot be read as one that is limited to no project. (the stores' own tests)
    async fn disabled(
        &self,
        reasons: &[DisabledReason],
        since: Timestamp,
        after: Option<(WebhookId, Timestamp)>,
        limit: u32,
    ) -> Result<Vec<DisabledWebhook>, StoreError>;
}

/// A webhook that is disabled, as far as its owner is told of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DisabledWebhook {
    /// Its id.
    pub id: WebhookId,
    /// The projects that it is limited to; empty for none.
    pub projects: BTreeSet<ProjectName>,
    /// Why it is disabled.
    pub reason: DisabledReason,
    /// Since when.
    pub since: Timestamp,
    /// Since when all its attempts have failed; none if the last succeeded.
    pub failing_since: Option<Timestamp>,
}

/// What became of a rotation.
#[derive(Debug, Clone, PartialEq)]
pub enum Rotated {
    /// It was made; the webhook as it is now.
    Applied(Box<Webhook>),
    /// The webhook has another version by now.
    VersionMismatch,
    /// There is no such webhook (any more).
    NotFound,
}

/// What became of an update or a deletion.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Updated {
    /// It was made.
    Applied,
    /// The webhook has another version by now.
    VersionMismatch,
    /// There is no such webhook (any more).
    NotFound,
}
