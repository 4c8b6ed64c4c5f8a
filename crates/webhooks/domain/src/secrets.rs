//! The secrets that sign a webhook's deliveries.

use std::collections::BTreeSet;

use rdev_webhooks_signing::{PublicKey, SigningSecret};

use crate::{ProjectName, Timestamp};

/// A webhook's current secret, and the one before while a rotation overlaps.
#[derive(Debug, Clone)]
pub struct SigningSecrets {
    /// The secret that the webhook's owner was shown last.
    pub current: SigningSecret,
    /// The one before, and until when it signs too.
    pub previous: Option<(SigningSecret, Timestamp)>,
}

impl SigningSecrets {
    /// A secret that is alone.
    #[must_use]
    pub const fn new(current: SigningSecret) -> Self {
        Self { current, previous: None }
    }

    /// The secrets once `next` has taken the place of the current one, which signs too until `until`, if that
    /// is given. The one before is dropped.
    #[must_use]
    pub fn rotated(self, next: SigningSecret, until: Option<Timestamp>) -> Self {
        Self { current: next, previous: until.map(|until| (self.current, until)) }
    }

    /// What of the previous secret everybody may know.
    #[must_use]
    pub fn previous_known(&self) -> Option<PreviousSecret> {
        let (secret, until) = self.previous.as_ref()?;
        Some(PreviousSecret { until: *until, public_key: secret.public_key() })
    }

    /// The secrets that sign at `now`, the current one first.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &SigningSecret> {
        let previous = self.previous.iter().filter(move |(_, until)| now < *until);
        std::iter::once(&self.current).chain(previous.map(|(secret, _)| secret))
    }
}

/// What of a webhook's secret before the last rotation everybody may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Until when it signs too.
    pub until: Timestamp,
    /// What verifies with it, for ed25519.
    pub public_key: Option<PublicKey>,
}

/// A secret that is to take the place of a webhook's current one.
#[derive(Debug, Clone)]
pub struct SecretRotation {
    /// The new secret, of the scheme that the webhook signs with.
    pub secret: SigningSecret,
    /// Until when the one that it replaces signs too; none for not at all.
    pub previous_until: Option<Timestamp>,
    /// When the rotation was asked for.
    pub at: Timestamp,
    /// The versions of the webhook that it is meant for; none for any.
    pub versions: Option<Vec<u64>>,
    /// The projects that whoever asks is limited to: there is a webhook only if it is visible to these.
    pub visible_to: Option<BTreeSet<ProjectName>>,
}
