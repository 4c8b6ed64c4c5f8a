//! `DELETE /webhooks/{id}`: 204. Waiting deliveries are cancelled, the history stays. With `If-Match` only if
//! it names the webhook's version, otherwise 412.

use axum::extract::State;
use http::{HeaderMap, StatusCode};
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use crate::failure::Failure;
use crate::schema_types as types;
use rdev_http::tag::IfMatch;
use rdev_http::{Caller, PathId};

/// Delete a webhook
///
/// Cancels its unfinished deliveries. The history is kept.
#[utoipa::path(
    delete,
    path = "/webhooks/{id}",
    tag = "webhooks",
    operation_id = "deleteWebhook",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::WebhookId, Path), ("If-Match" = Option<String>, Header)),
    responses((status = 204, description = "The webhook was deleted.")),
    extensions(("x-problems" = json!(["version_mismatch"])))
)]
pub(crate) async fn delete(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
    headers: HeaderMap,
) -> Result<StatusCode, Failure> {
    let versions = IfMatch::of(&headers).into_versions();
    services.webhooks.delete(&caller.access, id, versions.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}
