//! The signing secrets of a webhook.

use rdev_webhooks_signing::{PublicKey, SigningSecret};

use crate::Timestamp;

/// A webhook's current secret, and the previous one during the overlap of a rotation.
#[derive(Debug, Clone)]
pub struct SigningSecrets {
    /// The secret that the webhook's owner was shown last.
    pub current: SigningSecret,
    /// The previous secret, and until when it also signs.
    pub previous: Option<(SigningSecret, Timestamp)>,
}

impl SigningSecrets {
    /// Creates secrets without a previous one.
    #[must_use]
    pub const fn new(current: SigningSecret) -> Self {
        Self { current, previous: None }
    }

    /// Replaces the current secret with `next`. The replaced one also signs until `until`, if that is given.
    /// The one before it is dropped.
    #[must_use]
    pub fn rotated(self, next: SigningSecret, until: Option<Timestamp>) -> Self {
        Self { current: next, previous: until.map(|until| (self.current, until)) }
    }

    /// Returns the public part of the previous secret.
    #[must_use]
    pub fn previous_known(&self) -> Option<PreviousSecret> {
        let (secret, until) = self.previous.as_ref()?;
        Some(PreviousSecret { until: *until, public_key: secret.public_key() })
    }

    /// Returns the secrets that sign at `now`, the current one first.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &SigningSecret> {
        let previous = self.previous.iter().filter(move |(_, until)| now < *until);
        std::iter::once(&self.current).chain(previous.map(|(secret, _)| secret))
    }
}

/// The public part of a webhook's previous secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PreviousSecret {
    /// Until when the secret also signs.
    pub until: Timestamp,
    /// The key that verifies its signatures, for ed25519.
    pub public_key: Option<PublicKey>,
}

/// A replacement of a webhook's current secret.
#[derive(Debug, Clone)]
pub struct SecretRotation {
    /// The new secret, of the scheme that the webhook signs with.
    pub secret: SigningSecret,
    /// Until when the replaced secret also signs; `None` if it stops at once.
    pub previous_until: Option<Timestamp>,
    /// When the rotation was requested.
    pub at: Timestamp,
    /// The versions of the webhook to which the rotation applies; `None` for any.
    pub versions: Option<Vec<u64>>,
}

impl SecretRotation {
    /// The longest time for which a replaced secret also signs, in seconds: a week.
    pub const MAX_OVERLAP_SECONDS: u32 = 7 * 24 * 60 * 60;
}
