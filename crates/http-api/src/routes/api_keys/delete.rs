//! `DELETE /api-keys/{id}`: 204; the key lets nobody in any more, at once in this process and within a
//! second in others.

use axum::extract::State;
use http::StatusCode;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::ApiKeyId;

use crate::path::PathId;
use crate::problem::Problem;

pub(crate) async fn delete(
    State(services): State<Services>,
    PathId(id): PathId<ApiKeyId>,
) -> Result<StatusCode, Problem> {
    services.api_keys.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
