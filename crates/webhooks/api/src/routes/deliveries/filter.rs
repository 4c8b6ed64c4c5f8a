//! The parameters of lists of deliveries.

use rdev_webhooks_domain::{DeliveryFilter, EventId, EventType};

use crate::schema_types as types;

rdev_http::members! {
    /// The parameters of every list of deliveries, and of their stream.
    pub(crate) struct Filters {
        status: Option<types::DeliveryStatus>,
        /// Only deliveries of events of this type, or of the event with this id.
        event: Option<TypeOrEvent>,
        /// Only deliveries of this project's events.
        project: Option<types::ProjectName>,
    }
}

rdev_http::members! {
    /// The parameters of every list of deliveries.
    pub(crate) struct Period {
        /// Only deliveries of events accepted at this time or later.
        since: Option<types::Timestamp>,
        /// Only deliveries of events accepted before this time.
        until: Option<types::Timestamp>,
    }
}

rdev_http::members! {
    /// The parameter that lists of the deliveries of one webhook do not have.
    pub(crate) struct Receiver {
        /// Only deliveries to this webhook.
        webhook: Option<types::WebhookId>,
    }
}

rdev_http::kind! {
    /// An event type or the id of an event, each with `None` for the other.
    pub(crate) TypeOrEvent: (Option<EventType>, Option<EventId>) = types::event_type(), |value, faults| {
        let id_follows = value.text().strip_prefix(EventId::PREFIX).is_some_and(|rest| rest.starts_with('_'));
        if id_follows {
            return Some((None, Some(value.parsed(faults)?)));
        }
        let event_type = value.string(faults)?.parse().ok();
        let detail = "must be an event type like command.completed or an event id like evt_…";
        Some((Some(event_type.or_else(|| value.refuse(faults, detail))?), None))
    }
}

impl Filters {
    /// Returns the filter.
    pub(crate) fn filter(self) -> DeliveryFilter {
        let Self { status, event, project } = self;
        let (event_type, event) = event.unwrap_or_default();
        DeliveryFilter { status, event, event_type, project, ..DeliveryFilter::default() }
    }
}
