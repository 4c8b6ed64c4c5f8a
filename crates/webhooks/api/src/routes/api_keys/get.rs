//! `GET /api-keys/{id}`: one API key, without its text.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::ApiKeyId;

use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::ApiKeyView;
use rdev_http::PathId;

/// Get an API key
#[utoipa::path(
    get,
    path = "/api-keys/{id}",
    tag = "api keys",
    operation_id = "getApiKey",
    security(("api_key" = ["admin"])),
    params(("id" = types::ApiKeyId, Path)),
    responses((status = 200, description = "The API key, without the key itself.", body = ApiKeyView))
)]
pub(crate) async fn get(
    State(services): State<Services>,
    PathId(id): PathId<ApiKeyId>,
) -> Result<Response, Failure> {
    let key = services.api_keys.get(id).await?;
    Ok(rdev_http::json(&ApiKeyView::from(&key)))
}
