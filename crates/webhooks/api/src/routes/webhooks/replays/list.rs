//! `GET /webhooks/{id}/replays?limit=&cursor=`: the webhook's replays, newest first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{ReplayId, WebhookId};

use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::{ReplayList, ReplayView};
use rdev_http::Caller;
use rdev_http::PathId;
use rdev_http::page::{self, ListQuery, PageParameters};

/// List a webhook's replays
///
/// Newest first.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/replays",
    tag = "replays",
    operation_id = "listReplays",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::WebhookId, Path), PageParameters),
    responses((status = 200, description = "A page of replays.", body = ReplayList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    PathId(id): PathId<WebhookId>,
    ListQuery { page, given, .. }: ListQuery<(), ReplayId>,
) -> Result<Response, Failure> {
    services.webhooks.get(&caller.access, id).await?;
    let found = services.replays.list(&caller.access, Some(id), page).await?;
    Ok(page::answer(&found, &given, ReplayView::from, |replay| replay.id))
}
