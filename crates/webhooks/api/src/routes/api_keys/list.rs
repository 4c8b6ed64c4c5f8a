//! `GET /api-keys?limit=&cursor=`: API keys, newest first, including expired ones.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::ApiKeyId;

use crate::failure::Failure;
use crate::views::{ApiKeyList, ApiKeyView};
use rdev_http::page::{self, ListQuery, PageParameters};

/// List API keys
///
/// Newest first, including expired keys.
#[utoipa::path(
    get,
    path = "/api-keys",
    tag = "api keys",
    operation_id = "listApiKeys",
    security(("api_key" = ["admin"])),
    params(PageParameters),
    responses((status = 200, description = "A page of API keys.", body = ApiKeyList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    ListQuery { page, given, .. }: ListQuery<(), ApiKeyId>,
) -> Result<Response, Failure> {
    let found = services.api_keys.list(page).await?;
    Ok(page::answer(&found, &given, ApiKeyView::from, |key| key.id))
}
