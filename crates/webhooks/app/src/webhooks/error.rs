//! Errors of operations on webhooks.

use rdev_webhooks_domain::ports::StoreError;
use rdev_webhooks_domain::signing::{SigningScheme, SigningSecret};
use rdev_webhooks_domain::{EventPattern, RefusedDestination, Timestamp, WebhookSettings};

use crate::PublishError;

/// The maximum of patterns times projects of a webhook.
pub const MAX_SUBSCRIPTIONS: usize = 1_000;

/// A violation in a webhook's settings, beyond their form.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WebhookViolation {
    /// The destination policy refuses the URL.
    #[error(transparent)]
    Destination(#[from] RefusedDestination),
    /// The pattern matches no known event type.
    #[error("`{0}` matches no known event type")]
    UnknownEvent(EventPattern),
    /// There are too many patterns for this number of projects.
    #[error(
        "must contain at most {MAX_SUBSCRIPTIONS} patterns times projects; {patterns} patterns of {projects} \
         projects are {}", patterns * projects
    )]
    TooManySubscriptions {
        /// The number of patterns.
        patterns: usize,
        /// The number of projects.
        projects: usize,
    },
    /// The webhook would be enabled although its `expires_at` has passed.
    #[error("must be in the future, or `null`, for an enabled webhook")]
    Expired,
    /// The secret is one of the other signing scheme.
    #[error("must be a secret for {0}, which is the webhook's `signing`: `{prefix}` and base64", prefix = .0.secret_prefix())]
    SecretOfOtherScheme(SigningScheme),
}

/// An error of an operation on a webhook.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WebhookError {
    /// The webhook does not exist.
    #[error("the webhook was not found")]
    NotFound,
    /// The settings are invalid; all violations at once.
    #[error("the webhook's settings are invalid")]
    Invalid(Vec<WebhookViolation>),
    /// The webhook has another version than expected.
    #[error("the webhook was changed in the meantime")]
    VersionMismatch,
    /// The webhook is disabled, so it receives nothing.
    #[error("the webhook is disabled")]
    Disabled,
    /// The test event belongs to a project that the caller does not see.
    #[error("the event must belong to a project of the caller")]
    OtherProject,
    /// The test event could not be stored.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The database failed.
    #[error("the webhook could not be read or stored")]
    Store(#[from] StoreError),
}

/// Returns a violation if there are too many subscriptions; each is a row in the store.
pub(super) fn too_many_subscriptions(settings: &WebhookSettings) -> Option<WebhookViolation> {
    let (patterns, projects) = (settings.events.len(), settings.projects.len());
    let is_too_many = patterns * projects.max(1) > MAX_SUBSCRIPTIONS;
    is_too_many.then_some(WebhookViolation::TooManySubscriptions { patterns, projects })
}

/// Returns a violation if the secret does not belong to the webhook's signing scheme.
pub(super) fn secret_of_other_scheme(
    signing: SigningScheme,
    secret: &SigningSecret,
) -> Option<WebhookViolation> {
    (secret.scheme() != signing).then_some(WebhookViolation::SecretOfOtherScheme(signing))
}

/// Returns a violation if the webhook would be enabled although it has expired.
pub(super) fn expired(settings: &WebhookSettings, enabled: bool, now: Timestamp) -> Option<WebhookViolation> {
    let is_expired = settings.expires_at.is_some_and(|expires_at| expires_at <= now);
    (enabled && is_expired).then_some(WebhookViolation::Expired)
}
