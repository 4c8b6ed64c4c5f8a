//! Deliveries.

mod attempts;
mod cancel;
pub(super) mod filter;
mod get;
mod list;
mod redeliver;

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
use rdev_webhooks_domain::{Access, DeliveryFilter, DeliveryId, DeliveryRecord, PageRequest};

use rdev_http::Problem;

/// Returns a delivery that the caller may see, or 404.
async fn find(services: &Services, access: &Access, id: DeliveryId) -> Result<DeliveryRecord, Problem> {
    let none = || Problem::not_found("The delivery was not found.");
    let found = services.history.get(id).await?.ok_or_else(none)?;
    if access.projects.is_some() {
        // The webhook may have been deleted, and only the store still knows its projects. An event has one
        // delivery to a webhook.
        let this = DeliveryFilter {
            webhook: Some(found.delivery.webhook_id),
            event: Some(found.delivery.event_id),
            visible_to: access.projects.clone(),
            ..DeliveryFilter::default()
        };
        let visible = services.history.list(&this, PageRequest { limit: 1, before: None }).await?;
        if visible.items.is_empty() {
            return Err(none());
        }
    }
    Ok(found)
}
