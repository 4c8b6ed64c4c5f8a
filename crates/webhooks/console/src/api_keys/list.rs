//! The list of API keys.

use askama::Template;
use axum::extract::State;
use axum::response::Response;
use rdev_access::ApiKey;
use rdev_http::Problem;
use rdev_pages::{Moment, PageQuery, View};
use rdev_webhooks_domain::{ApiKeyId, PageRequest};

use super::failed;
use crate::Shared;

/// The number of keys of a page.
const LIMIT: u32 = 25;

#[derive(Template)]
#[template(path = "api_keys/list.html")]
struct ListPage<'a> {
    view: &'a View,
    rows: Vec<Row>,
    older: Option<String>,
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
    let before: Option<ApiKeyId> = query.given("before").and_then(|id| id.parse().ok());
    let found = services.api_keys.list(PageRequest { limit: LIMIT, before }).await.map_err(failed)?;
    let older = found.items.last().filter(|_| found.has_more).map(|last| last.id.to_string());
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
    let content = ListPage {
        view: &view,
        rows: rows.collect(),
        older: older.map(|id| view.url(&format!("/api-keys?before={id}"))),
    };
    view.page("API keys", &content)
}
