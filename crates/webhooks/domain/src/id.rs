//! The ids of the domain.

use rdev_core::id::{Uuid, derive};
use rdev_core::{Timestamp, typed_id};

use crate::EventType;

typed_id!(
    /// The id of a [`Webhook`](crate::Webhook): `whk_…`.
    WebhookId,
    "whk"
);
typed_id!(
    /// The id of an [`Event`](crate::Event), and the `webhook-id` that its receivers see: `evt_…`.
    EventId,
    "evt"
);
typed_id!(
    /// The id of a [`Delivery`](crate::Delivery): `dlv_…`.
    DeliveryId,
    "dlv"
);
typed_id!(
    /// The id of an [`Attempt`](crate::Attempt): `att_…`.
    AttemptId,
    "att"
);
typed_id!(
    /// The id of a [`Replay`](crate::Replay): `rpl_…`.
    ReplayId,
    "rpl"
);

impl DeliveryId {
    /// Derives the id of the one delivery of `event` to `webhook`: the event's time, then bits of
    /// `SHA-256(event ‖ webhook)`, as a UUIDv7. Any store can compute it, so a repeated fan-out meets its own
    /// primary key.
    #[must_use]
    pub fn derive(event: EventId, webhook: WebhookId) -> Self {
        Self::from_uuid(derive(event.as_uuid(), webhook.as_uuid().as_bytes()))
    }
}

impl EventId {
    /// Derives the id of the event that a webhook was disabled, which gave it this version: the time, then
    /// bits of `SHA-256(time ‖ webhook ‖ version)` with the version as eight big-endian bytes, as a UUIDv7.
    #[must_use]
    pub fn of_disabling(webhook: WebhookId, version: u64, at: Timestamp) -> Self {
        let mut distinguisher = webhook.as_uuid().as_bytes().to_vec();
        distinguisher.extend(version.to_be_bytes());
        Self::from_uuid(derive(Self::from_parts(at, [0; 10]).as_uuid(), &distinguisher))
    }
}

impl EventId {
    /// Derives the id of an operational event, of the `nth` transition of its subject: the time, then bits of
    /// `SHA-256(time ‖ subject ‖ micros ‖ nth ‖ type)` with the microseconds since 1970 and `nth` as eight big-endian
    /// bytes each, as a UUIDv7.
    #[must_use]
    pub fn of_report(event_type: &EventType, subject: Uuid, nth: u64, at: Timestamp) -> Self {
        let mut distinguisher = subject.as_bytes().to_vec();
        distinguisher.extend(at.as_micros().to_be_bytes());
        distinguisher.extend(nth.to_be_bytes());
        distinguisher.extend(event_type.as_str().as_bytes());
        Self::from_uuid(derive(Self::from_parts(at, [0; 10]).as_uuid(), &distinguisher))
    }
}

impl AttemptId {
    /// Derives the id of the attempt with this number: the delivery's time, then bits of `SHA-256(delivery ‖
    /// number)` with the number as four big-endian bytes, as a UUIDv7.
    #[must_use]
    pub fn derive(delivery: DeliveryId, number: u32) -> Self {
        Self::from_uuid(derive(delivery.as_uuid(), &number.to_be_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_derived_id_keeps_the_time_and_is_unique_to_its_pair() {
        let at = Timestamp::from_millis(1_736_937_000_123);
        let event = EventId::from_parts(at, [1; 10]);
        let one = WebhookId::from_parts(at, [2; 10]);
        let two = WebhookId::from_parts(at, [3; 10]);
        let delivery = DeliveryId::derive(event, one);
        assert_eq!(delivery, DeliveryId::derive(event, one));
        assert_ne!(delivery, DeliveryId::derive(event, two));
        assert_eq!(delivery.time(), at);
        assert_eq!(delivery.as_uuid().get_version_num(), 7);
        assert_ne!(AttemptId::derive(delivery, 1), AttemptId::derive(delivery, 2));
    }
}
