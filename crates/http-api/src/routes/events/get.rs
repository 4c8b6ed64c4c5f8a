//! `GET /events/{id}`: an event with what became of it: its first 100 deliveries, or why there are
//! none.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{DeliveryFilter, EventId, PageRequest};

use crate::caller::Caller;
use crate::openapi::types;
use crate::path::PathId;
use crate::problem::Problem;
use crate::views::{self, EventDetail};

/// How many deliveries are shown; `GET /deliveries?event=` has the others.
const MAX_DELIVERIES: u32 = 100;

/// Look at an event
///
/// With its first 100 deliveries, or why there are none.
#[utoipa::path(
    get,
    path = "/events/{id}",
    tag = "events",
    operation_id = "getEvent",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::EventId, Path)),
    responses((status = 200, description = "The event.", body = EventDetail))
)]
pub(crate) async fn get(
    State(services): State<Services>,
    PathId(id): PathId<EventId>,
    caller: Caller,
) -> Result<Response, Problem> {
    let found = services.events.get(id).await?;
    let visible = found.filter(|record| caller.access.sees_event(&record.event));
    let mut record = visible.ok_or_else(|| Problem::not_found("There is no such event."))?;
    let visible_to = caller.access.projects.clone();
    if let Some(projects) = &visible_to {
        record.deliveries = services.events.count_visible(&[id], projects).await?.pop().unwrap_or_default();
    }
    let filter = DeliveryFilter { event: Some(id), visible_to, ..DeliveryFilter::default() };
    let first = PageRequest { limit: MAX_DELIVERIES, before: None };
    let deliveries = services.history.list(&filter, first).await?;
    Ok(views::json(&EventDetail::new(&record, &deliveries)))
}
