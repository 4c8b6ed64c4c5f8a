//! `DELETE /event-types/{name}`: deletes a registered event type. 204; 409 while a webhook subscribes to it
//! by name, and for a built-in one.

use axum::extract::State;
use http::StatusCode;
use rdev_webhooks_app::Services;

use crate::failure::Failure;
use crate::path::PathName;
use crate::schema_types as types;

/// Delete an event type
///
/// Deletes a registered event type. Its events are kept.
#[utoipa::path(
    delete,
    path = "/event-types/{name}",
    tag = "event types",
    operation_id = "deleteEventType",
    security(("api_key" = ["admin"])),
    params(("name" = types::EventType, Path)),
    responses((status = 204, description = "The event type was deleted.")),
    extensions(("x-problems" = json!(["event_type_built_in", "event_type_subscribed", "validation_failed"])))
)]
pub(crate) async fn delete(State(services): State<Services>, name: PathName) -> Result<StatusCode, Failure> {
    services.event_types.remove(&name.of_something()?).await?;
    Ok(StatusCode::NO_CONTENT)
}
