//! `GET /webhooks/{id}/replays/{replay_id}`: one replay and how far it is.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{ReplayId, WebhookId};

use super::find;
use crate::caller::Caller;
use crate::path::PathIds;
use crate::problem::Problem;
use crate::views::{self, ReplayView};

pub(crate) async fn get(
    State(services): State<Services>,
    caller: Caller,
    PathIds(webhook, id): PathIds<WebhookId, ReplayId>,
) -> Result<Response, Problem> {
    let replay = find(&services, &caller.access, webhook, id).await?;
    Ok(views::json(&ReplayView::from(&replay)))
}
