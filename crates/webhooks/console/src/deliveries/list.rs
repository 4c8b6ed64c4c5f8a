//! The list of deliveries, and its rows by their ids.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::{Html, Response};
use rdev_http::{Caller, Problem};
use rdev_pages::{FormFaults, PageQuery, Pager, View};
use rdev_webhooks_domain::{DeliveryId, Page, scopes};

use super::filter::{self, Inputs};
use super::row::{Row, Rows};
use crate::Shared;

/// The number of deliveries of a page. With the assets it has at most 60 KB.
const LIMIT: u32 = 20;
/// The number of rows that the script may ask for at once.
const MAX_ROWS: usize = 100;

#[derive(Template)]
#[template(path = "deliveries/list.html")]
struct ListPage<'a> {
    view: &'a View,
    filter: Inputs,
    is_filtered: bool,
    rows: Vec<Row>,
    stream: Option<String>,
    newest: String,
    pager: Pager,
    may_write: bool,
}

#[derive(Template)]
#[template(path = "deliveries/rows.html")]
struct RowsPart {
    rows: Vec<Row>,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let mut faults = FormFaults::default();
    let wanted = filter::read(&query, &mut faults);
    let found = match faults.is_empty() {
        true => services.history.list(&caller.access, &wanted, query.page(LIMIT)).await?,
        false => Page::of(Vec::new(), LIMIT),
    };
    let rows = Rows::load(&services, &caller.access, &view, &found.items).await?;
    let newest = |path: &str| view.url(&query.address(path, &[("before", None)]));
    let content = ListPage {
        view: &view,
        filter: filter::inputs(&query, &faults),
        is_filtered: filter::NAMES.iter().any(|name| query.given(name).is_some()),
        rows: found.items.iter().map(|delivery| rows.row(delivery)).collect(),
        stream: faults.is_empty().then(|| newest("/live")),
        newest: newest("/deliveries"),
        pager: Pager::new(&view, "/deliveries", &query, &found, |delivery| delivery.id),
        may_write: view.allows(&scopes::WEBHOOKS_WRITE),
    };
    view.page("Deliveries", &content)
}

/// The rows of these deliveries as they are now.
pub(crate) async fn rows(
    State(services): State<Shared>,
    view: View,
    caller: Caller,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let ids = query.all("id").filter_map(|id| id.parse().ok()).take(MAX_ROWS).collect::<Vec<DeliveryId>>();
    let found = services.feed.present(&caller.access, &ids).await?;
    let rows = Rows::load(&services, &caller.access, &view, &found).await?;
    let part = RowsPart { rows: found.iter().map(|delivery| rows.row(delivery)).collect() };
    Ok(Html(view.part(&part)?).into_response())
}
