//! Deliveries.

mod attempts;
pub(super) mod filter;
mod get;
mod list;
mod redeliver;

pub(super) use attempts::attempts;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use redeliver::redeliver;

use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{DeliveryId, DeliveryRecord};

use crate::problem::Problem;

/// One delivery, or 404.
async fn find(services: &Services, id: DeliveryId) -> Result<DeliveryRecord, Problem> {
    let found = services.history.get(id).await?;
    found.ok_or_else(|| Problem::not_found("There is no such delivery."))
}
