//! `GET /webhooks/{id}/deliveries`: a webhook's deliveries, with the parameters of `GET /deliveries` except
//! `webhook`. The history of a deleted webhook is still readable. The ports do not distinguish a deleted
//! webhook from one that never existed, so 404 means that there is neither a webhook nor a delivery.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::{Services, WebhookError};
use rdev_webhooks_domain::{Access, DeliveryFilter, DeliveryId, PageRequest, WebhookId};

use crate::failure::Failure;
use crate::routes::deliveries::filter::{Filters, LastAttempt, OfCommand, Period, Searched};
use crate::routes::deliveries::waits;
use crate::schema_types as types;
use crate::views::{DeliveryList, ListedDelivery};
use rdev_http::Caller;
use rdev_http::PathId;
use rdev_http::page::{self, ListQuery, PageParameters};

/// List a webhook's deliveries
///
/// Deliveries of the newest events first. The history of a deleted webhook stays readable.
#[utoipa::path(
    get,
    path = "/webhooks/{id}/deliveries",
    tag = "deliveries",
    operation_id = "listWebhookDeliveries",
    security(("api_key" = ["webhooks:read"])),
    params(("id" = types::WebhookId, Path), Filters, Period, LastAttempt, OfCommand, PageParameters),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList, headers(("Link"))))
)]
pub(crate) async fn deliveries(
    State(services): State<Services>,
    PathId(id): PathId<WebhookId>,
    caller: Caller,
    ListQuery { filter: (filters, searched), page, given }: ListQuery<(Filters, Searched), DeliveryId>,
) -> Result<Response, Failure> {
    let filter = filters.search(searched, Some(id));
    let found = services.history.list(&caller.access, &filter, page).await?;
    if found.items.is_empty() {
        check_existence(&services, &caller.access, id).await?;
    }
    let waits = waits::load(&services, &caller.access, &found.items).await?;
    Ok(page::answer(&found, &given, |delivery| ListedDelivery::new(delivery, &waits), |delivery| delivery.id))
}

async fn check_existence(services: &Services, access: &Access, id: WebhookId) -> Result<(), Failure> {
    match services.webhooks.get(access, id).await {
        Ok(_) => return Ok(()),
        Err(WebhookError::NotFound) => {}
        Err(error) => return Err(error.into()),
    }
    let all = DeliveryFilter { webhook: Some(id), ..DeliveryFilter::default() };
    let any = PageRequest { limit: 1, before: None };
    if services.history.list(access, &all, any).await?.items.is_empty() {
        return Err(WebhookError::NotFound.into());
    }
    Ok(())
}
