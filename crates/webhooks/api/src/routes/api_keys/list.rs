//! `GET /api-keys?limit=&cursor=`: API keys, newest first, including expired ones.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;

use crate::failure::Failure;
use crate::views::{ApiKeyList, ApiKeyView};
use rdev_http::page::{self, PageParameters};
use rdev_http::query::Query;

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
pub(crate) async fn list(State(services): State<Services>, mut query: Query) -> Result<Response, Failure> {
    let request = page::request(&mut query);
    let given = query.finish()?;
    let found = services.api_keys.list(request).await?;
    Ok(page::answer(&found, &given, ApiKeyView::from, |key| key.id))
}
