//! `GET /webhooks/{id}/replays?limit=&cursor=`: the webhook's replays, newest first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::{ReplayList, ReplayView};
use rdev_http::page::{self, PageParameters};
use rdev_http::query::Query;
use rdev_http::{Caller, PathId};

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
    mut query: Query,
) -> Result<Response, Failure> {
    let request = page::request(&mut query);
    let given = query.finish()?;
    services.webhooks.get(&caller.access, id).await?;
    let found = services.replays.list(&caller.access, id, request).await?;
    Ok(page::answer(&found, &given, ReplayView::from, |replay| replay.id))
}
