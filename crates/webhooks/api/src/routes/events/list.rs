//! `GET /events?event=&project=&key=&data.command_id=&since=&until=&limit=&cursor=`: events, newest first, each with
//! the counts of its deliveries.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{EventFilter, EventId};

use crate::routes::deliveries::filter::OfCommand;
use crate::schema_types as types;
use crate::views::{EventList, EventView};
use rdev_http::Caller;
use rdev_http::Problem;
use rdev_http::page::{self, ListQuery, PageParameters};

rdev_http::members! {
    /// The parameters of `GET /events`.
    pub(crate) struct Filters {
        /// Only events of this type.
        event: Option<types::EventType>,
        /// Only this project's events.
        project: Option<types::ProjectName>,
        /// Only the event with this key of its producer, in each project.
        key: Option<types::EventKey>,
        /// Only events accepted at this time or later.
        since: Option<types::Timestamp>,
        /// Only events accepted before this time.
        until: Option<types::Timestamp>,
    }
}

/// List events
///
/// Newest first, each with the counts of its deliveries.
#[utoipa::path(
    get,
    path = "/events",
    tag = "events",
    operation_id = "listEvents",
    security(("api_key" = ["webhooks:read"])),
    params(Filters, OfCommand, PageParameters),
    responses((status = 200, description = "A page of events.", body = EventList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    ListQuery { filter, page, given }: ListQuery<(Filters, OfCommand), EventId>,
) -> Result<Response, Problem> {
    let (Filters { event: event_type, project, key, since, until }, OfCommand(command_id)) = filter;
    let filter = EventFilter { event_type, project, key, command_id, since, until };
    let found = services.events.list(&caller.access, &filter, page).await?;
    Ok(page::answer(&found, &given, EventView::new, |record| record.event.id))
}
