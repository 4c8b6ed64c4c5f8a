//! `POST /webhooks/{id}/replays/{replay_id}/cancel`: cancels a replay. 200 with the replay; 409 if it has
//! ended.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{ReplayId, WebhookId};

use super::find;
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::ReplayView;
use rdev_http::body::{EmptyBody, Nothing};
use rdev_http::{Caller, OperationIds, PathIds};

/// Cancel a replay
///
/// The replay queues no more deliveries.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/replays/{replay_id}/cancel",
    tag = "replays",
    operation_id = "cancelReplay",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::WebhookId, Path), ("replay_id" = types::ReplayId, Path)),
    request_body = Option<EmptyBody>,
    responses((status = 200, description = "The replay was cancelled.", body = ReplayView)),
    extensions(("x-problems" = json!(["replay_ended"])))
)]
pub(crate) async fn cancel(
    State(services): State<Services>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathIds(webhook, id): PathIds<WebhookId, ReplayId>,
    _: Nothing,
) -> Result<Response, Failure> {
    find(&services, &caller.access, webhook, id).await?;
    let replay = services.replays.cancel(&caller.access, id, ids).await?;
    Ok(rdev_http::json(&ReplayView::from(&replay)))
}
