//! What lists can be filtered by.

use std::collections::BTreeSet;

use crate::{Delivery, DeliveryId, DeliveryStatus, EventId, EventType, ProjectName, Timestamp, WebhookId};

/// Which webhooks to list. A field that is none does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookFilter {
    /// Those that subscribe to this type, by name or by pattern.
    pub event_type: Option<EventType>,
    /// Those that are enabled, or those that are not.
    pub enabled: Option<bool>,
    /// Those that take this project's events.
    pub project: Option<ProjectName>,
    /// Those that take the events of some of these projects and of nothing else.
    pub visible_to: Option<BTreeSet<ProjectName>>,
}

/// Which events to list. A field that is none does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this type.
    pub event_type: Option<EventType>,
    /// Of this project.
    pub project: Option<ProjectName>,
    /// Accepted at or after.
    pub since: Option<Timestamp>,
    /// Accepted before.
    pub until: Option<Timestamp>,
    /// Of one of these projects; and of their deliveries, those to webhooks that are visible to the same
    /// projects are counted alone.
    pub visible_to: Option<BTreeSet<ProjectName>>,
}

/// Which deliveries to list. A field that is none does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DeliveryFilter {
    /// To this webhook.
    pub webhook: Option<WebhookId>,
    /// Of this event.
    pub event: Option<EventId>,
    /// Of events of this type.
    pub event_type: Option<EventType>,
    /// Of events of this project.
    pub project: Option<ProjectName>,
    /// In this status.
    pub status: Option<DeliveryStatus>,
    /// Of events accepted at or after.
    pub since: Option<Timestamp>,
    /// Of events accepted before.
    pub until: Option<Timestamp>,
    /// Of events of one of these projects, to webhooks that are visible to the same projects. A deleted
    /// webhook counts as it was.
    pub visible_to: Option<BTreeSet<ProjectName>>,
}

impl DeliveryFilter {
    /// Whether a delivery is to be listed, as far as it can tell: whether its webhook is visible is another
    /// question.
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
            && self.visible_to.as_ref().is_none_or(|visible| {
                delivery.project.as_ref().is_some_and(|project| visible.contains(project))
            })
            && self.since.is_none_or(|since| delivery.id >= DeliveryId::floor(since))
            && self.until.is_none_or(|until| delivery.id < DeliveryId::floor(until))
    }
}
