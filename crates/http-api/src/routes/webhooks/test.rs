//! `POST /webhooks/{id}/test`: sends a signed `webhook.test` delivery. 202 with the delivery; 409 if
//! the webhook is disabled.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use super::check_visible;
use crate::body::Nothing;
use crate::caller::Caller;
use crate::path::PathId;
use crate::problem::Problem;
use crate::views::{self, DeliveryView};

pub(crate) async fn test(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
    _: Nothing,
) -> Result<Response, Problem> {
    check_visible(&services, &caller, id).await?;
    let delivery = services.webhooks.test(id).await?;
    Ok((StatusCode::ACCEPTED, views::json(&DeliveryView::from(&delivery))).into_response())
}
