//! `GET /webhooks/{id}/jwks.json`: the public keys of a webhook.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::KeySetView;
use rdev_http::{Caller, PathId};

/// Get the public keys of a webhook
///
/// The keys that verify the signatures of its deliveries, as a JSON Web Key Set: one for a webhook that signs with
/// ed25519, two during a rotation, the new one first, and none for a webhook that signs with HMAC. A project-scoped
/// key gets 404 for a webhook that it cannot see.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/jwks.json",
    tag = "webhooks",
    operation_id = "getWebhookKeys",
    params(("id" = types::WebhookId, Path)),
    responses((status = 200, description = "The public keys.", body = KeySetView))
)]
pub(crate) async fn jwks(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
) -> Result<Response, Failure> {
    let webhook = services.webhooks.get(&caller.access, id).await?;
    Ok(rdev_http::json(&KeySetView::new(&webhook, services.webhooks.now())))
}
