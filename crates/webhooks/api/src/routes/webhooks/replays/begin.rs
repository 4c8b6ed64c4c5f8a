//! `POST /webhooks/{id}/replay`: starts a replay of a range of deliveries. 202 with `Location` and the
//! replay; with `dry_run`, 200 with the number of deliveries. 409 if the webhook is disabled or another
//! replay of it is running.

use axum::extract::{OriginalUri, State};
use axum::response::Response;
use http::StatusCode;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::WebhookId;

use super::request::{self, ReplayBody};
use crate::failure::Failure;
use crate::schema_types as types;
use crate::views::{DryRunView, ReplayView};
use rdev_http::body::Document;
use rdev_http::{Caller, OperationIds, PathId};

/// Start a replay
///
/// Redelivers the finished deliveries of a time range with the same `webhook-id`, oldest first and a few at a time, so
/// that live events are not delayed. With the status `missing` it sends the events that the webhook has no delivery of.
#[utoipa::path(
    post,
    path = "/webhooks/{id}/replay",
    tag = "replays",
    operation_id = "beginReplay",
    security(("api_key" = ["webhooks:write"])),
    params(("id" = types::WebhookId, Path)),
    request_body = ReplayBody,
    responses(
        (status = 202, description = "The replay was started.", body = ReplayView, headers(("Location"))),
        (status = 200, description = "With `dry_run`: the deliveries that a replay would redeliver.", body = DryRunView)
    ),
    extensions(("x-problems" = json!(["webhook_disabled", "replay_running"])))
)]
pub(crate) async fn begin(
    State(services): State<Services>,
    caller: Caller,
    OperationIds(ids): OperationIds,
    PathId(id): PathId<WebhookId>,
    OriginalUri(uri): OriginalUri,
    document: Document,
) -> Result<Response, Failure> {
    services.webhooks.get(&caller.access, id).await?;
    let request = request::read(&document, id, &caller.access)?;
    if request.dry_run {
        let (selection, matched) = services.replays.count(request.new, ids).await?;
        return Ok(rdev_http::json(&DryRunView::new(&selection, matched)));
    }
    let replay = services.replays.begin(&caller.access, request.new, ids).await?;
    let location = format!("{}s/{}", uri.path(), replay.id);
    Ok(rdev_http::created(StatusCode::ACCEPTED, location, &ReplayView::from(&replay)))
}
