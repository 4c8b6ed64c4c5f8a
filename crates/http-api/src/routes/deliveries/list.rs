//! `GET /deliveries?status=&event=&project=&webhook=&since=&until=&limit=&cursor=`: deliveries, those
//! of the newest events first.

use axum::extract::State;
use axum::response::Response;
use rdev_webhooks_app::Services;

use super::filter;
use crate::caller::Caller;
use crate::page;
use crate::problem::Problem;
use crate::query::Query;
use crate::views::DeliveryView;

pub(crate) async fn list(
    State(services): State<Services>,
    caller: Caller,
    mut query: Query,
) -> Result<Response, Problem> {
    let mut filter = filter::read(&mut query, &caller.access);
    filter.webhook = query.value("webhook");
    let request = page::request(&mut query);
    let given = query.finish()?;
    let found = services.history.list(&filter, request).await?;
    Ok(page::answer(&found, &given, DeliveryView::from, |delivery| delivery.id))
}
