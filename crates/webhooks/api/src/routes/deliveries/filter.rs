//! The parameters that every list of deliveries has.

use rdev_webhooks_domain::{DeliveryFilter, DeliveryStatus, EventId};
use utoipa::IntoParams;

use crate::schema_types as types;
use rdev_http::query::Query;

/// The same for the API's description.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `read` reads")]
pub(crate) struct Filters {
    #[param(value_type = Option<types::DeliveryStatus>)]
    status: Option<String>,
    /// Only deliveries of events of this type, or of the event with this id.
    #[param(pattern = r"^[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*$", max_length = 128)]
    event: Option<String>,
    /// Only deliveries of this project's events.
    #[param(value_type = Option<types::ProjectName>)]
    project: Option<String>,
    /// Only deliveries of events accepted at this time or later.
    #[param(value_type = Option<types::Timestamp>)]
    since: Option<String>,
    /// Only deliveries of events accepted before this time.
    #[param(value_type = Option<types::Timestamp>)]
    until: Option<String>,
}

/// Reads `status`, `event`, `project`, `since` and `until`.
pub(crate) fn read(query: &mut Query) -> DeliveryFilter {
    let mut filter = read_kind(query);
    filter.since = query.moment("since");
    filter.until = query.moment("until");
    filter
}

/// Reads `status`, `event` (an event type, or the id of an event) and `project`.
pub(crate) fn read_kind(query: &mut Query) -> DeliveryFilter {
    let mut filter = DeliveryFilter {
        status: query.read("status", |text| DeliveryStatus::parse(text).ok_or_else(statuses)),
        ..DeliveryFilter::default()
    };
    query.read("event", |text| {
        let id_follows = text.strip_prefix(EventId::PREFIX).is_some_and(|rest| rest.starts_with('_'));
        if id_follows {
            filter.event =
                Some(text.parse().map_err(|error: rdev_webhooks_domain::IdError| error.to_string())?);
        } else {
            filter.event_type = Some(text.parse().map_err(|_| {
                "must be an event type like command.completed or an event id like evt_…".to_owned()
            })?);
        }
        Ok(())
    });
    filter.project = query.value("project");
    filter
}

fn statuses() -> String {
    let names: Vec<_> = DeliveryStatus::ALL.iter().map(|status| status.as_str()).collect();
    format!("must be one of {}", names.join(", "))
}
