//! `POST /deliveries/{id}/cancel`: cancels a waiting delivery. 200 with the delivery; 409 while it is in
//! flight, or once it has ended.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::DeliveryId;
use rdev_webhooks_domain::ports::Cancellation;

use crate::codes;
use crate::schema_types as types;
use crate::views::DeliveryView;
use rdev_http::body::{EmptyBody, Nothing};
use rdev_http::{Caller, OperationIds, PathId, Problem, ProblemCode};

/// Cancel a delivery
///
/// Cancels a delivery that waits for an attempt. It can be redelivered later.
#[utoipa::path(
    post,
    path = "/deliveries/{id}/cancel",
    tag = "deliveries",
    operation_id = "cancelDelivery",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::DeliveryId, Path)),
    request_body = Option<EmptyBody>,
    responses((status = 200, description = "The delivery was cancelled.", body = DeliveryView)),
    extensions(("x-problems" = json!(["delivery_in_flight", "delivery_finished"])))
)]
pub(crate) async fn cancel(
    State(services): State<Services>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathId(id): PathId<DeliveryId>,
    _: Nothing,
) -> Result<Response, Problem> {
    let (code, detail) = match services.deliveries.cancel(&caller.access, id, ids).await? {
        None => (ProblemCode::NOT_FOUND, "The delivery was not found."),
        Some(Cancellation::Cancelled(delivery)) => {
            return Ok(rdev_http::json(&DeliveryView::from(&delivery)));
        }
        Some(Cancellation::InFlight) => (
            codes::DELIVERY_IN_FLIGHT,
            "The delivery is being sent. If it is retried, cancel it before the retry.",
        ),
        Some(Cancellation::Ended) => {
            (codes::DELIVERY_FINISHED, "The delivery has ended and cannot be cancelled.")
        }
    };
    Err(Problem::new(code, detail))
}
