//! The parameters of lists of deliveries.

use rdev_http::Faults;
use rdev_http::kind::Integer;
use rdev_http::members::{Described, Member, Members, Object};
use rdev_webhooks_domain::{CommandId, DeliveryFilter, EventId, EventType, LastAttemptFilter, WebhookId};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterIn};

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
    /// The parameters of every list of deliveries about the last attempt of each.
    pub(crate) struct LastAttempt {
        /// Only deliveries whose last attempt the endpoint answered with this HTTP status.
        code: Option<Code>,
        /// Only deliveries whose last attempt failed with this class.
        class: Option<types::FailureClass>,
        /// Only deliveries whose last attempt was made for this reason.
        trigger: Option<types::Trigger>,
    }
}

/// The parameter `data.command_id` of lists of deliveries and of events.
pub(crate) struct OfCommand(pub(crate) Option<CommandId>);

/// The parameters of every list of deliveries, but not of their stream.
pub(crate) type Searched = (Period, (LastAttempt, OfCommand));

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

rdev_http::kind! {
    /// An HTTP status.
    pub(crate) Code: u16 = Integer::<100, 999>::shape(), |value, faults| {
        let text = value.string(faults)?;
        let code = text.parse().ok().filter(|code| text.len() == 3 && (100..=999).contains(code));
        code.or_else(|| value.refuse(faults, "must be an HTTP status, a whole number from 100 to 999"))
    }
}

type CommandMember = Option<types::CommandId>;

impl OfCommand {
    const NAME: &'static str = "data.command_id";
}

impl Members for OfCommand {
    fn take(object: &mut Object<'_>, faults: &mut Faults) -> Self {
        Self(<CommandMember as Member>::take(object, Self::NAME, faults))
    }
}

impl IntoParams for OfCommand {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let about = "Only the events with this `data.command_id`, of the types `command.started`, `command.completed` \
                     and `command.failed`, or their deliveries.";
        vec![Described::new::<CommandMember>(Self::NAME, &[about], None).parameter()]
    }
}

impl Filters {
    /// Returns the filter of a list.
    pub(crate) fn search(self, searched: Searched, webhook: Option<WebhookId>) -> DeliveryFilter {
        let (Period { since, until }, (LastAttempt { code, class, trigger }, OfCommand(command_id))) =
            searched;
        let last_attempt = LastAttemptFilter { code, class, trigger };
        DeliveryFilter { since, until, webhook, command_id, last_attempt, ..self.filter() }
    }

    /// Returns the filter.
    pub(crate) fn filter(self) -> DeliveryFilter {
        let Self { status, event, project } = self;
        let (event_type, event) = event.unwrap_or_default();
        DeliveryFilter { status, event, event_type, project, ..DeliveryFilter::default() }
    }
}
