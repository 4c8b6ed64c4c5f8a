//! `POST /webhooks/{id}/test`: sends a signed `webhook.test` delivery. 202 with the delivery; 409 if
//! the webhook is disabled.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::DeliveryView;
use rdev_http::body::{EmptyBody, Nothing};
use rdev_http::{Caller, OperationIds, PathId};

/// Send a test delivery
///
/// Sends a signed event of the type `webhook.test`, whatever the webhook subscribes to.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/test",
    tag = "webhooks",
    operation_id = "testWebhook",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::WebhookId, Path)),
    request_body = Option<EmptyBody>,
    responses((status = 202, description = "The test delivery was queued.", body = DeliveryView)),
    extensions(("x-problems" = json!(["webhook_disabled"])))
)]
pub(crate) async fn test(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    _: Nothing,
) -> Result<Response, Failure> {
    let delivery = services.webhooks.test(&caller.access, id, ids).await?;
    Ok((StatusCode::ACCEPTED, rdev_http::json(&DeliveryView::from(&delivery))).into_response())
}
