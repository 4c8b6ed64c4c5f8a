//! The list of deliveries, and its rows by their ids.

use askama::Template;
use axum::extract::State;
use axum::response::IntoResponse;
use axum::response::{Html, Response};
use rdev_http::{Caller, Problem};
use rdev_pages::{FormFaults, PageQuery, View};
use rdev_webhooks_domain::{DeliveryId, Page, PageRequest};

use super::filter::{self, Inputs};
use super::row::{Row, Rows};
use crate::Shared;

/// The number of deliveries of a page.
const LIMIT: u32 = 25;
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
    is_first: bool,
    older: Option<String>,
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
    let before: Option<DeliveryId> = query.given("before").and_then(|id| id.parse().ok());
    let found = match faults.is_empty() {
        true => services.history.list(&caller.access, &wanted, PageRequest { limit: LIMIT, before }).await?,
        false => Page { items: Vec::new(), has_more: false, damaged: Vec::new() },
    };
    let rows = Rows::load(&services, &caller.access, &view, &found.items).await?;
    let older = found.items.last().filter(|_| found.has_more).map(|last| last.id.to_string());
    let address = |path: &str, before: Option<&str>| view.url(&query.address(path, &[("before", before)]));
    let content = ListPage {
        view: &view,
        filter: filter::inputs(&query, &faults),
        is_filtered: filter::NAMES.iter().any(|name| query.given(name).is_some()),
        rows: found.items.iter().map(|delivery| rows.row(delivery)).collect(),
        stream: faults.is_empty().then(|| address("/live", None)),
        newest: address("/deliveries", None),
        is_first: before.is_none(),
        older: older.map(|id| address("/deliveries", Some(&id))),
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
    let ids = query.all("id").filter_map(|id| id.parse::<DeliveryId>().ok()).take(MAX_ROWS);
    let mut found = Vec::new();
    for id in ids {
        found.extend(services.history.get(&caller.access, id).await?.map(|record| record.delivery));
    }
    let rows = Rows::load(&services, &caller.access, &view, &found).await?;
    let part = RowsPart { rows: found.iter().map(|delivery| rows.row(delivery)).collect() };
    Ok(Html(view.part(&part)?).into_response())
}
