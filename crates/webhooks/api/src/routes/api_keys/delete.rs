//! `DELETE /api-keys/{id}`: 204. The key stops working at once in this process, and within a second in
//! others.

use axum::extract::State;
use http::StatusCode;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::ApiKeyId;

use crate::failure::Failure;
use crate::schema_types as types;
use rdev_http::PathId;

/// Delete an API key
///
/// The key stops working at once in the process that responds, and within a second in others.
#[utoipa::path(
    delete,
    path = "/api-keys/{id}",
    tag = "api keys",
    operation_id = "deleteApiKey",
    security(("api_key" = ["admin"])),
    params(("id" = types::ApiKeyId, Path)),
    responses((status = 204, description = "The API key was deleted."))
)]
pub(crate) async fn delete(
    State(services): State<Services>,
    PathId(id): PathId<ApiKeyId>,
) -> Result<StatusCode, Failure> {
    services.api_keys.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
