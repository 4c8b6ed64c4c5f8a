//! `GET /deliveries/{id}`: a delivery with its payload, headers and last attempt.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{DeliveryId, PageRequest};

use super::find;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::{AttemptView, DeliveryDetail, ListedDelivery, RequestView};
use rdev_http::{Caller, PathId};

/// Get a delivery
///
/// Includes the exact body and headers that were sent, and the last attempt.
#[utoipa::path(
    get,
    path = "/deliveries/{id}",
    tag = "deliveries",
    operation_id = "getDelivery",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::DeliveryId, Path)),
    responses((status = 200, description = "The delivery.", body = DeliveryDetail))
)]
pub(crate) async fn get(
    State(services): State<Services>,
    PathId(id): PathId<DeliveryId>,
    caller: Caller,
) -> Result<Response, Failure> {
    let record = find(&services, &caller.access, id).await?;
    let newest = PageRequest { limit: 1, before: None };
    let attempts = services.history.attempts(id, newest).await?;
    let last = attempts.items.first();
    let waits = services.webhooks.waits(&caller.access, [record.delivery.webhook_id].into()).await?;
    Ok(rdev_http::json(&DeliveryDetail {
        delivery: ListedDelivery::new(&record.delivery, &waits),
        request: RequestView::new(&record, waits.webhook(record.delivery.webhook_id), last),
        last_attempt: last.map(|attempt| AttemptView::new(&record.delivery, attempt)),
    }))
}
