//! `POST /deliveries/{id}/redeliver`: requests an attempt now. 202 with the delivery; 409 while it is in
//! flight, or if its webhook is disabled or deleted.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::DeliveryId;
use rdev_webhooks_domain::ports::Redelivery;

use crate::codes;
use crate::schema_types as types;
use crate::views::DeliveryView;
use rdev_http::body::{EmptyBody, Nothing};
use rdev_http::{Caller, OperationIds, PathId, Problem, ProblemCode};

/// Redeliver
///
/// Makes one attempt now, with the same `webhook-id`. A waiting automatic retry stays as it is.
#[utoipa::path(
    post,
    path = "/deliveries/{id}/redeliver",
    tag = "deliveries",
    operation_id = "redeliver",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::DeliveryId, Path)),
    request_body = Option<EmptyBody>,
    responses((status = 202, description = "The redelivery was queued.", body = DeliveryView)),
    extensions(("x-problems" = json!(["delivery_in_flight", "webhook_disabled", "webhook_deleted"])))
)]
pub(crate) async fn redeliver(
    State(services): State<Services>,
    PathId(id): PathId<DeliveryId>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    _: Nothing,
) -> Result<Response, Problem> {
    let redelivered = services.deliveries.redeliver(&caller.access, id, ids).await?;
    let (code, detail) = match redelivered {
        None => (ProblemCode::NOT_FOUND, "The delivery was not found."),
        Some(Redelivery::Queued(delivery)) => {
            let shown = rdev_http::json(&DeliveryView::from(&delivery));
            return Ok((StatusCode::ACCEPTED, shown).into_response());
        }
        Some(Redelivery::InFlight) => {
            (codes::DELIVERY_IN_FLIGHT, "The delivery is being sent. Wait for the result first.")
        }
        Some(Redelivery::WebhookDisabled) => {
            (codes::WEBHOOK_DISABLED, "The delivery's webhook is disabled. Enable it first.")
        }
        Some(Redelivery::WebhookDeleted) => {
            (codes::WEBHOOK_DELETED, "The delivery's webhook was deleted, so it cannot be redelivered.")
        }
    };
    Err(Problem::new(code, detail))
}
