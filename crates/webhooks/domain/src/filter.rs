//! The filters of lists.

use crate::{Delivery, DeliveryId, DeliveryStatus, EventId, EventType, ProjectName, Timestamp, WebhookId};

/// A filter of webhooks. A `None` field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookFilter {
    /// Webhooks that subscribe to this type, by name or by pattern.
    pub event_type: Option<EventType>,
    /// Webhooks that are enabled, or that are disabled.
    pub enabled: Option<bool>,
    /// Webhooks that take this project's events.
    pub project: Option<ProjectName>,
}

/// A filter of events. A `None` field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Events of this type.
    pub event_type: Option<EventType>,
    /// Events of this project.
    pub project: Option<ProjectName>,
    /// Events accepted at or after this moment.
    pub since: Option<Timestamp>,
    /// Events accepted before this moment.
    pub until: Option<Timestamp>,
}

/// A filter of deliveries. A `None` field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// Deliveries to this webhook.
    pub webhook: Option<WebhookId>,
    /// Deliveries of this event.
    pub event: Option<EventId>,
    /// Deliveries of events of this type.
    pub event_type: Option<EventType>,
    /// Deliveries of events of this project.
    pub project: Option<ProjectName>,
    /// Deliveries in this status.
    pub status: Option<DeliveryStatus>,
    /// Deliveries of events accepted at or after this moment.
    pub since: Option<Timestamp>,
    /// Deliveries of events accepted before this moment.
    pub until: Option<Timestamp>,
}

impl DeliveryFilter {
    /// Returns whether a delivery matches.
    #[must_use]
    pub fn matches(&self, delivery: &Delivery) -> bool {
        fn is<T: PartialEq>(wanted: Option<&T>, given: &T) -> bool {
            wanted.is_none_or(|wanted| wanted == given)
        }
        is(self.webhook.as_ref(), &delivery.webhook_id)
            && is(self.event.as_ref(), &delivery.event_id)
            && is(self.event_type.as_ref(), &delivery.event_type)
            && is(self.status.as_ref(), &delivery.state.status())
            && (self.project.is_none() || self.project == delivery.project)
            && self.since.is_none_or(|since| delivery.id >= DeliveryId::floor(since))
            && self.until.is_none_or(|until| delivery.id < DeliveryId::floor(until))
    }
}
