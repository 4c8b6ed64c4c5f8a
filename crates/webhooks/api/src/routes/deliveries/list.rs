//! `GET /deliveries`, with the parameters of [`Filters`], [`Searched`](super::filter::Searched), [`Receiver`] and pages:
//! deliveries, those of the newest events first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::DeliveryId;

use super::filter::{Filters, LastAttempt, OfCommand, Period, Receiver, Searched};
use super::waits;
use crate::failure::Failure;
use crate::views::{DeliveryList, ListedDelivery};
use rdev_http::Caller;
use rdev_http::page::{self, ListQuery, PageParameters};

/// List deliveries
///
/// Deliveries of the newest events first.
#[utoipa::path(
    get,
    path = "/deliveries",
    tag = "deliveries",
    operation_id = "listDeliveries",
    security(("api_key" = ["webhooks:read"])),
    params(Filters, Period, LastAttempt, OfCommand, Receiver, PageParameters),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    ListQuery { filter, page, given }: ListQuery<(Filters, (Searched, Receiver)), DeliveryId>,
) -> Result<Response, Failure> {
    let (filters, (searched, Receiver { webhook })) = filter;
    let found = services.history.list(&caller.access, &filters.search(searched, webhook), page).await?;
    let waits = waits::load(&services, &caller.access, &found.items).await?;
    Ok(page::answer(&found, &given, |delivery| ListedDelivery::new(delivery, &waits), |delivery| delivery.id))
}
