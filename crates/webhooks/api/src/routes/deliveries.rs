//! Deliveries.

mod attempts;
mod cancel;
pub(super) mod filter;
mod get;
mod list;
mod redeliver;
pub(super) mod waits;

use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(paths(list::list, get::get, attempts::attempts, cancel::cancel, redeliver::redeliver))]
pub(super) struct Described;

pub(super) use attempts::attempts;
pub(super) use cancel::cancel;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use redeliver::redeliver;

use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{Access, DeliveryId, DeliveryRecord};

use rdev_http::Problem;

/// Returns a delivery that the caller sees, or 404.
async fn find(services: &Services, access: &Access, id: DeliveryId) -> Result<DeliveryRecord, Problem> {
    let found = services.history.get(access, id).await?;
    found.ok_or_else(|| Problem::not_found("The delivery was not found."))
}
