//! `DELETE /webhooks/{id}`: 204; what waits is cancelled, the history stays.

use axum::extract::State;
use http::StatusCode;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use super::check_visible;
use crate::caller::Caller;
use crate::path::PathId;
use crate::problem::Problem;

pub(crate) async fn delete(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
) -> Result<StatusCode, Problem> {
    check_visible(&services, &caller, id).await?;
    services.webhooks.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
