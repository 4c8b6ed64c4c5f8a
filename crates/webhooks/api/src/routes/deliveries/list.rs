//! `GET /deliveries?status=&event=&project=&webhook=&since=&until=&limit=&cursor=`: deliveries, those of the
//! newest events first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;
use utoipa::IntoParams;

use super::filter;
use crate::schema_types as types;
use crate::views::{DeliveryList, DeliveryView};
use rdev_http::page::{self, PageParameters};
use rdev_http::query::Query;
use rdev_http::{Caller, Problem};

/// What `GET /deliveries` takes besides.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it describes what `list` reads")]
struct WebhookFilter {
    /// Only deliveries to this webhook.
    #[param(value_type = Option<types::WebhookId>)]
    webhook: Option<String>,
}

/// List deliveries
///
/// Deliveries of the newest events first.
#[utoipa::path(
    get,
    path = "/deliveries",
    tag = "deliveries",
    operation_id = "listDeliveries",
    security(("api_key" = ["webhooks:read"])),
    params(filter::Filters, WebhookFilter, PageParameters),
    responses((status = 200, description = "A page of deliveries.", body = DeliveryList, headers(("Link"))))
)]
pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let mut filter = filter::read(&mut query);
    filter.webhook = query.value("webhook");
    let request = page::request(&mut query);
    let given = query.finish()?;
    let found = services.history.list(&caller.access, &filter, request).await?;
    Ok(page::answer(&found, &given, DeliveryView::from, |delivery| delivery.id))
}
