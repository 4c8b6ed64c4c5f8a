//! Replays of a webhook's deliveries.

mod begin;
mod cancel;
mod get;
mod list;
mod request;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(begin::begin, list::list, get::get, cancel::cancel))]
pub(in crate::routes) struct Described;

pub(in crate::routes) use begin::begin;
pub(in crate::routes) use cancel::cancel;
pub(in crate::routes) use get::get;
pub(in crate::routes) use list::list;

use rdev_webhooks_app::{ReplayError, Services};
use rdev_webhooks_domain::{Access, Replay, ReplayId, WebhookId};

use crate::failure::Failure;

/// Returns a replay of a webhook, or 404.
async fn find(
    services: &Services,
    access: &Access,
    webhook: WebhookId,
    id: ReplayId,
) -> Result<Replay, Failure> {
    services.webhooks.get(access, webhook).await?;
    let replay = services.replays.get(access, id).await?;
    if replay.selection.webhook_id == webhook { Ok(replay) } else { Err(ReplayError::NotFound.into()) }
}
