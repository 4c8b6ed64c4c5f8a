//! `GET /deliveries?status=&event=&project=&webhook=&since=&until=&limit=&cursor=`: deliveries, those of the
//! newest events first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use rdev_webhooks_domain::{DeliveryFilter, DeliveryId};

use super::filter::{Filters, Period, Receiver};
use crate::views::{DeliveryList, DeliveryView};
use rdev_http::Caller;
use rdev_http::Problem;
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
    params(Filters, Period, Receiver, PageParameters),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    ListQuery { filter, page, given }: ListQuery<(Filters, (Period, Receiver)), DeliveryId>,
) -> Result<Response, Problem> {
    let (filters, (Period { since, until }, Receiver { webhook })) = filter;
    let filter = DeliveryFilter { since, until, webhook, ..filters.filter() };
    let found = services.history.list(&caller.access, &filter, page).await?;
    Ok(page::answer(&found, &given, DeliveryView::from, |delivery| delivery.id))
}
