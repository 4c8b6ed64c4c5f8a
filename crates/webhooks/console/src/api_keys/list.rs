//! The list of API keys.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_access::ApiKey;
use rdev_http::Problem;
use rdev_pages::{Moment, PageQuery, Pager, View};

use super::failed;
use crate::Shared;

/// The number of keys of a page.
const LIMIT: u32 = 25;

#[derive(Template)]
#[template(path = "api_keys/list.html")]
struct ListPage<'a> {
    view: &'a View,
    rows: Vec<Row>,
    pager: Pager,
}

struct Row {
    key: ApiKey,
    path: String,
    has_expired: bool,
    created: Moment,
    used: Option<Moment>,
    expires: Option<Moment>,
    is_own: bool,
}

pub(crate) async fn list(
    State(services): State<Shared>,
    view: View,
    PageQuery(query): PageQuery,
) -> Result<Response, Problem> {
    let found = services.api_keys.list(query.page(LIMIT)).await.map_err(failed)?;
    let pager = Pager::new(&view, "/api-keys", &query, &found, |key| key.id);
    let own = view.session().and_then(|session| session.caller.key);
    let rows = found.items.into_iter().map(|key| Row {
        path: view.url(&format!("/api-keys/{}", key.id)),
        has_expired: key.has_expired(view.now()),
        created: view.moment(key.created_at),
        used: key.last_used_at.map(|at| view.moment(at)),
        expires: key.expires_at.map(|at| view.moment(at)),
        is_own: own == Some(key.id),
        key,
    });
    let content = ListPage { view: &view, rows: rows.collect(), pager };
    view.page("API keys", &content)
}
