//! `DELETE /webhooks/{id}`: 204; what waits is cancelled, the history stays.

use axum::extract::State;
use http::StatusCode;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use crate::caller::Caller;
use crate::openapi::types;
use crate::path::PathId;
use crate::problem::Problem;

/// Delete a webhook
///
/// What waits is cancelled; the history stays.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    tag = "webhooks",
    operation_id = "deleteWebhook",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::WebhookId, Path)),
    responses((status = 204, description = "It is deleted."))
)]
pub(crate) async fn delete(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    services.webhooks.delete(id, caller.access.projects.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
