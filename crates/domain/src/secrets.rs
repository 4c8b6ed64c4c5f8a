//! The secrets that sign a webhook's deliveries.

use rdev_webhooks_signing::SigningSecret;

use crate::Timestamp;

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

    /// The secrets that sign at `now`, the current one first.
    pub fn active(&self, now: Timestamp) -> impl Iterator<Item = &SigningSecret> {
        let previous = self.previous.iter().filter(move |(_, until)| now < *until);
        std::iter::once(&self.current).chain(previous.map(|(secret, _)| secret))
    }
}
