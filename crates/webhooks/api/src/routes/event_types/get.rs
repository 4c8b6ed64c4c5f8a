//! `GET /event-types/{name}`: one event type.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::{RegistryError, Services};

use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;
use crate::views::EventTypeView;

/// Get an event type
#[utoipa::path(
    get,
    path = "/event-types/{name}",
    tag = "event types",
    operation_id = "getEventType",
    security(("api_key" = [])),
    params(("name" = types::EventType, Path)),
    responses((status = 200, description = "The event type.", body = EventTypeView))
)]
pub(crate) async fn get(State(services): State<Services>, name: PathName) -> Result<Response, Failure> {
    let name = name.of_something()?;
    services.event_types.refresh().await?;
    let event_type = services.event_types.get(&name).ok_or(RegistryError::NotFound)?;
    Ok(rdev_http::json(&EventTypeView::from(&event_type)))
}
