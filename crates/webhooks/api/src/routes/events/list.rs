//! `GET /events?event=&project=&since=&until=&limit=&cursor=`: events, newest first, each with the counts of
//! its deliveries.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::EventFilter;
use utoipa::IntoParams;

use crate::schema_types as types;
use crate::views::{EventList, EventView};
use rdev_http::page::{self, PageParameters};
use rdev_http::query::Query;
use rdev_http::{Caller, Problem};

/// The parameters of `GET /events`.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `list` reads")]
struct Filters {
    /// Only events of this type.
    #[param(value_type = Option<types::EventType>)]
    event: Option<String>,
    /// Only this project's events.
    #[param(value_type = Option<types::ProjectName>)]
    project: Option<String>,
    /// Only events accepted at this time or later.
    #[param(value_type = Option<types::Timestamp>)]
    since: Option<String>,
    /// Only events accepted before this time.
    #[param(value_type = Option<types::Timestamp>)]
    until: Option<String>,
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
    params(Filters, PageParameters),
    responses((status = 200, description = "A page of events.", body = EventList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let filter = EventFilter {
        event_type: query.value("event"),
        project: query.value("project"),
        since: query.moment("since"),
        until: query.moment("until"),
    };
    let request = page::request(&mut query);
    let given = query.finish()?;
    let found = services.events.list(&caller.access, &filter, request).await?;
    Ok(page::answer(&found, &given, EventView::new, |record| record.event.id))
}
