//! `GET /events/{id}`: an event with what became of it: its first 100 deliveries, or why there are
//! none.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{DeliveryFilter, EventId, PageRequest};

use crate::path::PathId;
use crate::problem::Problem;
use crate::views::{self, EventDetail};

/// How many deliveries are shown; `GET /deliveries?event=` has the others.
const MAX_DELIVERIES: u32 = 100;

pub(crate) async fn get(
    State(services): State<Services>,
    PathId(id): PathId<EventId>,
) -> Result<Response, Problem> {
    let record = services.events.get(id).await?;
    let record = record.ok_or_else(|| Problem::not_found("There is no such event."))?;
    let filter = DeliveryFilter { event: Some(id), ..DeliveryFilter::default() };
    let first = PageRequest { limit: MAX_DELIVERIES, before: None };
    let deliveries = services.history.list(&filter, first).await?;
    Ok(views::json(&EventDetail::detailed(&record, &deliveries)))
}
