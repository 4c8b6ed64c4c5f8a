//! `GET /deliveries/{id}`: a delivery with its payload, headers and last attempt.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::{Services, WebhookError};
use rdev_webhooks_domain::{DeliveryId, PageRequest, WaitingFor};

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
    let webhook = match services.webhooks.get(&caller.access, record.delivery.webhook_id).await {
        Ok(webhook) => Some(webhook),
        Err(WebhookError::NotFound) => None,
        Err(error) => return Err(error.into()),
    };
    let waiting = match &webhook {
        Some(webhook) if record.delivery.state.next_attempt_at().is_some() => {
            let (health, now) = services.webhooks.health(&[webhook.id]).await?;
            let health = health.first().copied().unwrap_or_default();
            WaitingFor::new(&record.delivery, webhook, &health, now)
        }
        _ => None,
    };
    Ok(rdev_http::json(&DeliveryDetail {
        delivery: ListedDelivery::new(&record.delivery, waiting),
        request: RequestView::new(&record, webhook.as_ref(), last),
        last_attempt: last.map(|attempt| AttemptView::new(&record.delivery, attempt)),
    }))
}
