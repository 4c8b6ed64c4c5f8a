//! The filters of lists.

use std::collections::BTreeSet;

use crate::{
    Attempt, CommandId, Delivery, DeliveryId, DeliveryStatus, EventId, EventKey, EventType, FailureClass,
    Metadata, ProjectName, Timestamp, Trigger, WebhookId,
};

/// A filter of webhooks. A `None` field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WebhookFilter {
    /// Webhooks that subscribe to this type, by name or by pattern.
    pub event_type: Option<EventType>,
    /// Webhooks that are enabled, or that are disabled.
    pub enabled: Option<bool>,
    /// Webhooks that take this project's events.
    pub project: Option<ProjectName>,
    /// Webhooks with all of these pairs in their metadata.
    pub metadata: Metadata,
    /// Webhooks with one of these ids.
    pub ids: Option<BTreeSet<WebhookId>>,
}

/// A filter of events. A `None` field does not filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Events of this type.
    pub event_type: Option<EventType>,
    /// Events of this project.
    pub project: Option<ProjectName>,
    /// Events with this key of their producer.
    pub key: Option<EventKey>,
    /// Events of this command.
    pub command_id: Option<CommandId>,
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
    /// Deliveries of events of this command.
    pub command_id: Option<CommandId>,
    /// Deliveries in this status.
    pub status: Option<DeliveryStatus>,
    /// Deliveries with such a last attempt.
    pub last_attempt: LastAttemptFilter,
    /// Deliveries of events accepted at or after this moment.
    pub since: Option<Timestamp>,
    /// Deliveries of events accepted before this moment.
    pub until: Option<Timestamp>,
}

/// A filter of deliveries by the last of their recorded attempts. A `None` field does not filter; a delivery without
/// an attempt matches only if no field filters.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LastAttemptFilter {
    /// Attempts that the endpoint answered with this HTTP status.
    pub code: Option<u16>,
    /// Attempts that failed with this class.
    pub class: Option<FailureClass>,
    /// Attempts with this trigger.
    pub trigger: Option<Trigger>,
}

impl LastAttemptFilter {
    /// Returns whether every delivery matches.
    #[must_use]
    pub fn is_none(&self) -> bool {
        *self == Self::default()
    }

    /// Returns whether a delivery with this last attempt matches.
    #[must_use]
    pub fn matches(&self, last: Option<&Attempt>) -> bool {
        let Some(last) = last else {
            return self.is_none();
        };
        let class = last.outcome.failure.as_ref().map(|failure| failure.class);
        (self.code.is_none() || self.code == last.outcome.status())
            && (self.class.is_none() || self.class == class)
            && self.trigger.is_none_or(|trigger| trigger == last.trigger)
    }

    /// Returns whether a delivery matches that succeeded by an [`Attempt::PLAIN`] attempt, as most do. Stores keep no
    /// index of these: a list finds them from the newest on.
    #[must_use]
    pub fn matches_plain(&self) -> bool {
        self.class.is_none()
            && self.code.is_none_or(|code| code == 200)
            && self.trigger.is_none_or(|trigger| trigger == Trigger::Automatic)
    }

    /// Returns whether a delivery matches whose last attempt has this [summary](Attempt::summary).
    #[must_use]
    pub fn matches_summary(&self, summary: &str) -> bool {
        let mut parts = summary.split('/');
        let mut is = |wanted: Option<&str>| {
            let part = parts.next();
            wanted.is_none() || wanted == part
        };
        let code = self.code.map(|code| code.to_string());
        is(self.trigger.map(Trigger::as_str)) & is(self.class.map(FailureClass::as_str)) & is(code.as_deref())
    }

    /// Returns the pattern, for SQL's `LIKE`, of the [summaries](Attempt::summary) that match; `None` if all do.
    #[must_use]
    pub fn pattern(&self) -> Option<String> {
        let any = || "%".to_owned();
        let trigger = self.trigger.map_or_else(any, |trigger| trigger.as_str().to_owned());
        let class = self.class.map_or_else(any, |class| class.as_str().to_owned());
        let code = self.code.map_or_else(any, |code| code.to_string());
        (!self.is_none()).then(|| format!("{trigger}/{class}/{code}"))
    }
}

impl DeliveryFilter {
    /// Returns whether the filter has a condition on the event, by which events have an index, so that a list can find
    /// the deliveries along their [events](crate::EventWalk).
    #[must_use]
    pub const fn selects_events(&self) -> bool {
        self.event.is_none()
            && (self.event_type.is_some() || self.project.is_some() || self.command_id.is_some())
    }

    /// Returns whether the filter has a condition by which deliveries themselves have an index.
    #[must_use]
    pub fn selects_deliveries(&self) -> bool {
        let is_common = matches!(self.status, None | Some(DeliveryStatus::Succeeded));
        self.webhook.is_some() || !is_common || !self.last_attempt.matches_plain()
    }

    /// Returns whether a delivery matches, apart from the conditions on its last attempt and on the command, which it
    /// does not show.
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
