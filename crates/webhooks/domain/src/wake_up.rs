//! What a wake-up of a worker announces.

use std::collections::BTreeSet;

use crate::WebhookId;

/// Deliveries that may have become claimable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WakeUp {
    /// New deliveries of these webhooks, due at once, and no other ones. At most [`Self::MAX_WEBHOOKS`].
    Webhooks(BTreeSet<WebhookId>),
    /// Deliveries of any webhook.
    Any,
}

impl WakeUp {
    /// Maximum number of webhooks that a wake-up names. More are [`Any`](Self::Any).
    pub const MAX_WEBHOOKS: usize = 32;

    /// Announces new deliveries of these webhooks.
    #[must_use]
    pub fn of(webhooks: impl IntoIterator<Item = WebhookId>) -> Self {
        let mut named = BTreeSet::new();
        for webhook in webhooks {
            named.insert(webhook);
            if named.len() > Self::MAX_WEBHOOKS {
                return Self::Any;
            }
        }
        Self::Webhooks(named)
    }

    /// Announces the deliveries of both.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Webhooks(one), Self::Webhooks(other)) => Self::of(one.into_iter().chain(other)),
            _ => Self::Any,
        }
    }

    /// Announces these deliveries beside those of an earlier wake-up that is not heeded yet.
    #[must_use]
    pub fn after(self, earlier: Option<Self>) -> Self {
        match earlier {
            Some(earlier) => earlier.and(self),
            None => self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Timestamp;

    fn webhook(n: usize) -> WebhookId {
        WebhookId::from_parts(Timestamp::from_millis(1), [u8::try_from(n).unwrap(); 10])
    }

    #[test]
    fn two_wake_ups_name_the_webhooks_of_both() {
        let both = WakeUp::of([webhook(1), webhook(2)]).and(WakeUp::of([webhook(2), webhook(3)]));
        assert_eq!(both, WakeUp::of([webhook(1), webhook(2), webhook(3)]));
        assert_eq!(WakeUp::of([webhook(1)]).and(WakeUp::Any), WakeUp::Any);
        assert_eq!(WakeUp::Any.and(WakeUp::of([webhook(1)])), WakeUp::Any);
    }

    #[test]
    fn repeated_webhooks_count_once() {
        let deliveries = std::iter::repeat_n(webhook(1), 100).chain([webhook(2)]);
        assert_eq!(WakeUp::of(deliveries), WakeUp::of([webhook(1), webhook(2)]));
    }

    #[test]
    fn too_many_webhooks_are_any() {
        let most = WakeUp::of((0..WakeUp::MAX_WEBHOOKS).map(webhook));
        assert!(matches!(&most, WakeUp::Webhooks(named) if named.len() == WakeUp::MAX_WEBHOOKS));
        assert_eq!(WakeUp::of((0..=WakeUp::MAX_WEBHOOKS).map(webhook)), WakeUp::Any);
        assert_eq!(most.and(WakeUp::of([webhook(WakeUp::MAX_WEBHOOKS)])), WakeUp::Any);
    }
}
