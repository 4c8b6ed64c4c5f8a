//! `GET /webhooks/{id}/replays/{replay_id}`: a replay and its progress.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{ReplayId, WebhookId};

use super::find;
use crate::schema_types as types;
use crate::views::ReplayView;
use rdev_http::{Caller, PathIds, Problem};

/// Get a replay
#[utoipa::path(
    get,
    path = "/webhooks/{id}/replays/{replay_id}",
    tag = "replays",
    operation_id = "getReplay",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::WebhookId, Path), ("replay_id" = types::ReplayId, Path)),
    responses((status = 200, description = "The replay and its progress.", body = ReplayView))
)]
pub(crate) async fn get(
    State(services): State<Services>,
    caller: Caller,
    PathIds(webhook, id): PathIds<WebhookId, ReplayId>,
) -> Result<Response, Problem> {
    let replay = find(&services, &caller.access, webhook, id).await?;
    Ok(rdev_http::json(&ReplayView::from(&replay)))
}
