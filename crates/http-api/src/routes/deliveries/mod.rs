//! Deliveries.

mod attempts;
mod cancel;
pub(super) mod filter;
mod get;
mod list;
mod redeliver;

pub(super) use attempts::attempts;
pub(super) use cancel::cancel;
pub(super) use get::get;
pub(super) use list::list;
pub(super) use redeliver::redeliver;

use rdev_webhooks_app::{Services, WebhookError};
use rdev_webhooks_domain::{DeliveryId, DeliveryRecord};

use crate::caller::Caller;
use crate::problem::Problem;

/// One delivery, or 404.
async fn find(services: &Services, id: DeliveryId) -> Result<DeliveryRecord, Problem> {
    let found = services.history.get(id).await?;
    found.ok_or_else(|| Problem::not_found("There is no such delivery."))
}

/// Makes sure that there is such a delivery for the caller. Who is limited to nothing is told by what is done
/// then.
async fn check_visible(services: &Services, caller: &Caller, id: DeliveryId) -> Result<(), Problem> {
    if caller.access.projects.is_none() {
        return Ok(());
    }
    let delivery = find(services, id).await?.delivery;
    let of_caller = match services.webhooks.get(delivery.webhook_id).await {
        Ok(webhook) => caller.access.sees_webhook(&webhook),
        Err(WebhookError::NotFound) => false,
        Err(error) => return Err(error.into()),
    };
    if of_caller && caller.access.sees_project(delivery.project.as_ref()) {
        return Ok(());
    }
    Err(Problem::not_found("There is no such delivery."))
}
